"""Brief steps go to a Dask cluster in bundles: each is done once. A worker that dies costs the bundle that it was at, and one
that it ended so shortly before that nobody had heard of it (its messages wait for two milliseconds).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.dask_cluster import Cluster, cluster
from real.doors import installed

from aac_plugins.executors.dask import BUNDLE
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("dask")]
STEPS = 200
BRIEF = f"""
import os
import signal
from pathlib import Path

from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Result
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


@hookimpl
def aac_add_steps(spec, plan):
    return [Step(f"brief{{n:03d}}:{{plan.agent}}", f"brief{{n:03d}}", plan.agent, dict(spec.config)) for n in range({STEPS})]


@hookimpl
def aac_run_step(step, upstream, tools):
    if not step.kind.startswith("brief"):
        return None
    seen = Path(step.action["seen"])
    with (seen / "done").open("a") as file:
        file.write(f"{{step.kind}} {{os.getpid()}}\\n")
    if step.kind == step.action.get("fatal") and not (seen / "fatal").exists():
        (seen / "fatal").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if step.kind == step.action.get("fails"):
        raise StepError("it does not want to")
    return Result(outputs={{"kind": step.kind}})
"""
AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: busy, version: "1.0"}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  config: {seen: SEEN, fatal: FATAL, fails: FAILS, run: RUN}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    top = tmp_path_factory.mktemp("brief")
    plugins = installed(top, "brief", "aac_brief")
    (plugins / "aac_brief.py").write_text(BRIEF)
    env = {"PYTHONPATH": os.pathsep.join(filter(None, (str(plugins), os.environ.get("PYTHONPATH"))))}
    with cluster(top / "cluster", ("one", "two"), env) as made:
        yield made


def tasks(made: Cluster) -> int:
    """How many the workers that live have done for Dask."""
    from distributed import Client

    with Client(made.address.replace("dask", "tcp"), set_as_default=False) as client:
        return sum(client.run(lambda dask_worker: dask_worker.state.executed_count).values())


def run(project: Project, made: Cluster, seen: Path, *, fatal: str = "", fails: str = "", code: int = 0) -> tuple[str, list[str]]:
    """What it says, and which steps were begun."""
    seen.mkdir()
    text = AGENT.replace("SEEN", str(seen)).replace("FATAL", fatal or '""').replace("FAILS", fails or '""')
    text = text.replace("RUN", f"r{uuid4().hex}")  # nobody has done these before
    project.write({"agent.yaml": text, "dodo.py": "from aac_tasks.dodo import *\n"})
    user = replace(project, env={**project.env, **made.env, "AAC_EXECUTOR": made.address})
    said = user.doit("-n", "32", "--continue", "brief*:busy").exits(code).output
    return said, [line.split()[0] for line in (seen / "done").read_text().splitlines()]


def test_brief_steps_go_in_bundles_and_each_is_done_once(project: Project, made: Cluster, tmp_path: Path) -> None:
    before = tasks(made)
    _, begun = run(project, made, tmp_path / "seen")
    assert sorted(begun) == [f"brief{n:03d}" for n in range(STEPS)]
    assert tasks(made) - before < STEPS * 3 / 4
    assert project.doit("brief*:busy", env={"AAC_EXECUTOR": made.address, **made.env}).ok()
    assert len((tmp_path / "seen/done").read_text().splitlines()) == STEPS


def test_one_that_fails_does_not_fail_its_bundle(project: Project, made: Cluster, tmp_path: Path) -> None:
    said, begun = run(project, made, tmp_path / "seen", fails="brief150", code=1)
    assert len(begun) == STEPS
    assert said.count("it does not want to") >= 1
    stamps = {path.parent.name for path in project.folder.glob(".aac/agents/busy/steps/*/stamp")}
    assert {f"brief{n:03d}" for n in range(STEPS)} - stamps == {"brief150"}


def test_a_worker_that_dies_costs_its_bundle(project: Project, made: Cluster, tmp_path: Path) -> None:
    _, begun = run(project, made, tmp_path / "seen", fatal="brief150")
    times = Counter(begun)
    assert set(times) == {f"brief{n:03d}" for n in range(STEPS)}
    assert times["brief150"] == 2
    assert max(times.values()) == 2
    assert sum(times.values()) <= STEPS + 2 * BUNDLE
