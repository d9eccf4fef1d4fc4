from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from java_samples import jdks, need_java

from aac_plugins.runtimes import java_probe

pytestmark = [pytest.mark.real]


def test_the_probe_is_what_every_jdk_makes_of_its_source(tmp_path: Path) -> None:
    need_java()
    source = tmp_path / "AgentProbe.java"
    source.write_text(java_probe.own_text(source.name))
    for name, javac in jdks().items():
        (tmp_path / name).mkdir()
        flags = [str(tmp_path / name) if word == java_probe.FOLDER else word for word in java_probe.COMPILE[1:]]
        subprocess.run([javac, *flags, source], check=True)
        assert (tmp_path / name / "AgentProbe.class").read_bytes() == java_probe.compiled(), name


@pytest.mark.parametrize(
    ("words", "well"), [(("/",), True), ((), True), (("/missing",), False)], ids=["http", "tcp", "http that is not well"]
)
def test_the_probe_tells_well_from_unwell(
    words: tuple[str, ...], well: bool, repository: tuple[Path, str], tmp_path: Path
) -> None:
    need_java()
    (tmp_path / "AgentProbe.class").write_bytes(java_probe.compiled())
    port = repository[1].rpartition(":")[2]
    argv = [str(tmp_path) if word == java_probe.FOLDER else word for word in java_probe.JAVA]
    assert (subprocess.run([*argv, port, "3", *words], check=False, capture_output=True).returncode == 0) == well
    assert subprocess.run([*argv, "1", "0.5", *words], check=False, capture_output=True).returncode != 0
