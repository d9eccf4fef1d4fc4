from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from aac_tasks.contracts.tools import Process, Spawned
from aac_tasks.errors import StepError
from aac_tasks.steps import identity
from aac_tasks.steps.process import Processes
from aac_tasks.steps.redaction import redact, redact_keys


class Desk:
    """Processes, what they said, and the switch that cancels them."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.said: list[str] = []
        self.cancelled = threading.Event()
        self.processes = Processes(environment=environment, tell=self.said.append, cancelled=self.cancelled)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk({**os.environ, "MY_SECRET": "x", "LC_ALL": "C.UTF-8"})
    yield made
    made.processes.kill_children(grace=0.2)


def sh(script: str, **more: object) -> Process:
    return Process(("sh", "-c", script), **more)  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    row = identity.stat_of(pid)
    return row is None or row.dead


def wait_for(file: Path) -> int:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        time.sleep(0.01)
    raise AssertionError(f"{file} was not written")


def test_output_exit_code_and_tail_are_told(desk: Desk) -> None:
    done = desk.processes.run(sh("echo out; echo err >&2; exit 3"))
    assert (done.exit_code, done.stdout, done.stderr, done.tail) == (3, "out\n", "err\n", "err")


def test_a_watcher_hears_each_line_redacted_and_the_screen_none(desk: Desk) -> None:
    heard: list[str] = []
    desk.processes.run(sh("echo one; echo the key is hunter22 >&2; printf three", secrets=("hunter22",), watch=heard.append))
    assert sorted(heard) == ["one", "the key is ***", "three"]
    assert desk.said == []


def test_much_input_and_output_at_once_do_not_block_each_other(desk: Desk) -> None:
    data = os.urandom(1 << 20).hex().encode()
    done = desk.processes.run(Process(("tee", "/dev/stderr"), stdin=data))
    assert done.stdout.encode() == data == done.stderr.encode()


def test_a_child_that_does_not_want_its_input_is_no_error(desk: Desk) -> None:
    assert desk.processes.run(sh("exit 0", stdin=b"x" * (1 << 20))).exit_code == 0


def test_lines_are_told_while_it_runs_with_secrets_taken_out(desk: Desk) -> None:
    done = desk.processes.run(sh("echo 'the key is hunter22'; printf unfinished", quiet=False, secrets=("hunter22",)))
    assert desk.said == ["the key is ***", "unfinished"]
    assert done.stdout == "the key is ***\nunfinished"


def test_a_process_gets_a_minimal_environment_unless_it_brings_its_own(desk: Desk) -> None:
    seen = dict(line.partition("=")[::2] for line in desk.processes.run(Process(("env",))).stdout.splitlines())
    assert {"PATH", "LC_ALL"} <= set(seen)
    assert "MY_SECRET" not in seen
    env = {"PATH": os.environ["PATH"], "ONLY": "this"}
    assert desk.processes.run(Process(("env",), env=env)).stdout.count("\n") == len(env)


def test_a_missing_program_and_a_missing_folder_are_told_apart(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="nonesuch is not installed"):
        desk.processes.run(Process(("nonesuch",)))
    with pytest.raises(StepError, match=r"folder .* is not there"):
        desk.processes.run(Process(("true",), cwd=tmp_path / "absent"))


def test_out_of_time_ends_the_whole_family(desk: Desk, tmp_path: Path) -> None:
    script = f"sleep 60 & echo $! > {tmp_path}/pid; echo working; wait"
    with pytest.raises(StepError, match=r"did not end within 0\.3 seconds") as caught:
        desk.processes.run(sh(script, timeout=0.3))
    assert "working" in caught.value.tail
    assert gone(wait_for(tmp_path / "pid"))


def test_a_cancelled_run_ends_its_children_even_if_they_ignore_it_politely(desk: Desk, tmp_path: Path) -> None:
    threading.Timer(0.3, desk.cancelled.set).start()
    with pytest.raises(StepError, match="was interrupted"):
        desk.processes.run(sh(f"(sleep 60) & echo $! > {tmp_path}/pid; wait"))
    assert gone(wait_for(tmp_path / "pid"))


def test_who_cleans_up_after_a_cancellation_may_still_run_something(desk: Desk, tmp_path: Path) -> None:
    desk.cancelled.set()
    assert desk.processes.run(sh("echo swept")).stdout == "swept\n"
    with pytest.raises(StepError, match="interrupted"):
        desk.processes.spawn(sh("sleep 60"), log=tmp_path / "log")


def test_a_daemon_that_keeps_the_pipes_does_not_hold_us_for_ever(desk: Desk) -> None:
    begun = time.monotonic()
    done = desk.processes.run(sh("sleep 20 & echo $!"))
    assert time.monotonic() - begun < 5
    os.kill(int(done.stdout), signal.SIGKILL)


def test_a_spawned_process_is_alive_writes_its_log_and_ends_with_all_it_started(desk: Desk, tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    script = f"trap '' TERM; echo out; echo err >&2; sleep 60 & echo $! > {tmp_path}/pid; while :; do sleep 1; done"
    spawned = desk.processes.spawn(sh(script), log=log)
    child = wait_for(tmp_path / "pid")
    assert desk.processes.alive(spawned)
    assert log.read_text() == "out\nerr\n"
    assert log.stat().st_mode & 0o777 == 0o600
    desk.processes.kill(spawned, grace=0.2)
    assert not desk.processes.alive(spawned)
    assert gone(child)
    assert gone(spawned.pid)


def test_a_polite_process_gets_one_term_and_no_kill(desk: Desk, tmp_path: Path) -> None:
    script = "import signal,sys,time\nn=[]\nsignal.signal(15, lambda *a: n.append(1))\nprint('ready', flush=True)\n"
    script += "while not n: time.sleep(.01)\ntime.sleep(.3)\nprint('terms', len(n), flush=True)"
    log = tmp_path / "log"
    spawned = desk.processes.spawn(Process((sys.executable, "-c", script)), log=log)
    end = time.monotonic() + 5
    while "ready" not in log.read_text() and time.monotonic() < end:
        time.sleep(0.01)
    desk.processes.kill(spawned, grace=5.0)
    assert "terms 1" in log.read_text()


def test_a_zombie_is_not_alive(desk: Desk, tmp_path: Path) -> None:
    spawned = desk.processes.spawn(sh("exit 0"), log=tmp_path / "log")
    end = time.monotonic() + 5
    while desk.processes.alive(spawned) and time.monotonic() < end:
        time.sleep(0.01)
    assert identity.stat_of(spawned.pid) is None


def test_a_reused_pid_is_never_killed(desk: Desk, tmp_path: Path) -> None:
    stranger = desk.processes.spawn(sh("sleep 60"), log=tmp_path / "log")
    for other in (
        replace(stranger, start_time="1"),
        replace(stranger, boot_id="another boot"),
        Spawned(stranger.pid, "", ""),
    ):
        assert not desk.processes.alive(other)
        desk.processes.kill(other, grace=0.1)
    assert desk.processes.alive(stranger)
    desk.processes.kill(stranger, grace=0.1)


def test_another_run_of_the_tool_finds_and_ends_what_an_earlier_one_started(desk: Desk, tmp_path: Path) -> None:
    spawned = desk.processes.spawn(sh("sleep 60"), log=tmp_path / "log")
    later = Desk(dict(os.environ))
    assert later.processes.alive(spawned)
    later.processes.kill(spawned, grace=0.5)
    assert not later.processes.alive(spawned)
    assert not desk.processes.alive(spawned)


def test_the_end_of_a_run_ends_its_children_and_not_what_was_detached(desk: Desk, tmp_path: Path) -> None:
    bound = desk.processes.spawn(sh("sleep 60"), log=tmp_path / "a", session=False)
    free = desk.processes.spawn(sh("sleep 60"), log=tmp_path / "b", session=True)
    desk.processes.kill_children(grace=0.5)
    assert not desk.processes.alive(bound)
    assert desk.processes.alive(free)
    desk.processes.kill(free, grace=0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_a_killed_tool_takes_its_bound_children_along(tmp_path: Path, desk: Desk) -> None:
    tool = f"""
