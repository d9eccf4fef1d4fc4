"""`agent init --template go` and `rust`: what is written is valid, and becomes an image that passes its own tests."""

from __future__ import annotations

import shutil

import pytest

from aac_tasks.testing import Project, need

SOURCES = {"go": ("go.mod", "main.go"), "rust": ("Cargo.toml", "src/main.rs")}


@pytest.mark.parametrize("language", sorted(SOURCES))
def test_a_template_is_a_valid_agent_of_its_name(language: str, project: Project) -> None:
    project.agent("init", "greeter", "--template", language).ok()
    agent = project.sub("greeter")
    assert "0 errors, 0 warnings" in agent.agent("validate").ok().output
    for name in (*SOURCES[language], "agent.yaml", "README.md", "dodo.py", ".gitignore"):
        text = agent.read(name)
        assert text.endswith("\n") and "{name}" not in text
    assert "greeter" in agent.read(SOURCES[language][0])


@pytest.mark.real
@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize(("language", "tool"), [("go", "go"), ("rust", "cargo")])
def test_a_new_agent_passes_its_own_tests(language: str, tool: str, project: Project) -> None:
    need(shutil.which(tool), f"{tool} is not installed")
    project.agent("init", "greeter", "--template", language).ok()
    agent = project.sub("greeter")
    assert "4 checks passed" in agent.agent("test", "--allow-host", timeout=900).ok().output
