"""Images between a registry and the blob store: two blobs at a time, every byte verified."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

from aac_plugins.oci.distribution import Client, Document
from aac_plugins.oci.documents import read_document, read_image
from aac_plugins.oci.manifests import INDEXES, Manifest, choose, parse_index, parse_manifest
from aac_tasks.contracts.image import Descriptor, Platform, StoredImage
from aac_tasks.contracts.tools import BlobStore, Tools
from aac_tasks.errors import StepError

T = TypeVar("T")
R = TypeVar("R")

_PARALLEL = 2


def in_parallel(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """``work`` on every item, two at a time; the first error ends it, once what is under way has ended."""
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="registry") as pool:
        futures = [pool.submit(work, item) for item in items]
        _, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
    failed = next((f for f in futures if not f.cancelled() and f.exception() is not None), None)
    return [failed.result()] if failed else [f.result() for f in futures]


def fetch_manifest(client: Client, reference: str, platform: Platform, blobs: BlobStore) -> Descriptor | None:
    """Store the image manifest that a tag or digest names, None when there is no such thing.

    An index is answered by its manifest for ``platform``; StepError naming those it has when that is missing.
    """
    found = client.manifest(reference)
    if found is None:
        return None
    if found.descriptor.media_type in INDEXES:
        entries = parse_index(found.data, found.descriptor.digest)
        chosen = choose(entries, platform, f"{client.name} at {reference}")
        found = client.manifest(chosen.digest)
        if found is None:
            raise StepError(f"{client.name} lists manifest {chosen.digest} for {platform}, but does not have it")
    parse_manifest(found.data, found.descriptor.digest)
    return _kept(found, blobs)


def _kept(found: Document, blobs: BlobStore) -> Descriptor:
    media = found.descriptor.media_type
    return blobs.put(found.data, media_type=media, expect=found.descriptor.digest)


def fetch_config(client: Client, manifest: Descriptor, tools: Tools) -> Manifest:
    """Bring the configuration of a stored manifest into the store; the parsed manifest."""
    parsed = parse_manifest(read_document(manifest, tools.blobs), manifest.digest)
    client.fetch_blob(parsed.config)
    return parsed


def fetch_image(client: Client, manifest: Descriptor, tools: Tools) -> StoredImage:
    """Bring configuration and layers of a stored manifest into the store, unless they are there."""
    parsed = fetch_config(client, manifest, tools)
    missing = {b.digest: b for b in parsed.layers if not tools.blobs.has(b)}
    total, done = sum(b.size for b in missing.values()), 0

    def fetch(blob: Descriptor) -> None:
        nonlocal done
        client.fetch_blob(blob)
        done += blob.size
        tools.progress(f"pulling {client.name}", done, total)

    in_parallel(fetch, missing.values())
    return read_image(manifest, tools.blobs)
