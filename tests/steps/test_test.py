from __future__ import annotations

import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_stage import WEB, Stage, shell, web

from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.contracts.actions import Check, EnvValue, InstanceSpec, TestAction
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import HealthProbe, ImageConfig
from aac_tasks.contracts.result import Result
from aac_tasks.contracts.roles import Runner
from aac_tasks.errors import StepError
from aac_tasks.steps.test import FOLDER, Bench, report_again, run_tests

HTTP = HealthProbe("http", path="/", port=8080)
ANSWERS = Check("answers", "http", {"request": {"path": "/"}})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.finish()


@pytest.fixture
def runner(stage: Stage) -> Runner:
    isolated = UsernsRunner()
    return isolated if isolated.probe(stage.tools).works else HostRunner()


@pytest.fixture(autouse=True)
def nothing_is_left(stage: Stage) -> Iterator[None]:
    yield
    assert list((stage.tools.state / "test" / "instance").glob("*")) == []


def run(
    stage: Stage,
    runner: Runner,
    *checks: Check,
    config: ImageConfig = WEB,
    instance: InstanceSpec | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 20.0,
) -> Result:
    action = TestAction(instance or replace(web(), probe=HTTP), checks, timeout)
    return run_tests(Bench(action, stage.image(config), config, runner, env or {}, stage.tools.state / FOLDER), stage.tools)


def http(expect: dict[str, Json], path: str = "/cgi-bin/env") -> Check:
    return Check("asks", "http", {"request": {"path": path}, "expect": expect})


def test_a_healthy_agent_passes_and_the_report_says_so(stage: Stage, runner: Runner) -> None:
    inside = Check("has a shell", "command", {"command": ["cat", "/www/index.html"], "expect": {"stdout": "^well$"}})
    result = run(stage, runner, ANSWERS, inside)
    assert result.outputs["passed"] == 3
    assert "3 checks passed" in result.notes[0]
    cases = ET.parse(stage.tools.state / "test" / "junit.xml").findall(".//testcase")  # noqa: S314
    assert [case.get("name") for case in cases] == ["becomes well", "answers", "has a shell"]


def test_a_check_that_nothing_can_do_is_skipped_out_loud_and_not_counted(stage: Stage, runner: Runner) -> None:
    assert run(stage, runner, ANSWERS, Check("unit", "pytest")).outputs["passed"] == 2
    assert stage.notes[-1:] == ["check unit: type pytest has no effect yet, it was not run"]
    assert "<skipped " in (stage.tools.state / "test" / "junit.xml").read_text()


def test_a_result_that_was_known_leaves_the_same_report_and_says_that_it_was(stage: Stage, runner: Runner) -> None:
    checks = (ANSWERS, Check("unit", "pytest"))
    result = run(stage, runner, *checks)
    report = stage.tools.state / "test" / "junit.xml"
    ran = ET.parse(report)  # noqa: S314
    report_again(TestAction(replace(web(), probe=HTTP), checks), result, stage.tools)
    known = ET.parse(report)  # noqa: S314
    for question in (".//testcase", ".//skipped"):
        assert [x.get("name") for x in known.findall(question)] == [x.get("name") for x in ran.findall(question)]
    assert [x.attrib for x in known.findall(".//property")] == [{"name": "cached", "value": "true"}]
    assert ran.findall(".//property") == []


def test_a_result_that_tells_of_other_checks_leaves_no_report(stage: Stage, runner: Runner) -> None:
    result = run(stage, runner, ANSWERS)
    report_again(TestAction(web(), (replace(ANSWERS, name="is another"),)), result, stage.tools)
    assert not (stage.tools.state / "test" / "junit.xml").exists()
    assert stage.notes[-1:] == ["the known result tells of other checks than there are, so there is no JUnit report"]


def test_a_failure_says_where_agent_yaml_asked_for_what_failed(stage: Stage, runner: Runner) -> None:
    with pytest.raises(StepError) as failed:
        run(stage, runner, ANSWERS, replace(ANSWERS, name="wrong", settings={"expect": {"status": 201}}))
    assert failed.value.places == {"spec.tests[1]": "wrong: GET /: expected status 201, got 200: well"}
    with pytest.raises(StepError) as failed:
        run(stage, runner, ANSWERS, config=replace(WEB, entrypoint=("/bin/false",)))
    assert list(failed.value.places) == ["spec.healthCheck"]


