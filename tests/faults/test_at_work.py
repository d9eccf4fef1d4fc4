"""Faults of the moment: interrupts, two runs at once, a torn state folder, an agent that prints its secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults.fault_folder import in_process
from faults.place import Place
from faults.worlds import busybox_base

from aac_tasks.contracts.result import Event
from aac_tasks.doit_bridge import run
from aac_tasks.session import Options, Session, with_environment
from aac_tasks.state.plan_cache import CODE
from aac_tasks.testing import Project, command

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: tiny}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  build: {baseImage: "oci:base"}
  entrypoint: [/bin/sh, /app/run.sh]
  ports: [{container: 8080}]
  image: {registry: "oci:dist"}
"""
SERVE = """
trap 'exit 0' TERM INT
httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www &
wait
"""
NEVER_WELL = "trap 'exit 0' TERM INT\nsleep 600 &\nwait\n"
ALLOWED = {"AAC_ALLOW_HOST": "1"}
DOORS = {"agent": (*command("agent"), "test"), "doit": (sys.executable, "-m", "doit")}
TORN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "garbage": lambda data: os.urandom(max(len(data), 16)),
}


@pytest.fixture
def tiny(project: Project, tmp_path: Path) -> Iterator[Project]:
    """An agent that answers, on a base of one program."""
    files = {"agent.yaml": AGENT, "run.sh": SERVE, ".dockerignore": "base\n", "dodo.py": "from aac_tasks.dodo import *\n"}
    project = Project(project.folder, {**project.env, **ALLOWED}).write(files)
    (tmp_path / "beside").mkdir()
    with busybox_base(Place(project, tmp_path / "beside")):
        yield project


