"""`agent doctor`, on this machine and with plugins that a test makes up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cli.scene import Stage

from aac_tasks.catalog import Catalog, Table
from aac_tasks.cli.hosting import host_findings
from aac_tasks.contracts.actions import LockAction
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, Lock
from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.contracts.roles import Probe
from aac_tasks.errors import StepError
from aac_tasks.steps.survey import Finding, builders_of, survey


class StageRunner:
    def __init__(self, name: str, probe: Probe | StepError) -> None:
        self.name = name
        self._probe = probe

    def probe(self, tools: object) -> Probe:
        if isinstance(self._probe, StepError):
            raise self._probe
        return self._probe


class StageBuilder:
    format = 1

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def can_build(self, needs: frozenset[str], tools: object) -> str:
        return self._reason


def catalog(*, builders: tuple[Any, ...] = (), runners: tuple[Any, ...] = ()) -> Catalog:
    empty: Any = Table("x")
    deployer: Any = SimpleNamespace(name="process", pulls=False)
    return Catalog(
        runtimes=empty,
        bases=Table("base", {"debian": SimpleNamespace(name="debian")}, {"debian": "aac_plugins.bases.debian"}),  # type: ignore[dict-item]
        builders=Table("builder", {b.name: b for b in builders}),
        runners=Table("runner", {r.name: r for r in runners}),
        registries=empty,
        deployers=Table("deployer", {"process": deployer}),
        templates=empty,
        broken={"bad (from bad-dist)": "ImportError: no module named x"},
    )


TOOLS: Any = None
EMBEDDED = StageBuilder("embedded", "")
DOCKER = StageRunner("docker", StepError("no daemon answers"))
CRUN = StageRunner("crun", Probe(True, "container", "1.14"))
HOST = StageRunner("host", Probe(True, "process"))


def test_a_survey_tries_everything_and_says_what_would_be_taken() -> None:
    found = survey(catalog(builders=(StageBuilder("docker", "no daemon"), EMBEDDED), runners=(DOCKER, CRUN, HOST)), TOOLS)
    assert found == (
        Finding("builder", "docker", "off", "no daemon"),
        Finding("builder", "embedded", "ok"),
        Finding("runner", "docker", "off", "no daemon answers"),
        Finding("runner", "crun", "ok", "isolation container, 1.14"),
        Finding("runner", "host", "ok", "isolation process"),
        Finding("base", "debian", "ok", "from aac_plugins.bases.debian"),
        Finding("deployer", "process", "ok", "takes the image from here"),
        Finding("choice", "image", "ok", "would take builder embedded"),
        Finding("choice", "image (commands)", "ok", "would take builder embedded"),
        Finding("choice", "test", "ok", "would take runner crun"),
    )


def test_only_the_host_runner_is_a_warning_until_it_is_allowed() -> None:
    only_host = catalog(builders=(EMBEDDED,), runners=(HOST,))
    assert survey(only_host, TOOLS)[-1].state == "warning"
    assert survey(only_host, TOOLS, allow_host=True)[-1].text == "would take runner host"


def planned(builder: str = "") -> Plan:
    action = LockAction("python", BaseRequest("debian", "debian:trixie"), DependencyRequest(), (Platform(),), builder)
    step = Step("lock:hello", "lock", "hello", cast("JsonObject", encode(action)))
    return Plan((AgentPlan("hello", "", "agent.yaml", (step,), lock_inputs=action.question),))


def test_each_agent_is_told_its_builder_and_why() -> None:
    off, table = StageBuilder("docker", "no engine"), catalog(builders=(StageBuilder("docker", "no engine"), EMBEDDED))
    lock = Lock(planned().agents[0].lock_inputs, "docker", ())

    def told(plan: Plan, lock: Lock | None) -> list[tuple[str, str]]:
        return [(f.state, f.text) for f in builders_of(plan, table, TOOLS, lambda agent: lock)]

    assert told(planned(), None) == [("ok", "builder embedded: docker: no engine")]
    assert told(planned(), lock) == [("warning", "builder docker: as agent.lock says, but no engine")]
    assert told(planned("embedded"), lock) == [("ok", "builder embedded: as asked")]
    assert told(planned("docker"), None) == [("blocked", f"builder docker can't build this: {off._reason}")]


def test_a_lock_that_is_to_be_made_is_told_whose_tools_it_asks() -> None:
    action = LockAction(
        "go", BaseRequest("debian", "debian:trixie"), DependencyRequest(), (Platform(),), "engine", ("tool:go", "tool:zz"),
        BaseRequest("registry", "golang:1.24"),
    )  # fmt: skip
    step = Step("lock:hello", "lock", "hello", cast("JsonObject", encode(action)))
    plan = Plan((AgentPlan("hello", "", "agent.yaml", (step,)),))

    def told(on_path: tuple[str, ...], lent: tuple[str, ...], **engine: object) -> tuple[str, str]:
        builder: Any = SimpleNamespace(name="engine", can_build=lambda needs, tools: "", uses_toolchain=True, **engine)
        runtime: Any = SimpleNamespace(name="go", lends=lent, resolve_in=None)
        table = replace(catalog(builders=(builder,)), runtimes=Table("runtime", {"go": runtime}))
        tools: Any = SimpleNamespace(which=lambda program: program if program in on_path else None)
        lock, image = builders_of(plan, table, tools, lambda agent: None)
        assert (lock.name, image.name, image.text) == ("lock:hello", "image:hello", "builder engine: as asked")
        return lock.state, lock.text

    assert told(("go", "zz"), ()) == ("ok", "go, zz of this machine")
    in_image = "go, zz in the image golang:1.24, by builder engine; not on PATH: go, zz"
    assert told((), ("go", "zz"), errand=None) == ("ok", in_image)
    assert told((), ("go",), errand=None) == ("warning", "zz is not on PATH, and no image is asked for it")
    assert told((), ("go", "zz")) == ("warning", "go, zz is not on PATH, and no image is asked for it")


def hands(found: Catalog) -> dict[str, Any]:
    return {
        "plugins": SimpleNamespace(catalog=found),
        "hands": SimpleNamespace(tools=lambda step, agent: None, allow_host=False),
    }


def test_doctor_groups_its_findings_and_ends_well(stage: Stage) -> None:
    stage.agents, stage.answers = (), hands(catalog(builders=(EMBEDDED,), runners=(CRUN,)))
    said = stage("doctor")
    assert said.code == 0, said.out
    for area in ("host", "state", "plugin", "builder", "runner", "choice"):
        assert f"\n{area}\n" in f"\n{said.out}"
    assert "warning  bad (from bad-dist)  ImportError" in said.out
    document = stage("doctor", "--json").json
    assert document["blocked"] is False
    assert {"area", "name", "state", "text"} >= set(document["findings"][0])


def test_doctor_ends_with_one_when_nothing_can_build_or_run(stage: Stage) -> None:
    stage.agents, stage.answers = (), hands(catalog())
    said = stage("doctor", "--json")
    assert said.code == 1
    assert [f["name"] for f in said.json["findings"] if f["state"] == "blocked"] == ["image", "test"]


def named(found: list[Finding], name: str) -> Finding:
    return next(f for f in found if f.name == name)


def test_a_foreign_agent_command_is_noticed(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/bin/sh\necho puppet\n")
    program.chmod(0o755)
    found = named(list(host_findings(tmp_path, {"PATH": str(tmp_path), "HOME": str(tmp_path)})), "agent")
    assert (found.state, found.text) == ("warning", f"{program} is another program; `aac` is the same as ours")


def test_our_own_script_elsewhere_is_ours(tmp_path: Path) -> None:
    program = tmp_path / "agent"
    program.write_text("#!/usr/bin/python3\nfrom aac_tasks.fast import main\n")
    program.chmod(0o755)
    assert named(list(host_findings(tmp_path, {"PATH": str(tmp_path), "HOME": str(tmp_path)})), "agent").state == "ok"


def test_no_command_on_the_path_is_fine(tmp_path: Path) -> None:
    assert named(list(host_findings(tmp_path, {"PATH": "", "HOME": str(tmp_path)})), "agent").state == "off"


def test_a_proxys_password_is_not_shown(tmp_path: Path) -> None:
    environment = {"https_proxy": "http://me:hunter2@proxy:3128", "HOME": str(tmp_path)}
    found = named(list(host_findings(tmp_path, environment)), "HTTPS_PROXY")
    assert found.text == "http://…@proxy:3128"


def test_looking_at_folders_makes_none(tmp_path: Path) -> None:
    list(host_findings(tmp_path, {"HOME": str(tmp_path / "home")}))
    assert list(tmp_path.iterdir()) == []


def test_a_state_folder_that_is_a_file_blocks(tmp_path: Path) -> None:
    (tmp_path / ".aac").write_text("")
    found = [f for f in host_findings(tmp_path, {"HOME": str(tmp_path)}) if f.area == "state"]
    assert [f.state for f in found] == ["blocked"]


def test_the_state_root_is_where_a_session_would_put_it(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deep").mkdir()
    stage.agents, stage.answers = (), hands(catalog(builders=(EMBEDDED,), runners=(CRUN,)))
    document = stage("doctor", "-C", "deep", "--json").json
    assert [f["text"] for f in document["findings"] if f["area"] == "state"] == [str(tmp_path / ".aac")]


@pytest.mark.parametrize("name", ["python", "doit", "system"])
def test_the_host_itself_is_looked_at(tmp_path: Path, name: str) -> None:
    assert named(list(host_findings(tmp_path, {"HOME": str(tmp_path)})), name).state == "ok"
