"""Each fault through the real commands: the message, the exit code, and that the next run does the right thing."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from faults.fault_folder import Fault, Scene, check_golden, faults, mend, scene

from aac_tasks.testing import Project, need

AREAS = ("project", "dependencies", "registry", "layers", "archive", "machine", "running", "lock", "state", "doors", "compiled")
RUNS = {"AAC_ALLOW_HOST": "1", "AAC_REGISTRY_TIMEOUT": "0.7", "DOCKER_HOST": "unix:///nowhere"}
"""Any runner will do here, except one whose engine has words of its own; a silent server is not waited for."""


@pytest.mark.parametrize("fault", faults(*AREAS), ids=lambda f: f.name)
def test_a_fault_is_told_well_and_the_next_run_goes_on(
    fault: Fault, lone_project: Project, request: pytest.FixtureRequest
) -> None:
    for program in fault.facts.get("needs", ()):
        need(shutil.which(program), f"{program} is not installed")
    project = lone_project  # what another test left in a shared cache would change what is said
    facts = {**fault.facts, "environment": {**RUNS, **fault.facts.get("environment", {})}}
    if facts.get("user") == "plain":
        need(shutil.which("setpriv") and os.geteuid() == 0, "another user needs root and setpriv (util-linux)")
        project = _open_to_all(project, request)
    beside = project.folder.parent / "beside"
    with scene(fault, project, beside, facts) as now:
        for before in facts.get("before", ()):
            now.do(before)
        ran = now.run(facts["command"])
        check_golden(fault, now.seen(ran))
        ran.exits(facts["exit"])
        check_told_well(ran.output)
        check_nothing_is_left(now)
    _check_mended(fault, project, beside)


def _open_to_all(project: Project, request: pytest.FixtureRequest) -> Project:
    """The same user's project in a folder that other users may enter: pytest's own are closed to them."""
    top = Path(tempfile.mkdtemp(prefix="aac-fault-"))
    request.addfinalizer(lambda: shutil.rmtree(top))
    top.chmod(0o755)
    for name in ("project", "home"):
        (top / name).mkdir()
        (top / name).chmod(0o777)
    return Project(top / "project", {**project.env, "HOME": str(top / "home"), "XDG_CACHE_HOME": str(top / "home/.cache")})


def _check_mended(fault: Fault, project: Project, beside: Path) -> None:
    if "nothing to mend" in fault.facts:
        return
    facts = {**fault.facts, **fault.mended}
    facts["environment"] = {**RUNS, **fault.mended.get("environment", fault.facts.get("environment", {}))}
    with scene(fault, project, beside, facts) as now:
        mend(now)
        now.do(facts["command"])
        for after in fault.mended.get("after", ()):
            now.do(after)


def check_told_well(said: str) -> None:
    """No traceback, and no line of the message twice."""
    assert "Traceback" not in said
    lines = [line.strip() for line in said.splitlines() if len(line.strip()) > 40]
    assert len(lines) == len(set(lines)), "a line is said twice"


def check_nothing_is_left(now: Scene) -> None:
    """No half-written file in the project, nothing in the cache's folder for temporary files."""
    places = [now.place.project.folder, Path(now.place.project.env["XDG_CACHE_HOME"])]
    left = [p for place in places for p in place.rglob("*") if p.name.endswith(".new")]
    assert left == []
