"""`agent run`, `stop` and `logs`."""

from __future__ import annotations

import datetime

import pytest
from cli.scene import Stage

from aac_tasks.cli.log_lines import Moment, parse_time, since_moment

HELLO = {"name": "hello", "agent": "hello", "by": "process", "state": "running"}
RUN = {"name": "hello-run", "agent": "hello", "by": "run", "state": "running"}


def test_run_builds_starts_shows_the_log_and_ends_with_the_agents_exit_code(stage: Stage) -> None:
    stage.instances.log = (b"one\n", b"two \x1b[2Jthree\n", b"")
    stage.instances.exit_code = 7
    said = stage("run", "hello")
    assert said.driven == [(("image:hello",), {"jobs": 1})]
    assert said.out == "hello-run runs at http://127.0.0.1:8080 (runner crun)\none\ntwo three\n"
    assert said.code == 7
    assert stage.instances.stopped == ["hello-run"]


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


def test_a_log_without_times_is_shown_whole(stage: Stage) -> None:
    moment = Moment("1s")
    assert list(since_moment(["a", "b"], moment)) == ["a", "b"]


def test_moments_are_spans_or_times() -> None:
    now = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.timezone.utc)
    assert Moment("90s", now).time == now - datetime.timedelta(seconds=90)
    assert Moment("2h", now).time == now - datetime.timedelta(hours=2)
    assert Moment("2026-01-31T12:00Z").time == now
    assert Moment("2026-01-31T13:00:00+0100").time == now
    assert Moment("2026-01-31").time == now.replace(hour=0)
    with pytest.raises(ValueError, match="expected 90s, 10m"):
        Moment("yesterday")


def test_a_number_that_only_looks_like_a_time_is_none() -> None:
    assert parse_time("2026-99-99T99:99 x") is None
    assert parse_time("no time") is None
