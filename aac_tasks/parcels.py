"""Blobs on their way between machines: by way of the shared cache, in entries that tell of no result.

Such an entry is named by what it holds, so what is there already is found with one question and never sent again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.orders import Parcel
from aac_tasks.contracts.result import Result
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.errors import UsageError
from aac_tasks.settings import WRITE, SharedPlace
from aac_tasks.sharing import BLOB, Sharing, described
from aac_tasks.state.blobs import pieces
from aac_tasks.state.entries import Entry


class Parcels:
    """Parcels of one run. Safe for several threads."""

    def __init__(self, sharing: Sharing | None, blobs: BlobStore) -> None:
        """UsageError when this run has no shared cache that it may write."""
        place = next((p for p in sharing.places.values() if p.write), None) if sharing else None
        if sharing is None or place is None:
            raise UsageError(
                "steps on other machines need a shared cache that this run may write: sources and images travel by it; "
                f"name a registry's repository in [tool.aac.cache] place and say write = true there, or {WRITE}=1"
            )
        self.place: SharedPlace = place
        self._sharing = sharing
        self._store = sharing.store(place)
        self._blobs = blobs
        self._known: set[str] = set()
        self._guard = threading.Lock()

    def send(self, blobs: Mapping[str, int], name: str = "", files: Mapping[str, Path] | None = None) -> Parcel:
        """Have the place hold blobs (digest → bytes); ``files`` tells where those lie that are in no store yet."""
        parcel = Parcel(name or fingerprint(["parcel", sorted(blobs)]), dict(blobs))
        if not self.open(parcel.name):
            for digest, path in (files or {}).items():
                if not self._store.holds(Digest(digest)) and not self._blobs.has(Digest(digest)):
                    self._blobs.put(pieces(path), media_type=BLOB, expect=Digest(digest))
            self._store.write(parcel.name, Entry(parcel.name).write(), described(blobs))
            self._know(parcel.name)
        return parcel

    def open(self, name: str) -> bool:
        """Whether the place has a parcel of that name; then it is known to have what is in it."""
        if name not in self._known:
            if self._store.read(name) is None:
                return False
            self._know(name)
        return True

    def hold(self, parcel: Parcel, result: Result) -> bool:
        """Whether all that a result promises lies in a parcel that is there; then it is up to date without being here."""
        return self.open(parcel.name) and self._sharing.can_be_had(self.place, result)

    def take(self, parcel: Parcel) -> None:
        """Bring what is in it and not in the user's own store."""
        absent = [blob for blob in described(parcel.blobs) if not self._blobs.has(blob)]
        if absent:
            self.open(parcel.name)
        for blob in absent:
            self._store.fetch(blob)

    def _know(self, name: str) -> None:
        with self._guard:
            self._known.add(name)
