from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from reporter_ear import BUILT, DIGEST, Ear

from aac_tasks.contracts.result import Event
from aac_tasks.reporter import make


def test_a_finished_step_is_one_line_with_what_it_made_why_and_how_long() -> None:
    ear = Ear()
    ear.tell(BUILT)
    assert ear.out == "✓ image:hello  sha256:0123456789ab… 36.3 MB (never built)  1.2 s\n"


def test_a_fresh_step_says_why() -> None:
    ear = Ear()
    ear.tell(Event("fresh", "test:hello", "since 12:01"), Event("fresh", "lock:hello", "up to date"))
    assert ear.out == "– test:hello  up to date (since 12:01)\n– lock:hello  up to date\n"


def test_among_thousands_of_fresh_steps_the_others_are_seen() -> None:
    ear = Ear()
    ear.tell(*(Event("fresh", f"image:a{n}", "", data={"outputs": {"digest": DIGEST}}) for n in range(3000)), BUILT)
    ear.reporter.close()
    lines = ear.out.splitlines()
    assert lines[40] == "further steps that are up to date are only counted"
    assert [line.split()[1] for line in lines[41:]] == ["image:hello", "ran,", "image:hello"]
    assert lines[42].startswith("1 ran, 3000 up to date in")


def test_a_cached_step_names_the_cache() -> None:
    ear = Ear()
    ear.tell(Event("cached", "image:hello", "never built", data={"outputs": {"digest": DIGEST}}))
    assert ear.out == "✓ image:hello  from the cache sha256:0123456789ab… (never built)\n"


def test_the_further_lines_of_a_failure_are_indented() -> None:
    ear = Ear()
    ear.tell(Event("failed", "image:hello", "no wheel\n  | last words\n  → pin it", 0.5))
    assert ear.out == "✗ image:hello  no wheel  0.5 s\n    | last words\n    → pin it\n"


def test_the_summary_counts_names_failures_and_lists_products_with_layers() -> None:
    ear = Ear()
    ear.tell(
        Event("fresh", "lock:hello", "same"),
        BUILT,
        Event("failed", "test:hello", "boom"),
        Event("failed", "push:hello", "not run", data={"unmet": True}),
    )
    ear.clock.now = 65.0
    ear.reporter.close(1)
    assert ear.out.splitlines()[-2:] == [
        "1 ran, 1 up to date, 1 failed, 1 not run in 1 min 05 s (failed: test:hello)",
        "  → image:hello  sha256:0123456789ab… 36.3 MB (base 31.2 MB, application 2.0 kB)",
    ]


def test_a_second_closing_says_nothing() -> None:
    ear = Ear()
    ear.tell(BUILT)
    ear.reporter.close()
    said = ear.out
    ear.reporter.close()
    assert ear.out == said


def test_an_abandoned_run_has_no_summary() -> None:
    ear = Ear()
    ear.tell(BUILT)
    ear.reporter.close(abandoned=True)
    assert len(ear.out.splitlines()) == 1


def test_output_carries_its_agent_and_step() -> None:
    ear = Ear()
    ear.tell(Event("output", "test:hello", "one\r\ntwo"), Event("output", text="nobody's"))
    assert ear.err == "hello:test | one\nhello:test | two\nnobody's\n"


def test_what_a_tool_says_can_not_steer_the_terminal() -> None:
    ear = Ear()
    ear.tell(Event("output", "test:a", "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m \x00\x9b31m bell\x07 tab\t"))
    assert ear.err == "a:test | red 31m bell tab\t\n"


def test_progress_is_told_every_five_seconds_per_step() -> None:
    ear = Ear()
    ear.tell(Event("start", "image:a"))
    for second in range(12):
        ear.clock.now = second
        ear.tell(Event("progress", "image:a", "fetching", data={"done": second * 1_000_000, "total": 12_000_000}))
    assert ear.err.splitlines() == [
        "a:image | fetching 5.0 MB of 12.0 MB (41 %)",
        "a:image | fetching 10.0 MB of 12.0 MB (83 %)",
    ]


def test_a_short_step_has_no_progress_line() -> None:
    ear = Ear()
    ear.tell(Event("start", "image:a"), Event("progress", "image:a", "fetching", data={"done": 1, "total": 2}))
    assert ear.err == ""


