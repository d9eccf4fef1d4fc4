"""`--since REF`: exactly the agents that a change concerns, by a real git."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from real.workspaces import SHARING, agent, built

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
