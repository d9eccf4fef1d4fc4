"""Settings and words that mean nothing, or not what they seem to: each is told, with what would be right."""

from __future__ import annotations

import shutil

import pytest

from aac_tasks.testing import Project, need

AGENT = """
    apiVersion: agent.dev/v1
    kind: Agent
    metadata: {name: one, version: 1.0.0}
    spec: {runtime: python, model: {provider: openai, name: gpt-4o-mini}}
    """


@pytest.fixture
def workspace(project: Project) -> Project:
    return project.write({"pyproject.toml": "[tool.aac]\n", "agents/one/agent.yaml": AGENT, "agents/one/main.py": "print()\n"})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("jobs = 0", 'jobs must be a whole number of 1 or more, or "auto", not 0'),
        ("jobs = true", 'jobs must be a whole number of 1 or more, or "auto", not True'),
        ('jobs = "many"', 'jobs must be a whole number of 1 or more, or "auto", not \'many\''),
        ("pools = {tset = 1}", "[tool.aac.pools] tset is for no step that there is; did you mean 'test'? (there are: deploy, "),
        ('agents = ["nosuch/*"]', 'no agent.yaml in {here} or below that [tool.aac] agents = ["nosuch/*"] names; mend it'),
    ],
)
@pytest.mark.parametrize("command", ["plan", "build"])
def test_a_setting_that_means_nothing_is_refused(workspace: Project, command: str, settings: str, said: str) -> None:
    workspace.write({"pyproject.toml": f"[tool.aac]\n{settings}\n"})
    assert said.format(here=workspace.folder) in workspace.agent(command).exits(3).stderr


def test_validate_names_the_pattern_as_well(workspace: Project) -> None:
    workspace.write({"pyproject.toml": '[tool.aac]\nagents = ["nosuch/*"]\n'})
    said = workspace.agent("validate").exits(3).stderr
    assert 'no agent.yaml in this folder or below that [tool.aac] agents = ["nosuch/*"] names' in said


def test_auto_is_a_number_of_jobs_and_a_pool_may_be_for_any_step(workspace: Project) -> None:
    workspace.write({"pyproject.toml": '[tool.aac]\njobs = "auto"\npools = {test = 1, deploy = 2}\n'})
    assert "image:one" in workspace.agent("plan").ok().stdout


def test_since_nothing_is_no_commit(workspace: Project) -> None:
    for word in ("", " "):
        said = workspace.agent("plan", "--since", word).exits(3).stderr
        assert "no commit is named; expected a branch, a tag or a commit, as in origin/main" in said


def test_a_commit_of_origin_is_not_looked_for_at_its_origin(workspace: Project) -> None:
    need(shutil.which("git"), "git is not installed")
    workspace.run(("git", "init", "-q")).ok()
    said = workspace.agent("plan", "--since", "origin/f").exits(3).stderr
    assert said.strip().endswith("--since origin/f: no such commit here; in CI, fetch the history (fetch-depth: 0)")
    assert "or name origin/f" in workspace.agent("plan", "--since", "f").exits(3).stderr


def test_two_files_of_one_agent_have_a_place_at_the_top_too(project: Project) -> None:
    project.write({"agent.yaml": AGENT, "agent.yml": AGENT})
    said = project.agent("plan").exits(3).stderr
    assert said == "error: agent.yaml: agent.yaml and agent.yml are both here; keep one of them\n"