def test_quiet_says_failures_only() -> None:
    ear = Ear("quiet")
    ear.tell(BUILT, Event("note", text="runner crun"), Event("output", "test:a", "hi"), Event("failed", "test:a", "boom"))
    ear.reporter.close(1)
    assert (ear.out, ear.err) == ("", "✗ test:a  boom\n")


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"FORCE_COLOR": "0"}, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_colours_are_there_when_they_are_wanted(environment: dict[str, str], coloured: bool) -> None:
    ear = Ear(**environment)
    ear.tell(BUILT)
    assert ("\x1b[32m" in ear.out) is coloured


def test_a_stream_without_unicode_gets_ascii_signs() -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    reporter = make("plain", out=out, err=io.StringIO(), environment={})
    reporter(Event("done", "image:a", "Ω changed"))
    assert raw.getvalue() == b"+ image:a  (? changed)\n"


def test_every_text_is_redacted_data_included() -> None:
    def hide(text: str) -> str:
        return text.replace("hunter2", "***")

    plain, document = Ear(redact=hide), Ear("json", redact=hide)
    for ear in (plain, document):
        ear.tell(
            Event("output", "run:a", "hunter2"), Event("done", "deploy:a", "hunter2", data={"outputs": {"url": ["hunter2"]}})
        )
        ear.reporter.close(0)
        assert "hunter2" not in ear.out + ear.err
        assert "***" in ear.out


def test_lines_of_many_threads_stay_whole() -> None:
    ear = Ear()

    def talk(name: str) -> None:
        for number in range(200):
            ear.tell(Event("done", f"image:{name}", f"{name}{number} " + name * 50))

    threads = [threading.Thread(target=talk, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = ear.out.splitlines()
    assert len(lines) == 800
    assert all(line.endswith(line[8] * 50 + ")") and line.startswith("✓ image:") for line in lines)


REPLAY = """
import os, sys
from aac_tasks.contracts.result import Event
from aac_tasks.reporter import make
reporter = make({kind!r}, out=sys.stdout, err=sys.stderr, environment=os.environ)
reporter(Event("start", "image:a"))
for n in range(3000):
    reporter(Event("done", "image:a", "x" * 80))
reporter.close(0)
sys.stderr.write("finished")
"""


def test_a_reader_that_goes_away_does_not_break_the_run() -> None:
    command = [sys.executable, "-c", REPLAY.format(kind="plain")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read().decode().endswith("finished")
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("environment", "live"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "CI": "true"}, False), ({"TERM": "dumb"}, False), ({}, False)],
)
def test_on_a_terminal_the_view_moves_unless_ci_or_a_dumb_terminal(environment: dict[str, str], live: bool) -> None:
    shown = on_a_terminal(REPLAY.format(kind="auto").replace("3000", "1"), environment)
    assert ("\x1b[?25l" in shown) is live  # rich hides the cursor while its view is up
    assert "✓ image:a" in shown
    assert "1 ran in" in shown


_SGR = re.compile("\x1b\\[[0-9;]*m")


@pytest.mark.parametrize(("environment", "styled"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_moving_view_has_no_colours_dim_or_bold_where_none_are_wanted(environment: dict[str, str], styled: bool) -> None:
    shown = on_a_terminal(REPLAY.format(kind="auto").replace("3000", "1"), {"TERM": "xterm", **environment})
    assert "\x1b[?25l" in shown
    assert (_SGR.search(shown) is not None) is styled
    script = (
        "import sys; from aac_tasks.cli.live_table import live_table\n"
        "def end(): raise KeyboardInterrupt\n"
        "sys.exit(live_table(sys.stdout, ['NAME'], lambda: [['bot']], end))\n"
    )
    assert not _SGR.search(on_a_terminal(script, {"TERM": "xterm", "NO_COLOR": "1"}))


def test_a_piped_run_imports_no_rich() -> None:
    script = REPLAY.format(kind="auto").replace("3000", "1") + "\nassert not [m for m in sys.modules if m.startswith('rich')]"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "TERM": "xterm"})
    assert done.returncode == 0, done.stderr


def on_a_terminal(script: str, environment: dict[str, str]) -> str:
    """What a program says to a pseudo terminal."""
    import pty

    inherited = {k: v for k, v in os.environ.items() if k not in ("CI", "TERM", "NO_COLOR", "FORCE_COLOR")}
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env={**inherited, **environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        cwd=Path(__file__).parent,
    )
    os.close(follower)
    said = b""
    while True:
        try:
            piece = os.read(leader, 4096)
        except OSError:  # Linux answers EIO when the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(leader)
    assert process.wait() == 0
    return said.decode()
