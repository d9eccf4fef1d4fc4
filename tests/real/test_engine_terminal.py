"""`agent run -it`, `exec -it` and `--restart` with engines, on a real terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real.small_agent import small_agent
from real.typing_hands import typed

from aac_tasks.testing import Project, command

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.fixture(params=["docker", "podman"])
def user(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Project, str]]:
    name = "docker_engine" if request.param == "docker" else "podman"
    engine = request.getfixturevalue(name).env
    project, name, _ = small_agent(tmp_path, request.param)
    made = replace(project, env={**project.env, **engine, "TERM": "xterm"})
    made.agent("build").ok()
    yield made, name
    made.agent("stop", "--all")


def test_an_agent_and_a_program_beside_it_have_the_users_terminal(user: tuple[Project, str]) -> None:
    project, name = user
    heard, code = typed([*command("agent"), "run", name, "-q", "-it", "--", "ask"], project.folder, project.env, "Ada\n")
    assert "hello Ada at a terminal" in heard
    assert code == 4
    assert json.loads(project.agent("ps", "--json").ok().stdout)["instances"] == []
    project.agent("run", "-d", "-q", name).ok()
    script = "[ -t 0 ] && echo yes; read x; echo got $x; exit 6"
    argv = [*command("agent"), "exec", "-it", f"{name}-run", "--", "sh", "-c", script]
    heard, code = typed(argv, project.folder, project.env, "this\n")
    assert "yes" in heard
    assert "got this" in heard
    assert code == 6


def test_stdin_from_a_pipe_reaches_the_agent(user: tuple[Project, str]) -> None:
    project, name = user
    words = " ".join(command("agent"))
    ran = project.run(("sh", "-c", f"echo Ada | {words} run {name} -q -i -- ask")).exits(4)
    assert "hello Ada\n" in ran.stdout


def test_an_agent_that_ends_is_started_again_where_that_was_asked_for(user: tuple[Project, str]) -> None:
    project, name = user
    project.agent("run", "-d", "-q", name, "--restart", "on-failure:2", "--", "end").ok()
    stats = project.agent("logs", "-f", f"{name}-run")
    assert stats.exit_code == 5
    assert stats.stdout.count("args: end") == 3
    (ended,) = json.loads(project.agent("ps", "--json").ok().stdout)["instances"]
    assert (ended["state"], ended["exit_code"], ended["url"]) == ("exited", 5, "")
    project.agent("stop", f"{name}-run").ok()
