"""`agent run`, `stop` and `logs`."""

from __future__ import annotations

import datetime

import pytest
from cli.scene import Stage

from aac_tasks.cli.log_lines import Moment, time_of

HELLO = {"name": "hello", "agent": "hello", "by": "process", "state": "running"}
RUN = {"name": "hello-run", "agent": "hello", "by": "run", "state": "running"}


def test_run_builds_starts_shows_the_log_and_ends_with_the_agents_exit_code(stage: Stage) -> None:
    stage.instances.log = (b"one\n", b"two \x1b[2Jthree\n", b"")
    stage.instances.exit_code = 7
    said = stage("run", "hello")
    assert said.driven == [(("image:hello",), {"jobs": 1})]
    assert said.out == "one\ntwo three\n"
    assert said.err.endswith("hello-run runs at http://127.0.0.1:8080 (runner crun)\n")
    assert said.code == 7
    assert stage.instances.stopped == ["hello-run"]


def test_what_an_agent_says_on_stderr_is_on_ours_and_with_q_nothing_of_ours_is(stage: Stage) -> None:
    stage.instances.log, stage.instances.errors = (b"answer\n", b""), (b"warn\n", b"ing\x1b[2J\n", b"")
    said = stage("run", "-q", "hello")
    assert (said.out, said.err) == ("answer\n", "warn\ning\n")
    assert stage.instances.asked[1]["apart"]
    assert stage("run", "-q", "-d", "hello").out == ""
    assert not stage.instances.asked[1]["apart"]


def test_an_interrupted_run_is_stopped(stage: Stage) -> None:
    stage.instances.interrupt = True
    assert stage("run", "hello").code == 130
    assert stage.instances.stopped == ["hello-run"]


def test_a_detached_run_stays(stage: Stage) -> None:
    assert stage("run", "-d", "hello").code == 0
    assert stage("run", "-d", "hello", "--json").json["name"] == "hello-run"
    assert stage.instances.stopped == []


def test_a_failed_build_starts_nothing(stage: Stage) -> None:
    stage.exit = 1
    said = stage("run", "hello")
    assert said.code == 1
    assert "runs" not in said.out


def test_stop_takes_the_names_of_instances_and_agents(stage: Stage) -> None:
    stage.instances.listed = [HELLO, RUN]
    assert stage("stop", "hello-run").out == "stopped hello-run\n"
    assert stage("stop", "hello", "--json").json == {"stopped": ["hello", "hello-run"]}
    assert stage("stop", "--all").out == "stopped hello, hello-run\n"


def test_stopping_what_does_not_run_names_the_nearest(stage: Stage) -> None:
    stage.instances.listed = [HELLO]
    said = stage("stop", "helo")
    assert said.code == 3
    assert said.err == "error: nothing called 'helo' runs; did you mean 'hello'?\n"
    assert stage.instances.stopped == []


LOG = b"2026-01-31T11:00:00Z old\n  its detail\n2026-01-31 12:30:00,123 new\n  its detail\n"


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ((), LOG.decode()),
        (("--tail", "1"), "  its detail\n"),
        (("--since", "2026-01-31T12:00Z"), "2026-01-31 12:30:00,123 new\n  its detail\n"),
        (("--since", "2026-01-31T12:00Z", "--tail", "1"), "  its detail\n"),
        (("--since", "1s"), ""),
        (("-f", "--tail", "1"), "  its detail\n"),
    ],
)
def test_logs_can_be_cut(stage: Stage, flags: tuple[str, ...], shown: str) -> None:
    stage.instances.listed = [HELLO]
    stage.instances.log = (LOG, b"")
    assert stage("logs", "hello", *flags).out == shown


def test_a_followed_log_goes_on_until_its_instance_ends(stage: Stage) -> None:
    stage.instances.listed = [HELLO]
    stage.instances.log = (b"one\n", b"two\n", b"three\n", b"")
    assert stage("logs", "-f", "hello").out == "one\ntwo\nthree\n"


@pytest.mark.parametrize("flags", [(), ("-f",)])
def test_a_log_without_times_is_shown_whole_and_that_is_said(stage: Stage, flags: tuple[str, ...]) -> None:
    stage.instances.listed = [HELLO]
    stage.instances.log = (b"a\nloaded data of 2020-01-31 12:00\nready\n", b"")
    said = stage("logs", "hello", "--since", "1s", *flags)
    assert said.out == "a\nloaded data of 2020-01-31 12:00\nready\n"
    assert said.err == "--since: no line of this log begins with a time, so all of it is shown\n"
    assert stage("logs", "hello", *flags).err == ""


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-31T12:00:00Z ready",
        "2026-01-31 12:00:00,000 INFO ready",
        "2026-01-31 13:00:00 +0100 ready",
        "[2026-01-31 12:00:00] ready",
        'time="2026-01-31T12:00:00Z" level=info',
        '{"level": "info", "time": "2026-01-31T12:00:00Z"}',
        '{"ts":"2026-01-31T12:00:00.123456Z","data":"2020-01-31 12:00"}',
    ],
)
def test_a_line_has_the_time_that_it_begins_with(line: str) -> None:
    assert time_of(line) == datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)


@pytest.mark.parametrize(
    "line",
    [
        "loaded data of 2020-01-31 12:00",
        "INFO 2020-01-31 12:00 ready",
        '{"data": "2020-01-31 12:00", "time": 5}',
        '{"data": {"time": "2020-01-31 12:00"}}',
        "{2020-01-31 12:00",
        "2026-99-99T99:99 x",
        "2020-01-31",
        "",
    ],
)
def test_a_time_that_a_line_speaks_of_is_not_its_own(line: str) -> None:
    assert time_of(line) is None


def test_moments_are_spans_or_times() -> None:
    now = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    assert Moment("90s", now).time == now - datetime.timedelta(seconds=90)
    assert Moment("2h", now).time == now - datetime.timedelta(hours=2)
    assert Moment("2026-01-31T12:00Z").time == now
    assert Moment("2026-01-31T13:00:00+0100").time == now
    assert Moment("2026-01-31").time == now.replace(hour=0)
    for text in ("yesterday", "at 2026-01-31T12:00Z", "2026-99-99T99:99"):
        with pytest.raises(ValueError, match="expected 90s, 10m"):
            Moment(text)