def test_the_same_checks_have_the_same_outputs(stage: Stage, runner: Runner) -> None:
    assert run(stage, runner, ANSWERS).outputs == run(stage, runner, ANSWERS).outputs


def test_every_failing_check_is_told_and_not_only_the_first(stage: Stage, runner: Runner) -> None:
    wrong = Check("wrong status", "http", {"request": {"path": "/nothing"}})
    exits = Check("exits", "command", {"command": ["sh", "-c", "echo oh; exit 3"]})
    unknown = Check("unit", "pytest", {})
    with pytest.raises(StepError) as caught:
        run(stage, runner, wrong, ANSWERS, exits, unknown)
    said = str(caught.value)
    assert "agent: 2 of 5 checks failed" in said
    assert "wrong status: GET /nothing: expected status 200, got 404" in said
    assert "exits: sh: expected exit code 0, got 3: oh" in said
    assert "junit.xml" in said
    assert "agent.log" in said
    cases = ET.parse(stage.tools.state / "test" / "junit.xml").findall(".//testcase[failure]")  # noqa: S314
    assert len(cases) == 2


@pytest.mark.parametrize(
    ("expect", "said"),
    [
        ({"json": {"list": [1, {"a": False}]}}, r"\$\.list\[1\]\.a: expected false, got true"),
        ({"json": {"list": [1]}}, r"\$\.list: expected a list of 1, got \[1, "),
        ({"json": {"list": [True, {"a": True}]}}, r"\$\.list\[0\]: expected true, got 1"),
        ({"json": {"absent": "x"}}, r'\$\.absent: expected "x", got nothing'),
        ({"json": []}, r"\$: expected a list of 0, got \{"),
        ({"headers": {"Content-Type": "text/plain"}}, "expected header Content-Type: text/plain, got application/json"),
        ({"status": 201}, "expected status 201, got 200"),
        ({"body": "^nope$"}, "expected a body matching '\\^nope\\$', got"),
    ],
)
def test_a_mismatch_says_where_what_was_expected_and_what_came(
    stage: Stage, runner: Runner, expect: dict[str, Json], said: str
) -> None:
    with pytest.raises(StepError, match=said):
        run(stage, runner, http(expect))


def test_a_subset_of_the_json_is_enough(stage: Stage, runner: Runner) -> None:
    check = http({"json": {"list": [1, {}]}, "headers": {"content-TYPE": "application/json"}, "body": '"port"'})
    assert run(stage, runner, check).outputs["passed"] == 2


def test_secrets_are_neither_in_messages_nor_in_the_log(stage: Stage, runner: Runner) -> None:
    secret, key = "correct horse battery", "sk-proj-abcdefghijklmnop1234"
    config = shell(f'echo "token=$TOKEN {key}"; exec httpd -f -p "127.0.0.1:${{PORT:-8080}}" -h /www', env=("PATH=/bin",))
    instance = replace(web(), probe=HTTP, env=(EnvValue("TOKEN", secret="env:TOKEN"),))
    if runner.name == "host":
        config = replace(config, env=("PATH=/bin", "WWW=/www"))
    with pytest.raises(StepError) as caught:
        run(stage, runner, http({"status": 500}), config=config, instance=instance, env={"TOKEN": secret})
    log = (stage.tools.state / "test" / "agent.log").read_text()
    report = (stage.tools.state / "test" / "junit.xml").read_text()
    for text in (str(caught.value), log, report):
        assert secret not in text
        assert key not in text
    assert "***" in log


def test_an_agent_that_ends_at_once_is_told_with_its_last_words(stage: Stage, runner: Runner) -> None:
    with pytest.raises(StepError) as caught:
        run(stage, runner, ANSWERS, config=shell("echo 'no module named x' >&2; exit 3"))
    said = str(caught.value)
    assert "agent ended" in said
    assert "before it was well" in said
    assert "no module named x" in said


