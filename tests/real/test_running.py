"""Running and looking, typed as a user types it: flags, signals, exit codes, terminals, restarts, killed deploys."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.small_agent import small_agent
from real.typing_hands import typed
from real_registry import free_port

from aac_tasks.testing import Project, Ran, command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("running")]


@dataclass(frozen=True)
class Place:
    """A user with one agent, which is built."""

    project: Project
    name: str
    port: int

    def agent(self, *words: str, **env: str) -> Ran:
        return self.project.agent(*words, env=env)

    def ps(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(self.agent("ps", "--json").ok().stdout)["instances"]
        return found

    def started(self, *words: str) -> subprocess.Popen[bytes]:
        """`agent run` in the foreground, when it says that it is ready."""
        child = subprocess.Popen(
            [*command("agent"), "run", *words], cwd=self.project.folder, env=self.project.env, stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        for line in child.stdout:
            if line == b"ready\n":
                return child
        raise AssertionError(f"it ended with {child.wait()}")

    def kill_a_deploy(self, seconds: float) -> None:
        """SIGKILL it so long after its step has begun."""
        deploy = subprocess.Popen(
            [*command("agent"), "deploy", "-q"], cwd=self.project.folder, env=self.project.env, start_new_session=True
        )
        begun = self.project.folder / f".aac/agents/{self.name}/steps/deploy/before"
        end = time.monotonic() + 60
        while not begun.exists() and deploy.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        time.sleep(seconds)
        os.killpg(deploy.pid, signal.SIGKILL)
        deploy.wait()

    def processes(self) -> list[str]:
        """Command lines of the agents that run; not of a child that has its shell's until it becomes another program."""
        found: dict[str, tuple[str, str]] = {}
        for path in (path for path in Path("/proc").iterdir() if path.name.isdigit()):
            try:
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                inside = f"AGENT_NAME={self.name}\0".encode() in (path / "environ").read_bytes()
                parent = (path / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if inside and "main.sh" in words:
                found[path.name] = parent, words
        return [words for parent, words in found.values() if parent not in found]

    def says(self, name: str, word: str, times: int = 1) -> bool:
        """Whether the log has that word so often, soon."""
        end = time.monotonic() + 20
        while (count := self.agent("logs", name).ok().stdout.count(word)) < times and time.monotonic() < end:
            time.sleep(0.1)
        return count == times


def listens(port: int) -> bool:
    """Whether somebody does on the loopback, soon."""
    end = time.monotonic() + 20
    with socket.socket() as probe:
        while (refused := probe.connect_ex(("127.0.0.1", port))) and time.monotonic() < end:
            time.sleep(0.05)
    return not refused


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    project, name, port = small_agent(tmp_path_factory.mktemp("running"), "runc")
    made = Place(project, name, port)
    made.agent("build").ok()
    yield made
    made.agent("stop", "--all")
    assert made.processes() == []


@pytest.fixture(autouse=True)
def _nothing_runs(place: Place) -> Iterator[None]:
    yield
    place.agent("stop", "--all")


def test_a_run_in_the_foreground_ends_with_the_agents_exit_code_and_shows_all_it_said(place: Place) -> None:
    ran = place.agent("run", place.name, "-q", "--", "end", "of", "words").exits(5)
    assert "args: end of words, greeting: hi\n" in ran.stdout
    assert place.ps() == []


def test_each_stream_of_an_agent_in_the_foreground_is_ours_and_nothing_else_is_on_stdout(place: Place) -> None:
    ran = place.agent("run", place.name, "--", "both").exits(6)
    assert ran.stdout == "args: both, greeting: hi\nanswer 1\nanswer 2\nanswer 3\n"
    assert ran.stderr.endswith("warning 1\nwarning 2\nwarning 3\n")
    assert f"{place.name}-run runs (runner runc)\n" in ran.stderr
    assert place.agent("run", "-q", place.name, "--", "both").exits(6).stderr == "warning 1\nwarning 2\nwarning 3\n"
    together = [*command("agent"), "run", "-q", place.name, "--", "both"]
    said = subprocess.run(
        together, cwd=place.project.folder, env=place.project.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    assert sorted(said.stdout.decode().splitlines())[-3:] == ["warning 1", "warning 2", "warning 3"]


def test_signals_are_passed_on_and_the_exit_code_is_the_agents(place: Place) -> None:
    child = place.started(place.name, "-q")
    child.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    child.send_signal(signal.SIGTERM)
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 9
    assert out == b"got USR1\ngot TERM\n"
    assert place.ps() == []
    assert place.processes() == []


def test_flags_come_on_top_of_agent_yaml_and_a_restart_keeps_them(place: Place) -> None:
    (place.project.folder / "more.env").write_text("# secrets\nFROM_FILE=s3cret\nGREETING=file\n")
    (place.project.folder / "data").mkdir(exist_ok=True)
    flags = ("--name", "second", "-e", "GREETING=flag", "--env-file", "more.env", "-u", "2001:2001", "-m", "64Mi")
    mounts = ("-v", "./data:/data:ro", "--tmpfs", "/tmp:size=1Mi", "--read-only")
    place.agent("run", "-d", "-q", place.name, *flags, *mounts).ok()
    record = next(place.project.folder.glob(".aac/agents/*/run/second/instance.json"))
    assert "s3cret" not in record.read_text()
    assert record.stat().st_mode & 0o077 == 0
    script = "echo $GREETING $FROM_FILE $(id -u); touch /x || touch /data/x || touch /tmp/x && echo ok; exit 7"
    ask = ("exec", "second", "--", "sh", "-c", script)
    said = place.agent(*ask).exits(7).stdout
    assert said == "flag s3cret 2001\nok\n"
    before = place.ps()[0]
    (place.project.folder / "more.env").write_text("FROM_FILE=another\nGREETING=file\n")
    place.agent("restart", "second").ok()
    after = place.ps()[0]
    assert (after["name"], after["state"], after["ports"]) == ("second", "running", before["ports"])
    assert place.agent(*ask).exits(7).stdout == "flag another 2001\nok\n"
    assert place.says("second", "ready", times=2)
    assert len(place.processes()) == 1


def test_names_and_ports_that_are_taken_are_told_and_nothing_is_left(place: Place) -> None:
    port = str(free_port())
    publish = f"{port}:{place.port}"
    place.agent("run", "-d", "-q", place.name, "--name", "one", "-p", publish).ok()
    assert listens(int(port))
    assert place.agent("run", "-d", "-q", place.name, "--name", "one").exits(1).stderr.startswith("error: one runs already\n")
    taken = place.agent("run", "-d", "-q", place.name, "--name", "two", "-p", publish).exits(1).stderr
    assert re.search(rf"two: port {port} is taken by .*httpd", taken), taken
    assert [one["name"] for one in place.ps()] == ["one"]
    assert len(place.processes()) == 1


def test_what_a_runner_can_not_do_is_refused(place: Place) -> None:
    for flags, what in ((("--restart", "always"), "restart always"), (("--gpus", "all"), "a GPU")):
        ran = place.agent("run", "-d", "-q", place.name, *flags).exits(3)
        assert f"{what} is asked for, which runner runc can't give" in ran.stderr
    assert "network team has no effect" in place.agent("run", "-d", place.name, "--network", "team").ok().output


@pytest.mark.parametrize(("flags", "said"), [(("-i",), "hello Ada"), (("-it",), "hello Ada at a terminal")])
def test_an_interactive_agent_reads_what_the_user_types(place: Place, flags: tuple[str, ...], said: str) -> None:
    argv = [*command("agent"), "run", place.name, "-q", *flags, "--", "ask"]
    heard, code = typed(argv, place.project.folder, {**place.project.env, "TERM": "xterm"}, "Ada\n")
    assert said in heard
    assert code == 4


def test_a_program_can_be_entered_with_a_terminal(place: Place) -> None:
    place.agent("run", "-d", "-q", place.name).ok()
    argv = [*command("agent"), "exec", "-it", place.name, "--", "sh", "-c", "[ -t 0 ] && echo yes; read x; echo got $x; exit 6"]
    heard, code = typed(argv, place.project.folder, {**place.project.env, "TERM": "xterm"}, "this\n")
    assert "yes" in heard
    assert "got this" in heard
    assert code == 6


def test_stats_and_ps_show_what_was_asked_for(place: Place) -> None:
    place.agent("run", "-d", "-q", place.name, "--name", "one").ok()
    (row,) = json.loads(place.agent("stats", "--json").ok().stdout)["stats"]
    assert row["name"] == "one"
    assert row["memory"] > 10_000
    assert row["processes"] >= 2
    assert place.agent("ps", "--filter", "name=o*", "--format", "{{.Name}} {{.State}}").ok().stdout == "one running\n"
    assert place.agent("ps", "-q", "--filter", "state=exited").ok().stdout == ""
    assert "nothing to filter by; expected agent, by" in place.agent("ps", "--filter", "colour=red").exits(3).stderr


def test_an_agent_that_has_ended_shows_no_url(place: Place) -> None:
    place.agent("run", "-d", "-q", place.name, "--name", "dead", "--", "end").ok()
    end = time.monotonic() + 20
    while (found := place.ps()[0])["state"] != "exited" and time.monotonic() < end:
        time.sleep(0.1)
    assert (found["state"], found["url"]) == ("exited", "")
    assert place.agent("ps", "-q", "--filter", "state=exited").ok().stdout == "dead\n"
    place.agent("run", "-d", "-q", place.name, "--name", "alive").ok()
    alive = next(one for one in place.ps() if one["name"] == "alive")
    assert (alive["exit_code"], alive["url"]) == (None, f"http://127.0.0.1:{place.port}")


@pytest.mark.parametrize(("words", "head"), [(("stats",), "PROCESSES"), (("ps", "--watch"), "STARTED")])
def test_tables_move_on_a_terminal_until_ctrl_c(place: Place, words: tuple[str, ...], head: str) -> None:
    place.agent("run", "-d", "-q", place.name, "--name", "one").ok()
    env = {**place.project.env, "TERM": "xterm", "COLUMNS": "200"}
    heard, code = typed([*command("agent"), *words], place.project.folder, env, "\x03", when=("one  ",))
    assert head in heard
    assert code == 0


def test_an_agent_whose_deploy_was_killed_is_known_and_the_next_deploy_leaves_one(place: Place) -> None:
    """At three moments: before anything of the new one, while it starts, and in the very first deploy."""
    place.agent("stop", "--all")
    shutil.rmtree(place.project.folder / f".aac/agents/{place.name}/steps/deploy", ignore_errors=True)
    for version, wait in enumerate((0.4, 0.05, 0.3, 0.6)):
        (place.project.folder / "www/index.html").write_text(f"well {version}\n")
        place.agent("test").ok()
        place.kill_a_deploy(wait)
        running = place.processes()
        states = [one["state"] for one in place.ps() if one["by"] == "process"]
        assert ("running" in states) == bool(running), (states, running)
        if running:
            assert place.says(place.name, "ready")
    place.agent("deploy").ok()
    assert len(place.processes()) == 1
    assert [one["state"] for one in place.ps()] == ["running"]
    before = place.ps()[0]["started"], place.processes()
    place.agent("restart", place.name).ok()
    assert len(place.processes()) == 1
    assert place.ps()[0]["state"] == "running"
    assert before[1]
    assert "up to date" in place.agent("deploy").ok().output
    place.agent("stop", place.name).ok()
    assert place.processes() == []


def test_a_log_that_a_killed_deploy_has_put_aside_stays_where_it_is_looked_for(place: Place) -> None:
    place.agent("deploy").ok()
    log = place.project.folder / f".aac/agents/{place.name}/logs/{place.name}.log"
    before = log.read_bytes()
    log.replace(log.with_name(f"{log.name}.1"))
    (place.project.folder / "www/index.html").write_text(f"well {time.time()}\n")
    place.agent("test").ok()
    place.agent("deploy").ok()
    assert log.exists()
    assert log.with_name(f"{log.name}.1").read_bytes().startswith(before)
    place.agent("stop", place.name).ok()


def test_what_a_killed_deploy_left_can_be_stopped(place: Place) -> None:
    place.agent("deploy").ok()
    (place.project.folder / "www/index.html").write_text(f"well {time.time()}\n")
    place.agent("test").ok()
    place.kill_a_deploy(0.0)
    assert place.processes() != []
    place.agent("stop", place.name).ok()
    assert place.processes() == []
    assert place.ps() == []
