"""`--executor dask://`: a real scheduler, workers in processes of their own, and a real registry between them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.dask_cluster import Cluster, cluster
from real.doors import installed
from real_registry import free_port, registry_server
from team import Member, Team, make_team, outcomes

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.testing import Ran, command

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("dask")]
AGENTS = ("ada", "bob")
STEPS = {f"{kind}:{name}" for kind in ("image", "test") for name in AGENTS}
PAGE = "agents/ada/www/index.html"
TALKS = """
import time
from pathlib import Path

from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Result
from aac_tasks.hookspecs import hookimpl


@hookimpl
def aac_add_steps(spec, plan):
    until = spec.config.get("talks_until")
    return [Step(f"talks:{plan.agent}", "talks", plan.agent, {"until": until})] if until else []


@hookimpl
def aac_run_step(step, upstream, tools):
    if step.kind == "talks":
        tools.note(f"is at it in {tools.root}")
        while not Path(step.action["until"]).exists():
            time.sleep(0.05)
        return Result()
"""


@dataclass
class Lab:
    """A team, a registry that all machines see, a cluster."""

    team: Team
    place: str
    cluster: Cluster
    count: int = 0

    def member(self) -> Member:
        """A machine that hands its steps to the cluster."""
        self.count += 1
        env = {"AAC_SHARED_CACHE_WRITE": "1", "AAC_SHARED_CACHE_TIMEOUT": "120", **self.cluster.env}
        return self.team.member(f"member-{self.count}", env)

    def errands(self, worker: str) -> list[Path]:
        """What stands of orders on a worker's disk."""
        return list(self.cluster.workers[worker].cache.glob("errands/*/*"))

    def test(self, member: Member, *words: str) -> Ran:
        return member.project.agent("test", *words, "--executor", self.cluster.address, "--json")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    top = tmp_path_factory.mktemp("dask")
    team = make_team(top, AGENTS)
    plugins = installed(top, "talks", "aac_talks")
    (plugins / "aac_talks.py").write_text(TALKS)
    env = {"PYTHONPATH": os.pathsep.join(filter(None, (str(plugins), os.environ.get("PYTHONPATH"))))}
    with registry_server(top / "registry") as address, cluster(top / "cluster", ("one", "two"), env) as made:
        team.settings(place=f"http://{address}/team/cache")
        yield Lab(team, address, made)


def facts(member: Member) -> dict[str, object]:
    """What a run left that must not depend on who did it: stamps, without times, and digests."""
    found = {}
    for path in sorted(member.project.folder.glob(".aac/agents/*/steps/*/stamp")):
        stamp = json.loads(path.read_bytes().partition(b"\n")[2])
        notes = stamp["result"].pop("notes", [])
        assert notes == [] or path.parent.name in ("lock", "test")  # a test says how long it took
        found[f"{path.parent.name}:{path.parts[-4]}"] = {k: v for k, v in stamp.items() if k not in ("finished", "seconds")}
    return found


def edit(member: Member, text: str = "I am ada, again\n") -> None:
    (member.project.folder / PAGE).write_text(text)


