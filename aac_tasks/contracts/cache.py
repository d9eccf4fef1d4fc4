"""A cache of results that several machines share: what `session` asks, and what a registry that can hold one must answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import Tools


class SharedStore(Protocol):
    """Entries by name (64 hexadecimal digits), and the blobs they promise. It vouches for nothing: who reads, verifies.

    Every method but ``holds`` may ask a server, and raises StepError when that does not answer in time or refuses.
    """

    def read(self, name: str) -> bytes | None:
        """The entry in one request, None when there is none; what is no entry at all is empty."""
        ...

    def holds(self, digest: Digest) -> bool:
        """Whether it has a blob, as far as the entries say that were read; asks nobody."""
        ...

    def write(self, name: str, data: bytes, blobs: Sequence[Descriptor]) -> None:
        """Send the blobs that it lacks, then the entry."""
        ...

    def fetch(self, blob: Descriptor) -> None:
        """Bring a blob into the user's store, verified."""
        ...

    def names(self) -> Iterable[str]:
        """Of every entry."""
        ...

    def problem(self, blob: Descriptor) -> str:
        """What is wrong with a blob, "" when it is there."""
        ...


class CachingRegistry(Registry, Protocol):
    """A registry that can hold a shared cache."""

    def shared(self, place: str, tools: Tools) -> SharedStore:
        """The cache in repository ``place`` (``host/repository``)."""
        ...