import os, threading, time
from pathlib import Path
from aac_tasks.contracts.tools import Process
from aac_tasks.steps.process import Processes
made = Processes(environment=os.environ, tell=print, cancelled=threading.Event())
spawned = made.spawn(Process(("sleep", "60")), log=Path({str(tmp_path / "log")!r}), session=False)
Path({str(tmp_path / "pid")!r}).write_text(str(spawned.pid))
time.sleep(60)
"""
    running = desk.processes.spawn(Process((sys.executable, "-c", tool), env=dict(os.environ)), log=tmp_path / "tool")
    child = wait_for(tmp_path / "pid")
    os.kill(running.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while not gone(child) and time.monotonic() < end:
        time.sleep(0.01)
    assert gone(child)


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-abcdefghijklmnopqrst",
        "Authorization: Bearer abcdefgh12345678",
        "OPENAI_API_KEY=abcdef123456",
        '{"password": "hunter2hunter2"}',
        "postgres://me:s3cretpw@db/x",
        "ghp_abcdefghijklmnopqrstuvwxyz0123",
        "AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str) -> None:
    hidden = redact_keys(f"before {text} after")
    assert "***" in hidden
    assert hidden.startswith("before ")
    assert not any(part in hidden for part in ("abcdef", "hunter2", "s3cretpw", "IOSFODNN", "MIIE"))


def test_plain_text_stays_as_it_is() -> None:
    text = "GET /tokens 200 in 3 ms, task-list of 4 items; http://localhost:8080/a; max_tokens=4096"
    assert redact_keys(text) == text


def test_a_secret_of_many_lines_is_taken_out_line_by_line_and_a_tiny_one_is_left() -> None:
    assert redact("first-line\nx second-line y", ("first-line\nsecond-line",)) == "***\nx *** y"
    assert redact("1 of 1", ("1",)) == "1 of 1"