def waits_for(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def test_a_cluster_leaves_the_same_keys_stamps_and_digests_as_a_run_at_home(lab: Lab) -> None:
    away, home = lab.member(), lab.member()
    ran = outcomes(lab.test(away).ok())
    assert {step for step, how in ran.items() if how == "done"} >= STEPS
    assert {step for step, how in home.outcomes().items() if how == "done"} >= STEPS
    assert facts(away) == facts(home)
    assert set(facts(away)) >= STEPS


def test_at_home_nothing_is_built_and_no_layer_arrives_until_a_step_needs_it(lab: Lab) -> None:
    member = lab.member()
    edit(member, "ada, otherwise\n")
    lab.test(member).ok()
    here = member.blobs()
    layers = json.loads(member.project.agent("inspect", "ada", "--json").ok().stdout)["layers"]
    assert not any(layer["digest"].partition(":")[2] in here for layer in layers if layer["name"] == "application")
    member.project.agent("push", "ada").ok()
    assert all(layer["digest"].partition(":")[2] in member.blobs() for layer in layers)


def test_nothing_is_done_twice_and_an_edit_does_what_it_does_at_home(lab: Lab) -> None:
    member = lab.member()
    lab.test(member).ok()
    assert set(outcomes(lab.test(member).ok()).values()) == {"fresh"}
    edit(member, "a third text\n")
    ran = outcomes(lab.test(member).exits(1))  # the check wants to read "ada"
    assert {step for step, how in ran.items() if how not in ("fresh", "cached")} == {"image:ada", "test:ada"}


def test_a_failing_check_is_told_as_at_home_and_its_report_is_here(lab: Lab) -> None:
    away, home = lab.member(), lab.member()
    for member in (away, home):
        edit(member, "nobody\n")
    said = lab.test(away, "ada").exits(1)
    same = home.project.agent("test", "ada", "--json").exits(1)

    def problem(ran: Ran, member: Member) -> str:
        step = next(s for s in json.loads(ran.stdout)["steps"] if s["step"] == "test:ada")
        return str(step["text"]).replace(str(member.project.folder), "ROOT")

    assert problem(said, away) == problem(same, home)
    assert "<failure" in (away.project.folder / ".aac/agents/ada/test/junit.xml").read_text()
    assert (away.project.folder / ".aac/agents/ada/test/agent.log").is_file()


def test_workers_keep_no_sources(lab: Lab) -> None:
    lab.test(lab.member()).ok()
    left = [path.name for worker in lab.cluster.workers for path in lab.errands(worker)]
    assert set(left) <= {".aac"}


def begun(lab: Lab, member: Member) -> dict[str, list[str]]:
    """Step → the workers that began it."""
    names = {fingerprint([str(member.project.folder), f"agents/{s.partition(':')[2]}", s])[:32]: s for s in STEPS}
    found: dict[str, list[str]] = {}
    for worker in lab.cluster.workers.values():
        for path in worker.cache.glob("errands/*"):
            if path.name in names:
                found.setdefault(names[path.name], []).append(worker.name)
    return found


def under_test(lab: Lab, member: Member) -> str:
    """The worker that tests ada now, "" when none does."""
    path = f"errands/{fingerprint([str(member.project.folder), 'agents/ada', 'test:ada'])[:32]}/.aac/agents/ada/test/running.json"
    return next((w.name for w in lab.cluster.workers.values() if (w.cache / path).exists()), "")


def is_slow(member: Member, text: str) -> None:
    """Let the test of ada take some seconds, and all agents be new."""
    for name in AGENTS:
        (member.project.folder / f"agents/{name}/www/new.html").write_text(text)
    file = member.project.folder / "agents/ada/agent.yaml"
    file.write_text(file.read_text().replace("tests: [", "tests: [{name: takes long, type: command, command: [/bin/sleep, 4]}, "))


def test_a_worker_killed_in_a_step_costs_that_step_only(lab: Lab) -> None:
    member = lab.member()
    is_slow(member, "seen by nobody yet\n")
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(lab.test, member)
        waits_for(lambda: under_test(lab, member), "the test of ada never began")
        killed = lab.cluster.workers[under_test(lab, member)]
        killed.kill()
        ran = outcomes(running.result().ok())
    assert {step for step, how in ran.items() if how == "done"} >= STEPS
    times = {step: len(workers) for step, workers in begun(lab, member).items()}
    assert times == {**dict.fromkeys(STEPS, 1), "test:ada": 2}
    # what the dead one had started runs on; the next that is given the step on that machine ends it
    left = json.loads(next(killed.cache.glob("errands/*/.aac/agents/ada/test/running.json")).read_bytes())
    lab.cluster.add(killed.name)
    other = next(w for w in lab.cluster.workers.values() if w.name != killed.name)
    other.kill()
    edit(member)
    lab.test(member, "ada").ok()
    lab.cluster.add(other.name)
    assert left
    assert not list(killed.cache.glob("errands/*/.aac/agents/ada/test/running.json"))


def test_who_interrupts_a_run_leaves_nothing_at_work(lab: Lab) -> None:
    member = lab.member()
    is_slow(member, "interrupted\n")
    words = (*command("agent"), "test", "ada", "--executor", lab.cluster.address)
    with subprocess.Popen(words, cwd=member.project.folder, env=dict(member.project.env), stderr=subprocess.PIPE) as process:
        waits_for(lambda: under_test(lab, member), "the test of ada never began")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    waits_for(lambda: not under_test(lab, member), "the test of ada goes on")
    assert {step for step, how in outcomes(lab.test(member).ok()).items() if how == "done"} >= {"test:ada"}


def test_what_a_worker_says_is_told_while_it_works(lab: Lab, tmp_path: Path) -> None:
    member, until = lab.member(), tmp_path / "until"
    with (member.project.folder / "agents/ada/agent.yaml").open("a") as file:
        file.write(f"  config: {{talks_until: {until}}}\n")
    words = (*command("doit"), "talks:ada")
    env = {**member.project.env, "AAC_EXECUTOR": lab.cluster.address}
    with subprocess.Popen(words, cwd=member.project.folder, env=env, stderr=subprocess.PIPE, text=True) as process:
        try:
            # reading goes on until it comes; the process does not end before it may
            assert f"ada:talks | is at it in {member.project.folder}\n" in iter(process.stderr or ())
            assert process.poll() is None
        finally:
            until.touch()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_nobody_at_the_address_is_one_message(lab: Lab) -> None:
    member = lab.member()
    said = member.project.agent("build", "--executor", f"dask://127.0.0.1:{free_port()}").exits(1)
    assert "no Dask scheduler answers at dask://127.0.0.1:" in said.stderr
    assert "Traceback" not in said.output


def test_doctor_says_whether_the_cluster_answers(lab: Lab) -> None:
    project = lab.member().project

    def found(address: str) -> dict[str, str]:
        said = json.loads(project.agent("doctor", "--json", env={"AAC_EXECUTOR": address}).stdout)
        return next(one for one in said["findings"] if one["area"] == "executor")

    alive = [worker for worker in lab.cluster.workers.values() if worker.process.poll() is None]
    assert found(lab.cluster.address)["text"] == f"{len(alive)} steps at once"
    nobody = found(f"dask://127.0.0.1:{free_port()}")
    assert nobody["state"] == "blocked"
    assert "no Dask scheduler answers" in nobody["text"]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8786", "is no address; expected SCHEME://HOST:PORT"),
        ("dask://scheduler", "expected dask://HOST:PORT"),
        ("dusk://scheduler:8786", "did you mean 'dask'?"),
    ],
)
def test_an_address_that_is_none_is_refused(lab: Lab, address: str, expected: str) -> None:
    said = lab.member().project.agent("build", "--executor", address).exits(3)
    assert expected in said.stderr


def test_without_a_cache_that_may_be_written_there_is_nothing_to_travel_by(lab: Lab) -> None:
    said = lab.member().project.agent("build", "--executor", lab.cluster.address, env={"AAC_SHARED_CACHE_WRITE": "0"}).exits(3)
    assert "need a shared cache that this run may write" in said.stderr


def test_a_scheduler_without_workers_is_told(lab: Lab, tmp_path: Path) -> None:
    with cluster(tmp_path, ()) as empty:
        said = lab.member().project.agent("build", "ada", "--executor", empty.address).exits(1)
    assert "has no workers" in said.output


def test_plain_doit_hands_its_steps_out_too(lab: Lab) -> None:
    member = lab.member()
    member.project.doit("-n", "2", env={"AAC_EXECUTOR": lab.cluster.address}).ok()
    assert set(begun(lab, member)) == STEPS
