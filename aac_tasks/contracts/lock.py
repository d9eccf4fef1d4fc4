"""What `agent.lock` holds: every decision that depends on the day it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.image import Descriptor, Digest, Platform


@dataclass(frozen=True)
class BaseRequest:
    """Where the first layers shall come from, as asked.

    ``base`` names a base plugin (``debian``, ``registry``, ``layout``, ``scratch``). ``reference`` is in
    that plugin's notation (``debian:trixie``, ``docker.io/library/python:3.12-slim``, ``oci:./layout``).
    ``packages`` are system packages to have in it. ``runtime`` and ``version`` say what the language needs
    (``python``, ``3.13``; empty: whatever the base has).
    """

    base: str
    reference: str
    packages: tuple[str, ...] = ()
    runtime: str = ""
    version: str = ""


@dataclass(frozen=True)
class LockedFile:
    """A file in the world: where it is, what it must hash to, its size in bytes."""

    name: str
    version: str
    url: str
    sha256: str
    size: int = 0

    @property
    def blob(self) -> Digest | Descriptor:
        """What a store is asked for: with the size, where it is known, half a file is not there."""
        digest = Digest(f"sha256:{self.sha256}")
        return Descriptor("application/octet-stream", digest, self.size) if self.size else digest


@dataclass(frozen=True)
class LockedBase:
    """A base that can be made again, bit for bit, for one platform.

    ``digest`` is the manifest digest of a registry or layout image; ``files`` the packages of a base that is
    unpacked from an archive, in unpack order. ``runtime_version`` is the language's version found in it (``3.13``).
    ``snapshot`` is the archive's date (ISO 8601) when there is one.
    """

    base: str
    reference: str
    platform: Platform
    digest: str = ""
    files: tuple[LockedFile, ...] = ()
    runtime_version: str = ""
    snapshot: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DependencyRequest:
    """What the author asked for, in the runtime's notation: requirement lines and the files they came from."""

    requirements: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class LockedDependencies:
    """The resolved set for one platform and runtime version; installing it twice gives the same files.

    ``files`` are fetched by us. ``texts`` are the language's own lock files (``go.sum``, ``Cargo.lock`` …) as resolved, by
    name, where its tool fetches, or settings that fetching needs (``.npmrc``). ``tools`` names the host's tools that compile,
    and their versions (``go`` → ``1.26.8``).
    """

    files: tuple[LockedFile, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LockedPlatform:
    """Everything locked for one platform. ``toolchain`` is the image that an engine compiles in; ``images`` are those that an
    own Dockerfile or a service names: reference → the name with a digest that stands in its place.
    """

    platform: Platform
    base: LockedBase
    dependencies: LockedDependencies = LockedDependencies()
    toolchain: LockedBase | None = None
    images: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lock:
    """One `agent.lock`. ``inputs`` is the fingerprint of the lock action it answers: equal means current.

    ``questions`` holds fingerprints of the parts of that action, so that a part whose question is unchanged is kept.
    """

    inputs: str
    builder: str
    platforms: tuple[LockedPlatform, ...]
    reason: str = ""
    questions: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    version: int = 1

    def of(self, platform: Platform) -> LockedPlatform | None:
        """What is locked for ``platform``, or None."""
        return next((p for p in self.platforms if p.platform == platform), None)
