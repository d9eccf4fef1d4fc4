"""The fully resolved description of what each built-in step will do. These, encoded, are what keys are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.capabilities import short
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.making import DockerfileAction as DockerfileAction
from aac_tasks.contracts.making import ImageAction as ImageAction
from aac_tasks.contracts.making import LockAction as LockAction
from aac_tasks.contracts.making import ParseAction as ParseAction


@dataclass(frozen=True)
class EnvValue:
    """One environment variable of a running agent.

    Exactly one of: ``value`` (may hold ``${VAR}``, resolved when it starts), ``secret`` (a secret reference,
    resolved when it starts; never part of a key beyond its name), or ``file`` (a file of ``NAME=value`` lines, read when
    it starts).
    """

    name: str
    value: str = ""
    secret: str = ""
    default: str | None = None
    file: str = ""


@dataclass(frozen=True)
class PortMapping:
    """``host`` 0 means: any free port. ``address`` is the interface it is bound to; empty: loopback alone."""

    container: int
    host: int = 0
    protocol: str = "tcp"
    address: str = ""


@dataclass(frozen=True)
class Mount:
    """``source`` is a path (bind), a volume's name, or empty (tmpfs); ``size`` in bytes, 0 unlimited.

    A bind source lies in the workspace, unless the user named it on the command line (``anywhere``).
    """

    type: str
    target: str
    source: str = ""
    read_only: bool = False
    size: int = 0
    anywhere: bool = False


@dataclass(frozen=True)
class Limits:
    """``cpu`` in cores, ``memory`` and ``ephemeral_storage`` in bytes; 0 means not limited. ``gpu`` counts, -1 is all."""

    cpu: float = 0.0
    memory: int = 0
    ephemeral_storage: int = 0
    gpu: int = 0


@dataclass(frozen=True)
class Isolation:
    """What the instance may do. It has no capability but those in ``cap_add`` that are not in ``cap_drop``.

    ``user`` is ``uid``, ``uid:gid`` or a name of the image's; empty: the image's own. ``non_root``: it must not be root.
    """

    read_only_root: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    network: str = ""
    dns: tuple[str, ...] = ()
    user: str = ""
    non_root: bool = False

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Those it has, without ``CAP_``."""
        dropped = {short(name) for name in self.cap_drop}
        return tuple(name for name in map(short, self.cap_add) if name not in dropped)


@dataclass(frozen=True)
class InstanceSpec:
    """How an image is run: the values of agent.yaml, with defaults filled in; no secret's value."""

    name: str
    env: tuple[EnvValue, ...] = ()
    ports: tuple[PortMapping, ...] = ()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    isolation: Isolation = Isolation()
    probe: HealthProbe | None = None
    command: tuple[str, ...] = ()
    restart: str = ""


@dataclass(frozen=True)
class ServiceImage:
    """An image that a test starts for a service. ``image`` is its name with a digest; ``instance`` has no port where the image
    exposes the one that is meant.
    """

    image: str
    instance: InstanceSpec


@dataclass(frozen=True)
class Neighbour:
    """Another agent that a test starts first, and what this one needs itself: agents (service → agent) and images."""

    agent: str
    instance: InstanceSpec
    services: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ServiceImage] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One check of the test step. ``type``: ``structure``, ``http``, ``command`` or a plugin's; ``settings`` as in agent.yaml."""

    name: str
    type: str
    settings: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class TestAction:
    """Start the image, wait until it is well, run the checks, stop it. ``runner`` and ``isolation`` join when known.

    ``services`` maps the name of a service to the agent behind it, ``images`` to the image; ``neighbours``, who is needed first,
    join when their plans are known.
    """

    __test__ = False
    instance: InstanceSpec
    checks: tuple[Check, ...]
    timeout: float = 60.0
    runner: JsonObject = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, ServiceImage] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True)
class PushAction:
    """Push under each of ``refs`` (``registry/repository:tag`` or ``oci:PATH:name:tag``) with registry plugin ``registry``."""

    registry: str
    refs: tuple[str, ...]
    settings: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class DeployAction:
    """Make ``target`` run the image. ``documents`` are rendered texts for targets that take documents; ``services`` are as in
    a test, whose images nobody starts here.
    """

    target: str
    instance: InstanceSpec
    settings: JsonObject = field(default_factory=dict)
    documents: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1
    runner: JsonObject = field(default_factory=dict)
    services: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunnerChoice:
    """Which runner was taken, how strongly it isolates, and why. Encoded into test and deploy actions without ``reason``."""

    name: str
    isolation: str
    version: str = ""
    reason: str = ""

    def keyed(self) -> Mapping[str, Json]:
        """The part that keys hold."""
        return {"name": self.name, "isolation": self.isolation}
