"""Steps that are done elsewhere, by a stranger's executor: a worker in this very process, with nothing but the order."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from real.doors import installed
from team import Member, Team, make_team, outcomes

from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.orders import Answer, Order
from aac_tasks.contracts.plan import Step
from aac_tasks.worker import work

pytestmark = pytest.mark.xdist_group("elsewhere")

PLUGIN = '''
import os
from pathlib import Path

from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Artifact, Result
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


class Crew:
    def __init__(self, trade, tools):
        self.trade, self.tools = trade, tools

    def slots(self):
        return 1

    def do(self, order, label, tell):
        with Path(os.environ["ORDERS"]).open("a") as file:
            file.write(f"{label}\\n")
        return self.trade.work(order, tell)

    def close(self, run=""):
        pass


class Next:
    name = "next"

    def connect(self, address, trade, tools):
        return Crew(trade, tools)


@hookimpl
def aac_register_executors():
    return [Next()]


@hookimpl
def aac_add_steps(spec, plan):
    asked = spec.config.get("asked", [])
    needs = (f"parse:{plan.agent}",)
    return [Step(f"{kind}:{plan.agent}", kind, plan.agent, {"kind": kind}, needs=needs) for kind in asked]


@hookimpl
def aac_run_step(step, upstream, tools):
    if step.kind == "files":
        (tools.root / "made").write_text("by files")
        return Result(artifacts=(Artifact("file", name="made", digest="sha256:" + "0" * 64),))
    if step.kind == "fails":
        tools.note("about to fail")
        raise StepError(f"nothing in {tools.root}", hint="look there")
    if step.kind == "says":
        return Result(outputs={"root": str(tools.root), "upstream": sorted(upstream)})
'''


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    top = tmp_path_factory.mktemp("elsewhere")
    team = make_team(top, ("ada",))
    (installed(top, "next", "aac_next") / "aac_next.py").write_text(PLUGIN)
    team.settings(place=str(top / "shared"), write=True)
    return team


def member(team: Team, name: str, *asked: str) -> Member:
    """A machine whose steps are done next door."""
    path = os.pathsep.join(filter(None, (str(team.top / "site-packages"), os.environ.get("PYTHONPATH"))))
    made = team.member(name, {"PYTHONPATH": path, "ORDERS": str(team.top / f"{name}.orders"), "AAC_EXECUTOR": "next://door"})
    folder = made.project.folder / "agents/ada"
    if asked:
        with (folder / "agent.yaml").open("a") as file:
            file.write(f"  config: {{asked: {json.dumps(asked)}}}\n")
    (folder / "www/run.sh").write_text("#!/bin/sh\n")
    (folder / "www/run.sh").chmod(0o755)
    (folder / "www/link").symlink_to("run.sh")
    (folder / "www/empty").mkdir()
    return made


def orders(team: Team, name: str) -> list[str]:
    return (team.top / f"{name}.orders").read_text().splitlines()


def digest(made: Member) -> object:
    return json.loads(made.project.agent("inspect", "ada", "--json").ok().stdout)["digest"]


def test_a_strangers_executor_is_given_what_is_pure_and_the_image_is_the_same(team: Team) -> None:
    away, home = member(team, "away"), member(team, "home")
    assert outcomes(away.project.agent("test", "--json").ok())["test:ada"] == "done"
    assert orders(team, "away") == ["image:ada", "test:ada"]
    home.project.agent("build", env={"AAC_EXECUTOR": ""}).ok()
    assert not (team.top / "home.orders").exists()
    assert digest(away) == digest(home)


def test_a_plugins_step_travels_with_what_it_needs_and_nothing_else(team: Team) -> None:
    made = member(team, "says", "says")
    made.project.doit("says:ada").ok()
    stamp = (made.project.folder / ".aac/agents/ada/steps/says/stamp").read_bytes()
    outputs = json.loads(stamp.partition(b"\n")[2])["result"]["outputs"]
    assert outputs["upstream"] == ["parse"]
    assert outputs["root"] == str(made.project.folder), "what is said of the worker's root is said of this one"
    assert orders(team, "says") == ["says:ada"]


def test_what_is_made_of_files_of_one_machine_is_made_here(team: Team) -> None:
    made = member(team, "files", "files")
    said = made.project.doit("files:ada").ok()
    assert "its result is made of files of one machine, so it is done here" in said.output
    assert made.project.read("made") == "by files"


def test_a_failure_there_is_a_failure_here_in_the_words_of_here(team: Team) -> None:
    made = member(team, "fails", "fails")
    said = made.project.doit("fails:ada").exits(1)
    assert f"nothing in {made.project.folder}\n" in said.output
    assert "look there" in said.output
    assert "ada:fails | about to fail" in said.output


def test_a_file_that_changes_while_it_is_sent_is_not_taken_for_what_it_was(team: Team) -> None:
    made = member(team, "changing")
    made.project.agent("build").ok()
    source = made.project.folder / "agents/ada/www/index.html"
    before = source.stat()
    source.write_text(source.read_text().replace("ada", "bob"))
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert outcomes(made.project.agent("build", "--json").ok())["image:ada"] == "done"


def test_another_version_refuses_the_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAC_CACHE_DIR", str(tmp_path))
    order = Order(version="0.0.1", run="r", step=Step("says:ada", "says", "ada", {}), root="/somewhere")
    answer = decode(Answer, json.loads(work(json.dumps(encode(order)).encode(), print)))
    assert answer.failure is not None
    assert "and this run is by 0.0.1" in answer.failure.message
