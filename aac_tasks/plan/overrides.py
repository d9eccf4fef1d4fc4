"""What a command line says over what agent.yaml says of a run. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from aac_tasks.contracts.actions import EnvValue, InstanceSpec, Isolation, Limits, Mount, PortMapping

T = TypeVar("T")


@dataclass(frozen=True)
class Overrides:
    """Flags of `agent run`; what was not said is empty. ``name`` is the instance's; a limit among ``lifted`` is none, whatever
    agent.yaml says.
    """

    name: str = ""
    env: tuple[EnvValue, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = field(default_factory=Limits)
    lifted: tuple[str, ...] = ()
    isolation: Isolation = field(default_factory=Isolation)
    restart: str = ""
    command: tuple[str, ...] = ()


def overridden(instance: InstanceSpec, said: Overrides) -> InstanceSpec:
    """Single values and lists of name servers are replaced; variables by name, ports by container port, mounts by target;
    capabilities are added and dropped (``ALL`` drops every one that agent.yaml adds).
    """
    return replace(
        instance,
        name=said.name or instance.name,
        env=_merged(instance.env, said.env, lambda v: v.name),
        ports=_merged(instance.ports, said.ports, lambda p: (p.container, p.protocol)),
        mounts=_merged(instance.mounts, said.mounts, lambda m: m.target.rstrip("/")),
        limits=_limits(instance.limits, said),
        isolation=_isolation(instance.isolation, said.isolation),
        restart=said.restart or instance.restart,
        command=said.command or instance.command,
    )


def _merged(old: Iterable[T], new: Iterable[T], key: Callable[[T], object]) -> tuple[T, ...]:
    """Old ones that have no new one in their place stay where they are; of several new ones the last holds."""
    return tuple({key(one): one for one in (*old, *new)}.values())


def _limits(old: Limits, said: Overrides) -> Limits:
    kept = replace(old, **dict.fromkeys(said.lifted, 0))
    return Limits(**{name: value or getattr(kept, name) for name, value in vars(said.limits).items()})


def _isolation(old: Isolation, said: Isolation) -> Isolation:
    dropped = {name.upper().removeprefix("CAP_") for name in said.cap_drop}
    kept = () if "ALL" in dropped else tuple(name for name in old.capabilities if name not in dropped)
    return Isolation(
        read_only_root=said.read_only_root or old.read_only_root,
        cap_add=tuple(dict.fromkeys((*kept, *said.capabilities))),
        cap_drop=said.cap_drop,
        network=said.network or old.network,
        dns=said.dns or old.dns,
        user=said.user or old.user,
    )
