"""`agent ci`: which jobs there are for a commit, and files that it may not touch. What pipelines do is in tests/real."""

from __future__ import annotations

import json
import shutil

import pytest

from aac_tasks.testing import Project, need

AGENT = """
    apiVersion: agent.dev/v1
    kind: Agent
    metadata: {{name: {name}, version: 1.0.0}}
    spec: {{runtime: python, model: {{provider: openai, name: gpt-4o-mini}}}}
    """
WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


@pytest.fixture
def workspace(project: Project) -> Project:
    """A repository with two agents in a folder, committed."""
    need(shutil.which("git"), "git is not installed")
    for name in ("one", "two"):
        project.write({f"agents/{name}/agent.yaml": AGENT.format(name=name), f"agents/{name}/main.py": "print()\n"})
    project.write({"agents/pyproject.toml": "[tool.aac]\n", ".gitignore": ".aac\n"})
    project.run(("git", "init", "-q", "-b", "main")).ok()
    commit(project)
    return project


def commit(project: Project) -> None:
    project.run(("git", "add", "-A")).ok()
    project.run(("git", *WHO, "commit", "-q", "-m", "another")).ok()


def jobs(project: Project, since: str) -> list[str]:
    said = project.agent("-C", "agents", "ci", "github", "--since", since).ok().stdout
    return [job["name"] for job in json.loads(said)]


def test_jobs_are_those_of_agents_that_a_commit_concerns(workspace: Project) -> None:
    assert jobs(workspace, "HEAD") == []
    workspace.write({"agents/one/main.py": "print(1)\n", "README.md": "elsewhere\n"})
    assert jobs(workspace, "HEAD") == ["one"]
    commit(workspace)
    assert jobs(workspace, "HEAD") == []
    assert jobs(workspace, "HEAD~1") == ["one"]
    workspace.write({"agents/two/new file.py": "not known to git yet\n"})
    assert jobs(workspace, "HEAD") == ["two"]


@pytest.mark.parametrize("since", ["", "0" * 40, "f" * 40, "no-branch", "--output=x"])
def test_a_commit_that_is_not_here_concerns_every_agent(workspace: Project, since: str) -> None:
    said = workspace.agent("-C", "agents", "ci", "github", f"--since={since}").ok()
    assert [job["name"] for job in json.loads(said.stdout)] == ["one", "two"]
    assert ("is not in this clone" in said.stderr) == bool(since.strip("0"))
    assert not (workspace.folder / "agents/x").exists()


def test_a_pipeline_lies_at_the_top_of_the_repository_and_works_in_the_workspace(workspace: Project) -> None:
    assert workspace.agent("-C", "agents", "ci", "github").ok().stdout == "wrote .github/workflows/agents.yml\n"
    assert '    working-directory: "agents"\n' in workspace.read(".github/workflows/agents.yml")
    assert jobs(workspace, "HEAD") == []
    workspace.agent("-C", "agents", "ci", "gitlab", "-o", "ci/agents.yml").ok()
    assert "    - \"cd agents\"\n" in workspace.read("ci/agents.yml")


@pytest.mark.parametrize("flag", ["--branch=a b", "--machine=$(id)", "--install=a;b"])
def test_what_could_mean_something_to_a_shell_is_refused(project: Project, flag: str) -> None:
    assert "is no name; expected letters" in project.agent("ci", "github", "--stdout", flag).exits(3).stderr


@pytest.mark.parametrize("flag", ["--stdout", "--force", "--since=HEAD"])
def test_comparing_goes_with_neither_writing_nor_printing(project: Project, flag: str) -> None:
    said = project.agent("ci", "github", "--check", flag).exits(3)
    assert f"agent ci: --check and {flag.partition('=')[0]} exclude each other" in said.stderr
    assert said.stdout == ""
    assert not (project.folder / ".github").exists()


def test_what_agents_said_nothing_of_is_refused_with_its_reason(workspace: Project) -> None:
    workspace.write({"agents/two/agent.yaml": "kind: Agent\n"})
    said = workspace.agent("-C", "agents", "ci", "github", "--since", "HEAD").exits(3)
    assert said.stdout == ""
    assert "two/agent.yaml" in said.stderr
