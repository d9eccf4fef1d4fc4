"""`agent validate` sees what only all agents together can have wrong."""

from __future__ import annotations

from aac_tasks.testing import Project

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: ada, version: 1.0.0}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
"""


def test_two_agents_of_one_name_are_refused_with_both_paths(project: Project) -> None:
    project.write({"one/agent.yaml": AGENT, "one/main.py": "", "two/agent.yaml": AGENT, "two/main.py": ""})
    refused = project.agent("validate").exits(3)
    assert "one/agent.yaml" in refused.stderr
    assert "two/agent.yaml" in refused.stderr
