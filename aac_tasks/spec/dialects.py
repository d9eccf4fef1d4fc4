"""Other formats whose file is called agent.yaml too, told apart by what only they have."""

from __future__ import annotations

from aac_tasks.spec.tree import Branch, Items, Scalar

_ADVICE = (
    "this command reads `apiVersion: agent.dev/v1`, `kind: Agent`; there is no import for it yet: "
    "keep the file under another name and begin with `agent init`"
)
GOVERNANCE = frozenset({
    "compliance", "privacy", "audit", "cost", "capacity", "backup", "dr", "incidents", "access", "quality",
    "events", "storage",
})  # fmt: skip
"""Blocks found in documents that describe policy, without a defined effect."""


def governance(key: str) -> str:
    """What to say about one of those blocks."""
    return (
        f"{key!r} describes policy and has no defined effect, so it is not part of the format; "
        f"keep it as free text in metadata.annotations or under a key of your own, x-{key}"
    )


def foreign(root: Branch) -> str:
    """What to say about a document of another format; empty when it is none that is known."""
    if "apiVersion" in root.entries:
        return ""
    name = _recognise(root)
    return f"this is {name}, another format of the same file name; {_ADVICE}" if name else ""


def _recognise(root: Branch) -> str:
    keys = root.entries.keys()
    if "open_agent_spec" in keys or {"intelligence", "tasks", "prompts"} <= keys:
        return "an Open Agent Spec file (open_agent_spec, intelligence, tasks)"
    if "spec_version" in keys and "name" in keys:
        return "a gitagent manifest (spec_version, name, skills)"
    if _is_docker_agent(root):
        return "a docker-agent (cagent) file (agents, models)"
    if _is_agent_schema(root):
        return "an AgentSchema definition (kind: prompt, hosted …; name; model)"
    return ""


def _is_docker_agent(root: Branch) -> bool:
    agents = root.entries.get("agents")
    if agents is None:
        return False
    if isinstance(agents.value, Items):
        return all(isinstance(item, Branch) for item in agents.value.items)
    return isinstance(agents.value, Branch)


def _is_agent_schema(root: Branch) -> bool:
    kind = root.entries.get("kind")
    if kind and isinstance(kind.value, Scalar):
        named = kind.value.text.lower() in ("prompt", "hosted", "workflow", "container", "manifest")
        return named and "spec" not in root.entries
    return "template" in root.entries and "name" in root.entries and "spec" not in root.entries