def test_an_agent_that_never_becomes_well_is_stopped_and_told(stage: Stage, runner: Runner) -> None:
    begun = time.monotonic()
    with pytest.raises(StepError, match=r"was not well within 0.7 s: port \d+ does not accept connections"):
        run(stage, runner, ANSWERS, config=shell("echo waiting; sleep 60"), timeout=0.7)
    assert time.monotonic() - begun < 5
    cases = ET.parse(stage.tools.state / "test" / "junit.xml").findall(".//testcase[failure]")  # noqa: S314
    assert len(cases) == 2


def test_a_wrong_answer_to_the_health_check_is_told(stage: Stage, runner: Runner) -> None:
    instance = replace(web(), probe=replace(HTTP, path="/health"))
    with pytest.raises(StepError, match="GET /health answers 404"):
        run(stage, runner, instance=instance, timeout=0.5)


def test_a_command_can_be_the_health_check(stage: Stage, runner: Runner) -> None:
    script = "sleep 0.3; touch /tmp/well; sleep 60" if runner.name != "host" else "sleep 60"
    probe = HealthProbe("command", command=("ls", "/tmp/well") if runner.name != "host" else ("true",))
    result = run(stage, runner, config=shell(script), instance=InstanceSpec("agent", probe=probe))
    assert result.outputs["passed"] == 1


def test_an_agent_without_a_port_is_well_when_it_stays_alive(stage: Stage, runner: Runner) -> None:
    assert run(stage, runner, config=shell("sleep 60"), instance=InstanceSpec("agent")).outputs["passed"] == 1


def test_a_cancelled_test_stops_its_agent(stage: Stage, runner: Runner) -> None:
    threading.Timer(0.5, stage.cancelled.set).start()
    with pytest.raises(StepError, match="interrupted"):
        run(stage, runner, config=shell("sleep 60"), timeout=30)


def test_the_structure_of_an_image_is_checked_without_running_it(stage: Stage, runner: Runner) -> None:
    good: dict[str, Json] = {
        "user": "10001:10001",
        "workdir": "/app",
        "entrypoint": list(WEB.entrypoint),
        "env": {"FROM_IMAGE": "yes"},
        "ports": [8080],
        "maxSize": "10MB",
        "files": [
            {"path": "/www/index.html", "mode": "0644", "contains": "^well$", "type": "file"},
            {"path": "/bin/sh", "type": "link"},
            {"path": "/bin/sh", "mode": "0755"},
            {"path": "/data", "type": "dir", "mode": "0777"},
            {"path": "/nonesuch", "exists": False},
        ],
    }
    bad: dict[str, Json] = {
        "user": "0",
        "env": {"FROM_IMAGE": "no"},
        "ports": [9],
        "maxSize": "1kB",
        "labels": {"a": "b"},
        "files": [{"path": "/nonesuch"}, {"path": "/www/index.html", "mode": "0600", "contains": "ill"}],
    }
    assert run(stage, runner, Check("good", "structure", good)).outputs["passed"] == 2
    with pytest.raises(StepError) as caught:
        run(stage, runner, Check("bad", "structure", bad))
    for said in (
        "expected user 0, got 10001:10001",
        "expected environment variable FROM_IMAGE=no, got yes",
        "expected port 9 exposed, got 8080",
        "expected at most 1kB of layers",
        "expected label a=b, got none",
        "/nonesuch: expected in the image, got nothing",
        "/www/index.html: expected mode 0600, got 0644",
        "expected text matching 'ill', got none",
    ):
        assert said in str(caught.value)


def test_two_agents_with_one_port_are_tested_at_the_same_time(stage: Stage, runner: Runner) -> None:
    config, image = WEB, stage.image(WEB)
    results: list[Result] = []

    def one(name: str) -> None:
        action = TestAction(replace(web(name), probe=HTTP), (http({"json": {"list": [1, {}]}}),), 20.0)
        tools = stage.tools_of(name)
        results.append(run_tests(Bench(action, image, config, runner, {}, tools.state / FOLDER), tools))

    threads = [threading.Thread(target=one, args=(f"agent{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == 3
