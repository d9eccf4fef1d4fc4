"""The frozen tables of everything that plugins registered, by name; a look-up that fails teaches."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aac_tasks.contracts.roles import Base, Builder, Deployer, Registry, Runner, Runtime
from aac_tasks.contracts.template import Template
from aac_tasks.errors import PluginError

T = TypeVar("T")


@dataclass(frozen=True)
class Table(Generic[T]):
    """One role's plugins in registration order. ``role`` is the word used in messages; ``origin`` names who brought each."""

    role: str
    entries: Mapping[str, T] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)

    def get(self, name: str) -> T:
        """The plugin of that name; PluginError with the nearest name and what to install."""
        if name in self.entries:
            return self.entries[name]
        raise PluginError(self.unknown(name))

    def unknown(self, name: str) -> str:
        """The message for a name that nobody registered."""
        near = difflib.get_close_matches(name, self.entries, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self.entries) or "none"
        return f"unknown {self.role} {name!r}{hint} (installed: {known}; others come as plugins, see `agent doctor`)"

    def __contains__(self, name: str) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[T]:
        return iter(self.entries.values())


@dataclass(frozen=True)
class Catalog:
    """Everything there is to choose from. ``fingerprint`` changes with the set of plugins and their versions."""

    runtimes: Table[Runtime]
    bases: Table[Base]
    builders: Table[Builder]
    runners: Table[Runner]
    registries: Table[Registry]
    deployers: Table[Deployer]
    templates: Table[Template]
    fingerprint: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)
