"""The funnel: whatever is raised becomes a text or a document, and an exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli.scene import Stage

from aac_tasks.contracts.result import Event
from aac_tasks.errors import AacError, PlanError, PluginError, Problem, SpecError, StepError, UsageError

PROBLEMS = (
    Problem("agent.yaml", 12, 5, "spec.runtime", "unknown runtime 'pyton'; did you mean 'python'?"),
    Problem("agent.yaml", 0, 0, "", "no name"),
)


@pytest.mark.parametrize(
    ("error", "code", "first"),
    [
        (SpecError(PROBLEMS), 3, "error: agent.yaml:12:5 spec.runtime: unknown runtime 'pyton'; did you mean 'python'?"),
        (UsageError("no such flag"), 3, "error: no such flag"),
        (PluginError("plugin x is broken"), 3, "error: plugin x is broken"),
        (PlanError("a cycle"), 3, "error: a cycle"),
        (StepError("no wheel", tail="last words", hint="pin it"), 1, "error: no wheel"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
    ],
)
def test_an_error_is_told_with_its_own_exit_code(stage: Stage, error: BaseException, code: int, first: str) -> None:
    stage.raises = error
    said = stage("build")
    assert said.code == code
    assert said.err.splitlines()[0] == first
    assert "Traceback" not in said.err
    document = stage("build", "--json")
    assert document.code == document.json["error"]["exit"] == code
    assert document.err == ""


def test_all_problems_are_told_in_both_forms(stage: Stage) -> None:
    stage.raises = SpecError(PROBLEMS)
    assert stage("build").err.count("agent.yaml") == 2
    problems = stage("build", "--json").json["error"]["problems"]
    assert problems[0] == {
        "file": "agent.yaml",
        "line": 12,
        "column": 5,
        "path": "spec.runtime",
        "message": "unknown runtime 'pyton'; did you mean 'python'?",
        "severity": "error",
    }


def test_a_step_error_keeps_its_parts_apart_in_json(stage: Stage) -> None:
    stage.raises = StepError("no wheel", tail="last words", hint="pin it")
    error = stage("build", "--json").json["error"]
    assert (error["message"], error["tail"], error["hint"]) == ("no wheel", "last words", "pin it")


def test_a_bug_says_so_and_where_the_log_is(stage: Stage) -> None:
    (stage.folder / ".aac").mkdir()
    stage.raises = ZeroDivisionError("division by zero")
    said = stage("build")
    assert said.code == 2
    assert said.err.startswith("error: this is a bug in agent, not in your project: ZeroDivisionError: division by zero")
    (log,) = (stage.folder / ".aac" / "logs").iterdir()
    assert str(log) in said.err
    assert "Traceback" in log.read_text()
    assert stage("build", "--json").json["error"]["exit"] == 2
    assert "Traceback" in stage("build", "-v").err


def test_an_exception_of_our_tree_without_a_code_is_a_bug_too(stage: Stage) -> None:
    stage.raises = AacError("root")
    assert stage("build").code == 2


def test_a_failed_step_ends_with_one_and_its_summary(stage: Stage) -> None:
    stage.events = (Event("failed", "test:hello", "boom"),)
    stage.exit = 1
    said = stage("test")
    assert said.code == 1
    assert said.out.splitlines()[0] == "✗ test:hello  boom"
    assert "failed: test:hello" in said.out
    document = stage("test", "--json")
    assert document.json["exit"] == document.code == 1


def test_what_was_done_before_an_error_is_still_on_the_screen(stage: Stage) -> None:
    stage.events = (Event("done", "lock:hello", "no agent.lock"),)
    stage.raises = PluginError("plugin x is broken")
    said = stage("build")
    assert said.out == "✓ lock:hello  (no agent.lock)\n"
    assert said.err == "error: plugin x is broken\n"


def run(*argv: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(p for p in sys.path if p)
    inherited = {k: v for k, v in os.environ.items() if k not in ("CI", "NO_COLOR", "FORCE_COLOR")}
    return subprocess.run(
        [sys.executable, "-m", "aac_tasks", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**inherited, "PYTHONPATH": path, **environment},
    )


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    assert run("version", cwd=tmp_path).stdout.startswith("agent ")
    wrong = run("buidl", cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (3, "")
    assert wrong.stderr == "error: unknown command 'buidl'; did you mean `agent build`?\n"


@pytest.mark.parametrize("command", ["build", "test", "deploy", "plan", "validate", "images"])
def test_a_folder_without_an_agent_says_how_to_make_one(tmp_path: Path, command: str) -> None:
    said = run(command, cwd=tmp_path)
    assert said.returncode == 3
    assert said.stderr.startswith("error: no agent.yaml in ")
    assert "`agent init NAME` makes one" in said.stderr


def test_colours_on_stderr_follow_the_environment(tmp_path: Path) -> None:
    assert "\x1b" not in run("buidl", cwd=tmp_path).stderr
    assert run("buidl", cwd=tmp_path, FORCE_COLOR="1").stderr.startswith("\x1b[31merror:\x1b[0m unknown")
    assert "\x1b" not in run("buidl", cwd=tmp_path, FORCE_COLOR="1", NO_COLOR="1").stderr


def test_a_locale_without_unicode_is_no_reason_to_fail(tmp_path: Path) -> None:
    said = run("--help", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    assert "build" in said.stdout
    assert run("why", "--help", cwd=tmp_path, PYTHONIOENCODING="ascii").returncode == 0


def test_a_reader_that_goes_away_is_no_bug(tmp_path: Path) -> None:
    said = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m aac_tasks --help | true; echo ${{PIPESTATUS[0]}}'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONUNBUFFERED": "1"},
    )
    assert said.stdout.strip() in ("0", "141")
    assert said.stderr == ""


def test_help_imports_no_heavy_library(tmp_path: Path) -> None:
    script = (
        "import sys; from aac_tasks.cli import main; main(['build', '--help']); main(['--help']);"
        "heavy = {'yaml', 'jsonschema', 'docker', 'doit', 'pluggy', 'rich', 'urllib3', 'http.client'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    said = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert said.returncode == 0, said.stderr


KEY = "sk-" + "a1" * 20


def test_what_looks_like_a_key_is_shown_nowhere(stage: Stage) -> None:
    stage.events = (Event("output", "test:hello", f"my key is {KEY}"), Event("failed", "test:hello", f"bad {KEY}"))
    stage.raises = StepError(f"401 for {KEY}", tail=f"tail {KEY}")
    stage.instances.listed = [{"name": "hello", "agent": "hello"}]
    stage.instances.log = (f"log {KEY}\n".encode(), b"")
    for argv in (("build",), ("build", "--json"), ("logs", "hello"), ("logs", "-f", "hello")):
        said = stage(*argv)
        assert KEY not in said.out + said.err
        assert "***" in said.out + said.err
    stage.raises = RuntimeError(KEY)
    (stage.folder / ".aac").mkdir()
    stage("build")
    (log,) = (stage.folder / ".aac" / "logs").iterdir()
    assert KEY not in log.read_text()


KEPT = "what was finished is kept, and the next run goes on from there"

INTERRUPTIBLE = """
import os, sys, threading, time
from pathlib import Path
from types import SimpleNamespace
from aac_tasks.cli import main
from aac_tasks.cli.world import World

session = SimpleNamespace(cancelled=threading.Event(), settings=SimpleNamespace(jobs=0), kill=lambda: None,
                          leave_untouched=lambda words: None, elsewhere=None)

def drive(session, selection, **how):
    try:
        print("driving", flush=True)
        time.sleep(30)
    finally:
        print("cancelled", session.cancelled.is_set(), flush=True)

world = World(sys.stdout, sys.stderr, {"TERM": "dumb"}, Path.cwd(), lambda o, t: session, drive, None, None)
sys.exit(main(["build"], world))
"""


@pytest.mark.parametrize(("number", "code", "word"), [(2, 130, "interrupted"), (15, 143, "terminated")])
def test_a_signal_cancels_the_run_and_is_the_exit_code(tmp_path: Path, number: int, code: int, word: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-c", INTERRUPTIBLE]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "driving\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (code, "cancelled True\n", f"error: {word}; {KEPT}\n")
