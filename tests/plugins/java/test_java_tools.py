from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from java_samples import need_java
from runner_stage import Stage

from aac_plugins.runtimes.java_tools import SHORT, Jdk, find_jdk, major, run_maven
from aac_tasks.errors import StepError


def test_people_count_java_by_its_first_number() -> None:
    assert [major(v) for v in ("21.0.5", "17", "1.8.0_432", "8u432-b06", "", "x")] == ["21", "17", "8", "8", "", ""]


def test_maven_is_told_of_proxies_in_javas_words_and_of_nothing_else_of_the_user(tmp_path: Path) -> None:
    """The program in Maven's place writes down how it was called."""
    need_java()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "mvn").write_text(f'#!/bin/sh\nfor word in "$@"; do echo "$word"; done >{tmp_path}/told\nenv >>{tmp_path}/told\n')
    (programs / "mvn").chmod(0o755)
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HTTPS_PROXY": "http://ada:pw@proxy.example.org:3128",
        "no_proxy": "localhost,.example.org",
        "OPENAI_API_KEY": "secret",
        **({"JAVA_HOME": home} if (home := os.environ.get("JAVA_HOME")) else {}),
    }
    stage = Stage(tmp_path, env)
    assert run_maven(("compile",), tmp_path, stage.tools).exit_code == 0
    told = (tmp_path / "told").read_text().splitlines()
    assert "-Dhttps.proxyHost=proxy.example.org" in told
    assert "-Dhttps.proxyPort=3128" in told
    assert "-Dhttp.nonProxyHosts=localhost|*.example.org" in told
    assert f"-Dmaven.repo.local={tmp_path}/cache/maven" in told
    assert told.index("compile") < told.index("-o")
    assert f"MAVEN_OPTS={' '.join(SHORT)}" in told
    assert not any("secret" in line or "pw" in line for line in told)
    javac = shutil.which("javac")
    assert javac is not None
    assert home or f"JAVA_HOME={Path(javac).resolve().parents[1]}" in told


def test_a_jdk_is_asked_for_its_version_only_where_its_file_does_not_tell_it(tmp_path: Path) -> None:
    """The program in the compiler's place says another one."""
    home = tmp_path / "jdk"
    (home / "bin").mkdir(parents=True)
    (home / "bin/javac").write_text("#!/bin/sh\necho javac 21.0.2\n")
    (home / "bin/javac").chmod(0o755)
    stage = Stage(tmp_path, {"PATH": os.environ["PATH"], "JAVA_HOME": str(home)})
    assert find_jdk(stage.tools) == Jdk(home, "21")
    (home / "release").write_text('IMPLEMENTOR="Debian"\nJAVA_RUNTIME_VERSION="x"\nJAVA_VERSION="17.0.15"\n')
    assert find_jdk(stage.tools) == Jdk(home, "17")
    for useless in (b"", b'JAVA_VERSION=""\n', b"\xff"):
        (home / "release").write_bytes(useless)
        assert find_jdk(stage.tools) == Jdk(home, "21")
    (home / "release").write_text('JAVA_VERSION="1.8.0_432"\n')
    with pytest.raises(StepError, match="is JDK 8; 11 or later is needed"):
        find_jdk(stage.tools)
