"""Workspaces of agents without a base: nothing is downloaded to build them."""

from __future__ import annotations

import time

from aac_tasks.testing import Project

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {{name: {name}, version: "1.0"}}
spec:
  runtime: custom
  model: {{provider: openai, name: gpt-4o-mini}}
  entrypoint: [/app/start]
  build: {build}
"""
ALONE, SHARING = "{baseImage: scratch}", '{baseImage: scratch, context: "../shared"}'


def agent(name: str, build: str = ALONE) -> dict[str, str]:
    return {f"agents/{name}/agent.yaml": AGENT.format(name=name, build=build), f"agents/{name}/start": f"#!{name}\n"}


def edit(project: Project, name: str, text: str = "edited\n") -> None:
    project.write({name: text})
    time.sleep(0.1)  # older than the run, which may then conclude from it


def built(said: str) -> list[str]:
    return [line.split()[1] for line in said.splitlines() if line.startswith("✓ image:")]
