"""`--since REF`: exactly the agents that a change concerns, by a real git."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace

import pytest
from real.workspaces import AGENT, ALONE, SHARING, agent, built

from aac_tasks.testing import Project, need

pytestmark = pytest.mark.real


def git(project: Project, *words: str) -> str:
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(("git", *who, *words), cwd=project.folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def tracked(project: Project) -> Project:
    need(shutil.which("git"), "git is not installed")
    project.write({**agent("alone"), **agent("one", SHARING), **agent("two", SHARING), "agents/shared/text": "1\n", "notes": "1"})
    git(project, "init", "-q", "-b", "main")
    project.agent("build").ok()
    git(project, "add", ".")
    git(project, "commit", "-qm", "first")
    return project


def affected(project: Project, ref: str = "HEAD") -> list[str]:
    steps = json.loads(project.agent("plan", "--since", ref, "--json").ok().stdout)["schedule"]["steps"]
    return sorted({step["step"].partition(":")[2] for step in steps})


def test_since_a_commit_only_what_a_change_concerns(tracked: Project) -> None:
    assert affected(tracked) == []
    tracked.write({"notes": "read by nobody"})
    assert affected(tracked) == []
    tracked.write({"agents/alone/new": "not known to git yet"})
    assert affected(tracked) == ["alone"]
    tracked.write({"agents/shared/text": "not committed"})
    assert affected(tracked) == ["alone", "one", "two"]
    git(tracked, "add", ".")
    git(tracked, "commit", "-qm", "second")
    assert affected(tracked) == []
    assert affected(tracked, "HEAD~1") == ["alone", "one", "two"]
    (tracked.folder / "agents/alone/new").unlink()
    assert affected(tracked) == ["alone"], "what was deleted is a change"


def test_since_compares_with_where_the_branches_parted(tracked: Project) -> None:
    git(tracked, "switch", "-qc", "feature")
    tracked.write({"agents/alone/start": "of the branch"})
    git(tracked, "commit", "-qam", "mine")
    git(tracked, "switch", "-q", "main")
    tracked.write({"agents/shared/text": "of main"})
    git(tracked, "commit", "-qam", "theirs")
    git(tracked, "switch", "-q", "feature")
    assert affected(tracked, "main") == ["alone"]


def test_since_knows_new_agents_and_settings_but_not_other_tables(tracked: Project) -> None:
    tracked.write(agent("dora"))
    assert "dora" in affected(tracked)
    shutil.rmtree(tracked.folder / "agents/dora")
    tracked.write({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"})
    assert affected(tracked) == []
    tracked.write({"pyproject.toml": "[tool.aac]\njobs = 2\n"})
    assert affected(tracked) == ["alone", "one", "two"]


def test_since_and_names_together_mean_both(tracked: Project) -> None:
    tracked.write({"agents/shared/text": "edited", "agents/alone/start": "edited"})
    said = tracked.agent("build", "--since", "HEAD", "al*", "one").ok().stdout
    assert sorted(built(said)) == ["image:alone", "image:one"]
    nothing = tracked.agent("build", "--since", "HEAD", "nobody").ok()
    assert "nothing that changed since HEAD concerns an agent" in nothing.output


def test_a_commit_that_is_not_there_is_one_message(tracked: Project) -> None:
    assert "no such commit here" in tracked.agent("build", "--since", "no/such").exits(3).output
    shutil.rmtree(tracked.folder / ".git")
    assert "is in no git repository" in tracked.agent("build", "--since", "HEAD").exits(3).output


ASKED = f"{ALONE}\n  ports: [{{container: 8080}}]"
ASKING = f"{ALONE}\n  services: {{helper: {{agent: one}}}}"


@pytest.fixture
def asking(project: Project) -> Project:
    """``two`` asks ``one``; nobody has built them. The last commit is an edit of ``one``."""
    need(shutil.which("git"), "git is not installed")
    project.write({"pyproject.toml": "[tool.aac]\n", ".gitignore": ".aac\n"})
    project.write({**agent("one", ASKED), **agent("two", ASKING), **agent("alone")})
    git(project, "init", "-q", "-b", "main")
    commit(project, {})
    commit(project, {"agents/one/start": "edited"})
    return project


def commit(project: Project, files: dict[str, str]) -> None:
    project.write(files)
    git(project, "add", ".")
    git(project, "commit", "-qm", "another")


def jobs(project: Project, ref: str = "HEAD~1") -> list[str]:
    return sorted(job["name"] for job in json.loads(project.agent("ci", "github", "--since", ref).ok().stdout))


@pytest.mark.parametrize("how", [("clone", "-q"), ("clone", "-q", "--depth", "2"), ("worktree", "add", "-q", "--detach")])
def test_a_fresh_clone_knows_who_needs_a_changed_agent(asking: Project, how: tuple[str, ...]) -> None:
    other = replace(asking, folder=asking.folder.parent / "other")
    git(asking, *how, *((f"file://{asking.folder}",) if how[0] == "clone" else ()), str(other.folder))
    assert jobs(other) == ["one", "two"]
    shutil.rmtree(other.folder / ".aac")
    assert affected(other, "HEAD~1") == ["one", "two"]
    shutil.rmtree(other.folder / ".aac")
    assert sorted(built(other.agent("build", "--since", "HEAD~1").ok().stdout)) == ["image:one", "image:two"]
    shutil.rmtree(other.folder / ".aac")
    assert jobs(replace(other, folder=other.folder / "agents/two")) == ["two"], "its folder alone, and what changed is elsewhere"


def test_whom_an_agent_needs_is_what_its_file_says_now(asking: Project) -> None:
    commit(asking, agent("two"))
    asking.agent("build").ok()
    commit(asking, {**agent("two", ASKING)})
    commit(asking, {"agents/one/start": "edited again"})
    assert jobs(asking) == ["one", "two"], "no run has seen that it needs the other"


@pytest.mark.parametrize("seen", [False, True])
@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "agents/two/agent.yaml:10:30 spec.services.helper.agent: no agent 'one' here"),
        (agent("one", ASKING.replace("one", "two")), "agents need one another: one → two → one"),
        ({"agents/again/agent.yaml": AGENT.format(name="alone", build=ALONE)}, "two agents are called 'alone'"),
    ],
)
def test_what_a_commit_breaks_is_refused_as_by_a_plain_build(
    asking: Project, files: dict[str, str], said: str, seen: bool
) -> None:
    if seen:
        asking.agent("build").ok()
    if not files:
        git(asking, "mv", "agents/one", "agents/uno")
        files = agent("uno", ASKED)
    commit(asking, files)
    for words in (("ci", "github"), ("plan",), ("build",)):
        assert said in asking.agent(*words, "--since", "HEAD~1").exits(3).stderr
    assert said in asking.agent("build").exits(3).stderr
