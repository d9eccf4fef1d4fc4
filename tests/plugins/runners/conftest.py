from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from runner_stage import Stage

from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.runc import OciRuntime
from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.contracts.roles import Runner
from aac_tasks.testing import need

WRAPPER = """#!/bin/sh
# crun 1.8 refuses cgroup v1 beside v2 ("hybrid mode"); hidden from it, the same machine is plain v1.
exec unshare --mount sh -c 'umount /sys/fs/cgroup/unified && exec "$0" "$@"' {crun} "$@"
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A folder that any user may enter, as a workspace usually is."""
    with tempfile.TemporaryDirectory(prefix="aac-test-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        made = Stage(folder, environment={**os.environ, "PATH": _path(folder)})
        yield made
        made.finish()


@pytest.fixture(params=["crun", "runc", "userns", "host"])
def runner(request: pytest.FixtureRequest, stage: Stage) -> Runner:
    """Each runner without an engine, if it works here."""
    runners: dict[str, Runner] = {
        "crun": OciRuntime("crun"),
        "runc": OciRuntime("runc"),
        "userns": UsernsRunner(),
        "host": HostRunner(),
    }
    chosen = runners[request.param]
    probe = chosen.probe(stage.tools)
    need(probe.works or os.geteuid() != 0, f"{chosen.name}: {probe.reason}")
    if not probe.works:
        pytest.skip(f"{chosen.name} as a plain user: {probe.reason}")
    return chosen


def _path(folder: Path) -> str:
    """PATH, with a crun that does not see the second half of a hybrid cgroup tree (root only can hide it)."""
    path = os.environ.get("PATH", os.defpath)
    hybrid = Path("/sys/fs/cgroup/unified/cgroup.procs").exists()
    crun = shutil.which("crun", path=path)
    if not (hybrid and crun and os.geteuid() == 0):
        return path
    programs = folder / "programs"
    programs.mkdir()
    (programs / "crun").write_text(WRAPPER.format(crun=crun))
    (programs / "crun").chmod(0o755)
    return f"{programs}:{path}"
