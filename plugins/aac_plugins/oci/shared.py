"""A shared cache in a repository: each entry is an artifact, a manifest with a tag, and what it promises are its layers.

The entry itself stands in an annotation, so that one GET answers everything; what an existing manifest names, exists.
https://github.com/opencontainers/image-spec/blob/v1.1.1/manifest.md#guidelines-for-artifact-usage
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence

from aac_plugins.oci.distribution import Client
from aac_plugins.oci.manifests import descriptor_to_json, json_object
from aac_plugins.oci.upload import push_blob
from aac_tasks.contracts.canonical import JsonObject, canonical
from aac_tasks.contracts.image import MEDIA_MANIFEST, Descriptor, Digest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

TYPE = "application/vnd.dev.agent.cache.entry.v1+json"
BLOB = "application/vnd.dev.agent.cache.blob.v1"
ENTRY = "dev.agent.cache.entry"
EMPTY = "application/vnd.oci.empty.v1+json"
_TAG = "entry-"


class SharedRepository:
    """A `SharedStore` in one repository. ``reading`` and ``writing`` differ in what they ask a token service for."""

    def __init__(self, reading: Client, writing: Client, tools: Tools) -> None:
        self._reading = reading
        self._writing = writing
        self._tools = tools
        self._held: set[str] = set()
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """One GET of the manifest."""
        found = self._reading.manifest(f"{_TAG}{name}")
        if found is None:
            return None
        entry, digests = _parsed(found.data)
        with self._lock:
            self._held |= digests
        return entry

    def holds(self, digest: Digest) -> bool:
        """As the manifests say that were read or written."""
        return digest in self._held

    def write(self, name: str, data: bytes, blobs: Sequence[Descriptor]) -> None:
        """Blobs first, then the manifest with its tag."""
        empty = self._tools.blobs.put(b"{}", media_type=EMPTY)
        for blob in (empty, *blobs):
            if blob.digest not in self._held:
                push_blob(self._writing, blob, self._tools)
                with self._lock:
                    self._held.add(blob.digest)
        layers = [Descriptor(BLOB, blob.digest, blob.size) for blob in blobs] or [empty]  # the specification wants one
        document: JsonObject = {
            "schemaVersion": 2,
            "mediaType": MEDIA_MANIFEST,
            "artifactType": TYPE,
            "config": descriptor_to_json(empty),
            "layers": [descriptor_to_json(layer) for layer in layers],
            "annotations": {ENTRY: data.decode("utf-8")},
        }
        text = canonical(document)
        digest = Digest(f"sha256:{hashlib.sha256(text).hexdigest()}")
        self._writing.put_manifest(f"{_TAG}{name}", Descriptor(MEDIA_MANIFEST, digest, len(text)), text)

    def fetch(self, blob: Descriptor) -> None:
        """One GET, verified."""
        self._reading.fetch_blob(blob)

    def names(self) -> Iterable[str]:
        """By the repository's tags."""
        return sorted(tag.removeprefix(_TAG) for tag in self._reading.tags(limit=1_000_000) if tag.startswith(_TAG))

    def problem(self, blob: Descriptor) -> str:
        """One HEAD; whose bytes are others than the digest says, it is the registry that is damaged."""
        return "" if self._reading.has_blob(blob.digest) else "is not there"


def _parsed(data: bytes) -> tuple[bytes, set[str]]:
    """The entry and the digests that exist; nothing where a manifest is none of ours, or torn."""
    try:
        document = json_object(data, "entry")
    except StepError:
        return b"", set()
    notes, layers = document.get("annotations"), document.get("layers")
    if document.get("artifactType") != TYPE or not isinstance(notes, Mapping) or not isinstance(layers, list):
        return b"", set()
    return str(notes.get(ENTRY, "")).encode("utf-8", "replace"), {str(x.get("digest")) for x in layers if isinstance(x, Mapping)}
