"""Commands that show something: for people, and as one JSON document."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from cli.scene import DIGEST, Stage, agent_plan

from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.plan import Plan
from aac_tasks.errors import PluginError, Problem, SpecError

IMAGE = {
    "digest": DIGEST,
    "names": ["hello:1.0"],
    "content_digest": DIGEST,
    "image": {"manifest": {}},
    "layers": [{"name": "base", "digest": DIGEST, "size": 31_200_000}],
    "size": 31_300_000,
    "builder": "embedded",
}


def test_plan_lists_steps_in_order_with_what_would_run_and_how_long_it_took(stage: Stage) -> None:
    said = stage("plan", "hello")
    assert said.out.splitlines() == [
        "hello  (agents/hello/agent.yaml)",
        "  STEP         NEEDS  NOW   LAST   WHY OR WHAT",
        "  lock:hello          –     1.5 s  up to date since then",
        "  image:hello  lock   runs         does image",
        "  test:hello   image  runs         does test",
        "  warning: a warning of the plan",
        "2 of 3 steps would run: none of them ever ran here",
    ]


def test_plan_as_json_reads_back_as_the_same_plan_and_has_a_schedule(stage: Stage) -> None:
    document = dict(stage("plan", "--json").json)
    told = document.pop("schedule")
    assert decode(Plan, document) == Plan(stage.agents)
    assert told["steps"][0] == {"step": "lock:hello", "status": "fresh", "reason": "up to date since then", "seconds": 1.5}
    assert {one["status"] for one in told["steps"]} == {"fresh", "runs"}
    assert (told["seconds"], told["unknown"]) == (1.5, len(told["steps"]) - 2)


def test_why_names_the_field_old_and_new(stage: Stage) -> None:
    change = {"path": "instance.limits.memory", "spec": "spec.resources.limits.memory", "old": 1024, "new": "(absent)"}
    stage.answers["deploy:hello"] = stage.answers["image:hello"] = {
        "step": "image:hello",
        "fresh": False,
        "reason": "spec.resources.limits.memory changed",
        "changes": [change],
        "files": [{"path": "main.py", "old": "there", "new": "removed"}],
    }
    assert stage("why", "image:hello").out.splitlines() == [
        "image:hello: would run (spec.resources.limits.memory changed)",
        "  spec.resources.limits.memory (as instance.limits.memory): 1024 → (absent)",
        "  main.py: there → removed",
    ]
    assert stage("why", "image:hello", "--json").json["changes"] == [change]


def test_why_says_of_a_text_each_line_that_differs(stage: Stage) -> None:
    text = "FROM scratch\nENV A=1\nENV B=1\n"
    changes = [
        {"path": "files.Dockerfile", "spec": "rendered Dockerfile", "old": text, "new": text.replace("A=1", "A=2") + "USER 1\n"},
        {"path": "files.ignore", "spec": "files.ignore", "old": text, "new": text.replace("A=1", "A=2")},
    ]
    stage.answers["image:hello"] = {"step": "image:hello", "fresh": False, "reason": "x", "changes": changes}
    assert stage("why", "image:hello").out.splitlines()[1:] == [
        "  rendered Dockerfile (as files.Dockerfile):",
        "    line 2: ENV A=1 → ENV A=2",
        "    line 4 added: USER 1",
        "  files.ignore: line 2: ENV A=1 → ENV A=2",
    ]


def test_names_of_files_do_not_steer_the_terminal_or_break_a_line(stage: Stage) -> None:
    files = [{"path": "\x1b[31mred\rX\nY", "old": "(absent)", "new": "added"}]
    stage.answers["image:hello"] = {"step": "image:hello", "fresh": False, "reason": "x", "files": files}
    said = stage("why", "image:hello").out
    assert said.splitlines()[1:] == [r"  \x1b[31mred\rX\nY: (absent) → added"]


def test_a_cell_of_a_table_is_one_line(stage: Stage) -> None:
    stage.instances.listed = [{"name": "a\nb\x1b[31m", "agent": "hello", "by": "process", "state": "running", "url": ""}]
    assert stage("ps").out.splitlines()[1].startswith("a b   hello ")


def test_inspect_shows_the_manifest_digest_and_layers(stage: Stage) -> None:
    stage.images = {"hello": IMAGE}
    assert stage("inspect", "hello", "--json").json["digest"] == DIGEST
    said = stage("inspect", "hello").out
    assert f"digest         {DIGEST}\n" in said
    assert "size           31.3 MB\n" in said
    assert said.splitlines()[-1].split() == ["base", DIGEST, "31.2", "MB"]


def test_inspect_without_an_image_says_what_makes_it(stage: Stage) -> None:
    said = stage("inspect", "hello")
    assert said.code == 1
    assert said.err == "error: hello has no image yet\n  → `agent build hello` makes it\n"


def test_inspect_needs_no_name_where_there_is_one_agent(stage: Stage) -> None:
    stage.agents = (agent_plan("hello"),)
    stage.images = {"hello": IMAGE}
    assert stage("inspect", "--json").json["agent"] == "hello"


def test_images_lists_what_was_built(stage: Stage) -> None:
    assert stage("images").out == "no images yet; `agent build` makes them\n"
    stage.images = {"hello": IMAGE}
    shown = stage("images").out.splitlines()[1].split()
    assert shown == ["hello:1.0", "sha256:0123456789ab…", "31.3", "MB", "embedded", "linux/amd64"]
    assert [image["agent"] for image in stage("images", "--json").json["images"]] == ["hello"]


def test_ps_lists_what_runs(stage: Stage) -> None:
    assert stage("ps").out.startswith("nothing runs")
    assert stage("ps", "--json").json == {"instances": []}
    stage.instances.listed = [{"name": "hello", "agent": "hello", "by": "process", "state": "running", "url": "http://x"}]
    assert stage("ps").out.splitlines()[1].split() == ["hello", "hello", "process", "running", "http://x"]
    assert stage("ps", "--json").json["instances"][0]["state"] == "running"
    stage.instances.listed = [{"name": "hello", "agent": "hello", "by": "run", "state": "exited", "exit_code": 0, "url": ""}]
    assert "run  exited (0)" in stage("ps").out
    assert stage("ps", "--format", "{{.State}} {{.Exit_code}}").out == "exited 0\n"


def test_a_session_is_closed_after_a_look(stage: Stage) -> None:
    assert stage("ps").sessions[0].closed
    assert stage("why", "lock:nobody").sessions[0].closed


def test_version_is_a_line_or_a_document(stage: Stage) -> None:
    import aac_tasks

    for argv in (("version",), ("--version",), ("-V",)):
        assert stage(*argv).out.startswith(f"agent {aac_tasks.__version__} (agent.dev/v1, Python ")
    document = stage("version", "--json").json
    assert set(document) == {"version", "apiVersion", "python", "doit", "platform"}


class StageWorkspace:
    """Three folders: one fine but odd, one wrong, one whose runtime nobody brings."""

    def __init__(self, stage: Stage) -> None:
        self.root = stage.folder

    def folders(self) -> tuple[object, ...]:
        return tuple(self.root / name for name in ("fine", "wrong", "foreign"))

    def read(self, folder: object) -> object:
        if str(folder).endswith("wrong"):
            raise SpecError(
                (Problem("wrong/agent.yaml", 3, 1, "spec.x", "unknown key"), Problem("wrong/agent.yaml", 4, 1, "", "b"))
            )
        return SimpleNamespace(warnings=(Problem("fine/agent.yaml", 2, 1, "spec.y", "odd", "warning"),))

    def compile(self, folder: object) -> object:
        if str(folder).endswith("foreign"):
            raise PluginError("unknown runtime 'cobol'")
        return SimpleNamespace(file="fine/agent.yaml", warnings=("fine/agent.yaml:2:1 spec.y: odd", "no main.py"))


@pytest.fixture
def workspace(stage: Stage) -> Stage:
    stage.answers["workspace"] = StageWorkspace(stage)
    return stage


def test_validate_shows_every_problem_of_every_agent(workspace: Stage) -> None:
    said = workspace("validate")
    assert said.code == 3
    assert said.out.splitlines() == [
        "warning: fine/agent.yaml:2:1 spec.y: odd",
        "warning: fine/agent.yaml: no main.py",
        "error: wrong/agent.yaml:3:1 spec.x: unknown key",
        "error: wrong/agent.yaml:4:1: b",
        "warning: fine/agent.yaml:2:1 spec.y: odd",
        "warning: foreign: unknown runtime 'cobol'",
        "3 agents: 2 errors, 4 warnings",
    ]


def test_validate_as_json_has_each_problem_in_parts(workspace: Stage) -> None:
    said = workspace("validate", "--json")
    document = said.json
    assert (document["agents"], document["errors"], document["warnings"], document["exit"]) == (3, 2, 4, 3)
    assert document["problems"][2] == {
        "file": "wrong/agent.yaml",
        "line": 3,
        "column": 1,
        "path": "spec.x",
        "message": "unknown key",
        "severity": "error",
    }


@pytest.mark.parametrize("command", ["plan", "images", "ps", "version"])
def test_json_is_exactly_one_document(stage: Stage, command: str) -> None:
    said = stage(command, "--json")
    json.loads(said.out)
    assert said.err == ""


def test_a_build_without_work_says_what_there_is_as_the_first_one_did(stage: Stage) -> None:
    from aac_tasks.contracts.result import Event

    stage.images = {"hello": IMAGE}
    stage.events = (Event("fresh", "image:hello", "up to date since noon"), Event("fresh", "lock:hello", "as it was"))
    assert "  → image:hello  sha256:0123456789ab… 31.3 MB (base 31.2 MB)\n" in stage("build").out
    image, lock = stage("build", "--json").json["steps"]
    assert image["data"]["outputs"]["digest"] == DIGEST
    assert "data" not in lock