def start(project: Project, argv: tuple[str, ...]) -> subprocess.Popen[str]:
    """A command in a process group of its own, its output in one pipe."""
    return subprocess.Popen(
        argv,
        cwd=project.folder,
        env=dict(project.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )


def wait_for_the_agent(project: Project) -> None:
    """Until the test step has started it."""
    log = project.folder / ".aac/agents/tiny/test/agent.log"
    end = time.monotonic() + 30
    while not log.exists():
        assert time.monotonic() < end, "the agent was not started"
        time.sleep(0.02)
    time.sleep(0.3)


def children_of(folder: Path) -> list[str]:
    """Command lines of processes that speak of that folder, or work in it."""
    found = []
    for proc in Path("/proc").iterdir():
        try:
            line = (proc / "cmdline").read_bytes() if proc.name.isdigit() else b""
        except OSError:
            continue
        if str(folder).encode() in line:
            found.append(line.replace(b"\0", b" ").decode())
    return found


def nobody_is_left(folder: Path) -> bool:
    """Whether all of them are gone within a few seconds."""
    end = time.monotonic() + 8
    while children_of(folder) and time.monotonic() < end:
        time.sleep(0.05)
    return not children_of(folder)


@pytest.mark.parametrize("door", ["agent", "doit"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupt_ends_children_and_keeps_what_was_finished(tiny: Project, door: str, number: int, code: int) -> None:
    tiny.write({"run.sh": NEVER_WELL})
    running = start(tiny, DOORS[door])
    wait_for_the_agent(tiny)
    running.send_signal(number)
    said, _ = running.communicate(timeout=30)
    assert running.returncode == code, said
    assert "Traceback" not in said
    assert said.count("what was finished is kept, and the next run goes on from there") == 1
    assert nobody_is_left(tiny.folder), children_of(tiny.folder)
    tiny.write({"run.sh": SERVE})
    after = tiny.run(DOORS[door]).ok().stdout
    assert "– lock:tiny  up to date" in after
    assert "✓ test:tiny" in after


@pytest.mark.parametrize("more", [(), ("-n", "2")])
@pytest.mark.parametrize(("number", "code", "kind"), [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")])
def test_a_document_of_an_interrupted_run_has_what_was_finished(
    tiny: Project, number: int, code: int, kind: str, more: tuple[str, ...]
) -> None:
    tiny.write({"run.sh": NEVER_WELL})
    running = start(tiny, (*DOORS["agent"], "--json", *more))
    wait_for_the_agent(tiny)
    running.send_signal(number)
    said, _ = running.communicate(timeout=30)
    assert running.returncode == code, said
    document = json.loads(said)
    done = {step["step"]: step["status"] for step in document["steps"]}
    assert list(done) == ["parse:tiny", "lock:tiny", "dockerfile:tiny", "image:tiny"]
    assert set(done.values()) <= {"done", "cached"}
    assert (document["exit"], document["error"]["type"], document["error"]["exit"]) == (code, kind, code)
    assert "what was finished is kept" in document["error"]["message"]
    assert nobody_is_left(tiny.folder), children_of(tiny.folder)


@pytest.mark.parametrize("door", ["agent", "doit"])
def test_a_second_interrupt_ends_at_once(tiny: Project, door: str) -> None:
    tiny.write({"run.sh": "trap 'sleep 600' TERM\nsleep 600 &\nwait\n"})
    running = start(tiny, DOORS[door])
    wait_for_the_agent(tiny)
    running.send_signal(signal.SIGINT)
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    said, _ = running.communicate(timeout=30)
    assert running.returncode == 130, said
    assert time.monotonic() - begun < 8  # the first one gives the agent ten
    assert "Traceback" not in said
    assert nobody_is_left(tiny.folder), children_of(tiny.folder)
    tiny.write({"run.sh": SERVE})
    tiny.run(DOORS[door]).ok()


def test_why_a_runner_was_taken_is_told_once_and_not_in_every_run(tiny: Project) -> None:
    first = tiny.run(DOORS["agent"]).ok().stderr
    again = tiny.run(DOORS["doit"]).ok().stderr
    told = [next(line for line in text.splitlines() if line.startswith("runner ")) for text in (first, again)]
    assert "isolation): the first that works here" in told[0]
    assert told[1].endswith("isolation): as last time")


def test_two_runs_at_once_both_succeed_and_the_work_is_done_once(tiny: Project) -> None:
    both = [start(tiny, DOORS["agent"]), start(tiny, DOORS["agent"])]
    said = [run.communicate(timeout=60)[0] for run in both]
    assert [run.returncode for run in both] == [0, 0], said
    for step in ("lock", "image", "test"):
        assert sum(text.count(f"✓ {step}:tiny") for text in said) <= 1, said
    digests = {line.split()[2] for text in said for line in text.splitlines() if line.strip().startswith("→ image:")}
    assert len(digests) == 1


def test_a_lock_that_another_run_wrote_since_this_one_planned_is_not_made_again(tiny: Project) -> None:
    events: list[Event] = []
    options = with_environment(Options(cwd=tiny.folder), tiny.env)
    late, early = Session(options, events.append), Session(options, lambda event: None)
    late.plan()
    assert run(early, ("image",)) == 0
    assert run(late, ("image",)) == 0
    assert {e.step: e.type for e in events if e.type in ("fresh", "done")} == {
        "parse:tiny": "fresh", "lock:tiny": "fresh", "dockerfile:tiny": "fresh", "image:tiny": "fresh",
    }  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, str]]:
    """A project that was tested and pushed, and its digest."""
    from aac_tasks.testing import clean_environment

    top = tmp_path_factory.mktemp("finished")
    for name in ("project", "home", "cache", "beside"):
        (top / name).mkdir()
    project = Project(top / "project", {**clean_environment(top / "home", top / "cache"), **ALLOWED})
    project.write({"agent.yaml": AGENT, "run.sh": SERVE, ".dockerignore": "base\n"})
    with busybox_base(Place(project, top / "beside")):
        project.agent("push").ok()
        yield project, digest(project)


def digest(project: Project) -> str:
    """Of the image that was built last."""
    return str(json.loads(project.agent("inspect", "tiny", "--json").ok().stdout)["digest"])


@pytest.mark.parametrize("how", TORN)
def test_torn_files_in_the_state_folder_cost_work_and_nothing_else(finished: tuple[Project, str], how: str) -> None:
    project, before = finished
    state = project.folder / ".aac"
    files = [p for p in sorted(state.rglob("*")) if p.is_file() and p.stat().st_size and p.name not in (".gitignore", "version")]
    assert "stamp" in {p.name for p in files}
    kinds = {p.relative_to(state).as_posix(): p for p in files}
    for name, path in kinds.items():
        if not path.exists():  # a list of code that is another by now goes with the next run that writes one
            assert path.name.startswith(CODE), name
            continue
        whole = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(TORN[how](whole))
        code, said = in_process(project, ["push"])
        assert code == 0, (name, said)
        assert "Traceback" not in said, name
    assert digest(project) == before
    assert "✓" not in project.agent("push").ok().stdout


def test_a_torn_version_file_is_written_anew(finished: tuple[Project, str]) -> None:
    project, before = finished
    (project.folder / ".aac/version").write_text("")
    project.agent("push").ok()
    assert (project.folder / ".aac/version").read_text() == "1\n"
    assert digest(project) == before


SECRET = "s3cr3t-of-the-house-of-usher"


PRINTS = {"ends": "echo the token is $TOKEN\nexit 3\n", "runs": f"echo the token is $TOKEN\n{SERVE}"}


@pytest.mark.parametrize("script", PRINTS.values(), ids=PRINTS)
def test_a_secret_that_the_agent_prints_is_shown_and_kept_nowhere(tiny: Project, script: str) -> None:
    entry = "environment: [{name: TOKEN, from: secret, secretName: token, secretKey: TOKEN}]"
    tests = 'tests: [{name: says it, type: command, command: [sh, -c, "echo $TOKEN; exit 4"]}]'
    tiny.write({"agent.yaml": AGENT.replace("  ports:", f"  {entry}\n  {tests}\n  ports:"), "run.sh": script})
    for arguments in (("test",), ("test", "--json"), ("test", "-v")):
        ran = tiny.agent(*arguments, env={"TOKEN": SECRET}).exits(1)
        assert SECRET not in ran.output
        assert "***" in ran.output
    kept = [p for p in tiny.folder.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert kept == []
    assert (tiny.folder / ".aac/agents/tiny/test/junit.xml").exists()
    log = tiny.read(".aac/agents/tiny/test/agent.log")
    assert "the token is ***" in log
