"""Which agents a change concerns, from the names of the files that changed. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aac_tasks.contracts.plan import AgentPlan, Plan, TreeRequest
from aac_tasks.plan.needing import dependents

Ignores = Callable[[tuple[str, ...]], Callable[[str], bool]]
"""Patterns → whether they leave a path out."""

SHARED = ("pyproject.toml", "dodo.py")
"""Files of the state root that concern every agent: its settings, and the user's own tasks."""

DESCRIBE = ("agent.yaml", "agent.yml", "Agent.yaml", "Agent.yml", "agent.lock", ".dockerignore")
"""Files that planning reads although they are in no image."""


def affected(plan: Plan, changed: Iterable[str], ignores: Ignores) -> tuple[str, ...]:
    """Agents of the plan that read one of ``changed`` (paths from the state root) or need one that does, in the plan's order."""
    files = tuple(changed)
    if any(shared in files for shared in SHARED):
        return tuple(agent.agent for agent in plan.agents)
    reading = [agent.agent for agent in plan.agents if _reads_any(agent, files, ignores)]
    concerned = dependents(reading, {agent.agent: agent.others for agent in plan.agents})
    return tuple(agent.agent for agent in plan.agents if agent.agent in concerned)


def _reads_any(agent: AgentPlan, files: tuple[str, ...], ignores: Ignores) -> bool:
    trees = [step.tree for step in agent.steps if step.tree is not None]
    places = {agent.folder, *(tree.root for tree in trees)}
    if any(_join(place, name) in files for place in places for name in DESCRIBE):
        return True
    if not trees:  # it waits for its lock: what will be read is not known yet
        return any(below(agent.folder, file) is not None for file in files)
    return any(holds_any(tree, files, ignores) for tree in trees)


def holds_any(tree: TreeRequest, files: Iterable[str], ignores: Ignores) -> bool:
    """Whether one of the files (paths from the state root) goes into the tree."""
    ignored = ignores(tree.ignore)
    inside = [path for file in files if (path := below(tree.root, file)) is not None]
    wanted = [p for p in inside if not tree.only or any(below(only, p) is not None for only in tree.only)]
    return any(not ignored(path) for path in wanted)


def below(folder: str, path: str) -> str | None:
    """``path`` as seen from ``folder`` ("" for itself), None when it lies elsewhere."""
    if folder in ("", "."):
        return path
    return path[len(folder) :].lstrip("/") if path == folder or path.startswith(f"{folder}/") else None


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
