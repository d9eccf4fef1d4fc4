"""What never goes into an image unless an agent's own .dockerignore takes it back with ``!``."""

from __future__ import annotations

import posixpath

from aac_tasks.errors import PlanError

DEFAULT_IGNORE = (
    "**/.aac",
    "**/.git",
    "**/.gitignore",
    "**/.gitattributes",
    "**/.github",
    "**/.gitlab-ci.yml",
    "**/.circleci",
    "**/.env",
    "**/.env.*",
    "**/.venv",
    "**/venv",
    "**/node_modules",
    "**/target",
    "**/__pycache__",
    "**/*.pyc",
    "**/.cache",
    "**/.pytest_cache",
    "**/.mypy_cache",
    "**/.ruff_cache",
    "**/.hypothesis",
    "**/.tox",
    "**/.nox",
    "**/.DS_Store",
    "**/*.egg-info",
    ".doit.db*",
    ".dockerignore",
    "agent.yaml",
    "agent.yml",
    "Agent.yaml",
    "Agent.yml",
    "agent.lock",
    "dodo.py",
)
"""The state folder, version control and its pipelines, secrets, virtual environments, what tools make, and the files that
describe the build: an edited description must not change a layer."""


def ignore_patterns(own: tuple[str, ...], outputs: tuple[str, ...]) -> tuple[str, ...]:
    """All rules of an agent, last match wins. ``outputs`` are folders that its own steps write (an OCI layout)."""
    return (*DEFAULT_IGNORE, *outputs, *own)


def context_root(folder: str, context: str, file: str) -> str:
    """``build.context`` of an agent in ``folder``, relative to the state root ("" is the root); ``file`` is for messages.

    Raises:
        PlanError: it is not inside the state root.
    """
    path = posixpath.normpath(posixpath.join(folder or ".", context or "."))
    if path.startswith("/") or path == ".." or path.startswith("../"):
        raise PlanError(
            f"{file} spec.build.context: {context!r} leads out of the project; expected a folder in it, relative to agent.yaml"
        )
    return "" if path == "." else path
