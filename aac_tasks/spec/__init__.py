"""ROOM 1, READ: the text of an agent.yaml → tree with line and column → AgentSpec, or all problems at once.

Cheap to import: nothing of YAML or JSON Schema is loaded before a file is really read.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aac_tasks.spec.definition import merged as schema
    from aac_tasks.spec.reading import ReadSpec, find_agent_file, read_spec

__all__ = ["ReadSpec", "find_agent_file", "read_spec", "schema"]

_HOMES = {
    "ReadSpec": ("reading", "ReadSpec"),
    "find_agent_file": ("reading", "find_agent_file"),
    "read_spec": ("reading", "read_spec"),
    "schema": ("definition", "merged"),
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(f"{__name__}.{module}"), attribute)
