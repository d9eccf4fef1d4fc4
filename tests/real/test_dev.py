"""`agent dev`, as somebody works with it: edits, mistakes, Ctrl-C; with a terminal and without."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from real.developer import Developer, developing, until
from real.small_agent import MAIN, small_agent

from aac_tasks.testing import Project, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("running")]


@pytest.fixture
def place(tmp_path: Path) -> tuple[Project, str, str]:
    """A user's project, its one agent and where it will answer."""
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    project, name, port = small_agent(tmp_path, "runc")
    return project, name, f"http://127.0.0.1:{port}/"


def nothing_is_left(here: Developer) -> None:
    """Neither a process nor a record."""
    until(lambda: not here.left(), lambda: str(here.left()))
    assert json.loads(here.project.agent("ps", "--json").ok().stdout)["instances"] == []


@pytest.mark.parametrize("terminal", [False, True], ids=["lines", "terminal"])
def test_an_edit_is_served_a_mistake_is_not_and_ctrl_c_leaves_nothing(place: tuple[Project, str, str], terminal: bool) -> None:
    with developing(*place, terminal=terminal) as here:
        here.answers("well\n")
        here.says(f"serves at {here.url.rstrip('/')}")
        here.edit("www/index.html", "better\n")
        here.answers("better\n")
        here.says("file www/index.html: sha256")
        here.says("| got TERM")  # the last words before its files changed

        right = here.edit("main.sh", "echo oh no; exit 3\n")
        here.says("ended with exit code 3 before it was well")
        here.says("| oh no")
        here.says("what served before goes on")
        assert here.asked() == "better\n"
        here.edit("main.sh", right)
        here.says("is as it was")

        right = here.edit("agent.yaml", here.project.read("agent.yaml").replace("provider:", "provder:"))
        here.says("agent.yaml:7:11 spec.model.provder: unknown key 'provder'; did you mean 'provider'?")
        assert here.asked() == "better\n"
        here.edit("agent.yaml", right.replace('"${GREETING}"', "edited"))
        here.says("greeting: edited")
        here.answers("better\n")

        if terminal:
            here.type("\x03")
        else:
            here.signal(signal.SIGINT)
        assert here.ends() == 0
        nothing_is_left(here)
        assert "Traceback" not in here.said


def test_sigterm_ends_it_as_cleanly_even_while_something_is_started(place: tuple[Project, str, str]) -> None:
    project, _, _ = place
    slow = project.read("main.sh").replace("httpd -f", "sleep 3600; httpd -f")
    with developing(*place) as here:
        here.answers("well\n")
        here.edit("main.sh", f"echo starting slowly\n{slow}")
        until(lambda: [line for line in here.left() if "sleep 3600" in line], lambda: here.said)
        here.signal(signal.SIGTERM)
        assert here.ends() == 143
        nothing_is_left(here)


def test_what_the_image_does_not_hold_starts_no_round_and_edits_during_one_start_another(place: tuple[Project, str, str]) -> None:
    project, _, _ = place
    project.write({".dockerignore": "base\n*.tar\nnotes\n", "notes/a": "a"})
    with developing(*place) as here:
        here.answers("well\n")
        before = here.said.count("✓ image:")
        here.edit("notes/a", "b")
        for number in range(5):
            here.edit("www/index.html", f"edit {number}\n")
            (here.project.folder / ".aac/anything").write_text(str(number))
        here.answers("edit 4\n")
        here.edit("www/index.html", "last\n")
        here.answers("last\n")
        assert "notes" not in here.said
        assert before < here.said.count("✓ image:")


def test_one_agent_of_several_is_worked_on_whatever_is_wrong_with_the_others(place: tuple[Project, str, str]) -> None:
    project, name, url = place
    (project.folder / "agents/a").mkdir(parents=True)
    for part in ("agent.yaml", "main.sh", "www"):
        (project.folder / part).rename(project.folder / "agents/a" / part)
    with developing(project, name, url, "agents/a") as here:
        here.answers("well\n")
        project.write({"agents/b/agent.yaml": "kind: Agent\n"})
        here.edit("agents/a/www/index.html", "better\n")
        here.answers("better\n")
        assert "agents/b" not in here.said


def test_an_agent_that_knows_its_port_better_is_replaced_in_place(place: tuple[Project, str, str]) -> None:
    project, name, url = place
    port = url.split(":")[2].rstrip("/")
    stubborn = MAIN.format(port=port).replace(f"${{PORT:-{port}}}", port)
    project.write({"main.sh": stubborn})
    with developing(project, name, url) as here:
        here.answers("well\n")
        here.says("does not take another port (PORT)")
        here.edit("www/index.html", "better\n")
        here.answers("better\n")
        here.edit("main.sh", "exit 3\n")
        here.says("what ran before runs again")
        here.answers("better\n")
        here.signal(signal.SIGINT)
        assert here.ends() == 0
        nothing_is_left(here)


def test_an_agent_that_ends_by_itself_is_told_and_the_next_edit_starts_it_again(place: tuple[Project, str, str]) -> None:
    with developing(*place) as here:
        here.answers("well\n")
        here.project.agent("exec", f"{here.name}-dev", "--", "sh", "-c", "kill -TERM 1")
        here.says(f"{here.name} ended")
        here.edit("www/index.html", "again\n")
        here.answers("again\n")


def test_two_of_one_agent_are_one_too_many_and_what_a_killed_one_left_is_taken_over(place: tuple[Project, str, str]) -> None:
    with developing(*place) as first:
        first.answers("well\n")
        assert "runs already" in first.project.agent("dev").exits(1).stderr
        assert first.asked() == "well\n"
        first.signal(signal.SIGKILL)
        assert first.ends() == -signal.SIGKILL
        with developing(*place) as second:
            second.answers("well\n")
            until(lambda: len([line for line in second.left() if "main.sh" in line]) == 1, lambda: str(second.left()))
            second.signal(signal.SIGINT)
            assert second.ends() == 0
            nothing_is_left(second)


def test_without_watchfiles_it_says_what_to_install(place: tuple[Project, str, str], tmp_path: Path) -> None:
    project, _, _ = place
    (tmp_path / "without").mkdir()
    (tmp_path / "without/watchfiles.py").write_text("raise ImportError('not here')\n")
    said = project.agent("dev", env={"PYTHONPATH": str(tmp_path / "without")}).exits(3).stderr
    assert "pip install 'aac-tasks[watch]'" in said
