"""The frozen tables of everything that plugins registered, by name; a look-up that fails teaches."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Generic, TypeVar

from aac_tasks.errors import PluginError

if TYPE_CHECKING:  # a tenth of the time of an edit → image run
    from aac_tasks.contracts.orders import Executor
    from aac_tasks.contracts.roles import Base, Builder, Deployer, Registry, Runner, Runtime
    from aac_tasks.contracts.template import Template

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
        import difflib  # lazy: only for the message

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
    executors: Table[Executor] = field(default_factory=lambda: Table("executor"))
    fingerprint: str = ""
    broken: Mapping[str, str] = field(default_factory=dict)


class Deferred(Mapping[str, T]):
    """A table's entries whose modules are imported when they are first asked for.

    ``modules`` says which module brings a name, and ``hook`` is the function that it registers it with.
    """

    def __init__(self, role: str, hook: str, modules: Mapping[str, str]) -> None:
        self._role = role
        self._hook = hook
        self._modules = modules
        self._made: dict[str, T] = {}

    def __getitem__(self, name: str) -> T:
        if name not in self._made:
            try:
                brought = getattr(importlib.import_module(self._modules[name]), self._hook)()
            except ImportError as error:
                raise PluginError(f"{self._role} {name!r} can't be loaded: {error}") from error
            self._made[name] = next(entry for entry in brought if entry.name == name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __contains__(self, name: object) -> bool:
        return name in self._modules


HOOKS = {
    "runtime": "aac_register_runtimes",
    "base": "aac_register_bases",
    "builder": "aac_register_builders",
    "runner": "aac_register_runners",
    "registry": "aac_register_registries",
    "deployer": "aac_register_deployers",
    "template": "aac_register_templates",
    "executor": "aac_register_executors",
}
"""Role → the hook that registers its plugins."""


def recalled(origins: Mapping[str, Mapping[str, str]], fingerprint: str) -> Catalog:
    """The catalog that `origins` (role → name → module) describes, each module imported when it is needed."""

    def table(role: str) -> Table[T]:
        modules = origins.get(role, {})
        return Table(role, Deferred(role, HOOKS[role], modules), modules)

    return Catalog(
        runtimes=table("runtime"),
        bases=table("base"),
        builders=table("builder"),
        runners=table("runner"),
        registries=table("registry"),
        deployers=table("deployer"),
        templates=table("template"),
        executors=table("executor"),
        fingerprint=fingerprint,
    )


def origins(catalog: Catalog) -> dict[str, dict[str, str]]:
    """Role → name → who brought it."""
    tables = (getattr(catalog, f.name) for f in fields(catalog))
    return {t.role: dict(t.origin) for t in tables if isinstance(t, Table)}
