"""Failures as GitHub and GitLab show them beside lines."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from reporter_ear import BUILT, Ear

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.result import Event
from aac_tasks.errors import Problem
from aac_tasks.reporter.annotations import Mark, annotate, of_problems, workflow_command
from aac_tasks.reporter.terminal import Lines

WRONG: JsonObject = {"line": 7, "column": 5, "path": "spec.tests[1]", "message": "greets: expected 200, got 500"}
FAILED = Event("failed", "test:a", "a: 1 of 2 checks failed", data={"file": "/top/agents/a/agent.yaml", "problems": [WRONG]})


def commands(ear: Ear) -> list[str]:
    return [line for line in ear.err.splitlines() if line.startswith("::")]


def test_a_failed_check_is_marked_at_its_line() -> None:
    ear = Ear(GITHUB_ACTIONS="true", GITHUB_WORKSPACE="/top")
    ear.tell(BUILT, FAILED)
    assert commands(ear) == ["::error file=agents/a/agent.yaml,line=7,col=5,title=test%3Aa::greets: expected 200, got 500"]
    assert "✗ test:a" in ear.out


def test_a_step_that_fails_without_a_line_is_marked_at_its_agent() -> None:
    ear = Ear(GITHUB_ACTIONS="true", GITHUB_WORKSPACE="/top")
    ear.tell(Event("failed", "image:a", "uv: 50 %\n  | no such package", data={"file": "/top/a/agent.yaml", "problems": []}))
    assert commands(ear) == ["::error file=a/agent.yaml,title=image%3Aa::uv: 50 %25%0A  | no such package"]


def test_what_was_not_run_for_another_failure_is_not_marked() -> None:
    ear = Ear(GITHUB_ACTIONS="true")
    ear.tell(Event("failed", "push:a", "not run, because test:a failed", data={"unmet": True}))
    assert commands(ear) == []


def test_nothing_is_marked_elsewhere() -> None:
    for environment in ({}, {"GITHUB_ACTIONS": "false"}, {"GITLAB_CI": "true"}):
        ear = Ear(**environment)
        ear.tell(FAILED)
        assert commands(ear) == []


def test_one_json_document_stays_one_json_document() -> None:
    ear = Ear("json", GITHUB_ACTIONS="true", GITHUB_WORKSPACE="/top")
    ear.tell(FAILED)
    ear.reporter.close(1)
    assert json.loads(ear.out)["steps"][0]["data"]["problems"] == [WRONG]
    assert len(commands(ear)) == 1


def test_secrets_are_taken_out_of_marks() -> None:
    ear = Ear(redact=lambda text: text.replace("500", "…"), GITHUB_ACTIONS="1")
    ear.tell(FAILED)
    assert commands(ear)[0].endswith("got …")


def test_a_mark_is_one_line_that_can_not_become_another_command() -> None:
    mark = Mark("a:b,c%", "one\r\ntwo\n::error::three\x1b[31m", "a,b:c.yaml", 1)
    text = workflow_command(mark)
    assert text == "::error file=a%2Cb%3Ac.yaml,line=1,title=a%3Ab%2Cc%25::one%0Atwo%0A::error::three"


def report(path: Path) -> Any:
    return json.loads(path.read_text())


def test_a_code_quality_report_gathers_what_the_commands_of_a_job_found(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    for events in ((FAILED,), (FAILED, Event("failed", "image:b", "no", data={"file": "/top/b/agent.yaml"}))):
        ear = Ear(AAC_CODE_QUALITY=str(file), CI_PROJECT_DIR="/top")
        ear.tell(*events)
        ear.reporter.close(1)
    first, second = report(file)
    assert first["location"] == {"path": "agents/a/agent.yaml", "lines": {"begin": 7}}
    assert (first["check_name"], first["severity"]) == ("test:a", "major")
    assert second["location"] == {"path": "b/agent.yaml", "lines": {"begin": 1}}
    assert first["fingerprint"] != second["fingerprint"]


def test_a_run_without_failures_leaves_a_report_that_says_so(tmp_path: Path) -> None:
    file = tmp_path / "quality.json"
    ear = Ear(AAC_CODE_QUALITY=str(file))
    ear.tell(BUILT)
    ear.reporter.close(0)
    assert report(file) == []


def test_a_report_that_can_not_be_written_breaks_no_build(tmp_path: Path) -> None:
    ear = Ear(AAC_CODE_QUALITY=str(tmp_path / "no" / "folder" / "quality.json"))
    ear.tell(FAILED)
    ear.reporter.close(1)
    assert "✗ test:a" in ear.out


def test_problems_of_agent_yaml_keep_their_lines_and_how_bad_they_are() -> None:
    problems = (
        Problem("a/agent.yaml", 3, 12, "spec.runtime", "unknown runtime 'pyton'"),
        Problem("a/agent.yaml", 0, 0, "", "odd", "warning"),
    )
    err = io.StringIO()
    annotate(of_problems(problems, Path("/top")), Lines(err), {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": "/top"})
    assert err.getvalue().splitlines() == [
        "::error file=a/agent.yaml,line=3,col=12,title=spec.runtime::unknown runtime 'pyton'",
        "::warning file=a/agent.yaml,title=agent.yaml::odd",
    ]
