"""Registry ``distribution``: servers that speak the OCI distribution API (Docker Hub, ghcr.io, zot …)."""

from __future__ import annotations

from collections.abc import Sequence

from aac_plugins.oci import login as logins
from aac_plugins.oci.auth import Access, Authority
from aac_plugins.oci.distribution import Client, Document
from aac_plugins.oci.documents import read_document
from aac_plugins.oci.endpoint import find_endpoint, is_reference, parse_reference
from aac_plugins.oci.known import name_problem
from aac_plugins.oci.shared import SharedRepository
from aac_plugins.oci.transfer import fetch_image, fetch_manifest, in_parallel
from aac_plugins.oci.upload import push_blob
from aac_tasks.contracts.cache import SharedStore
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import Descriptor, Digest, ImageRef, Platform, StoredImage
from aac_tasks.contracts.login import LoggedIn, Login, Permission
from aac_tasks.contracts.roles import Pushed, Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

_READ_BACK = (0.0, 0.5, 2.0)
"""Seconds before each look: registries on object stores may show a tag a moment later."""


class DistributionRegistry:
    """Pushes what is missing, two blobs at a time, and believes only what it has read back."""

    name = "distribution"
    settings_schema: JsonObject | None = None

    def __init__(self) -> None:
        self._authority = Authority()

    def accepts(self, reference: str) -> bool:
        """``[host[:port]/]repository[:tag][@digest]``; everything without another scheme in front."""
        return is_reference(reference, not_prefixes=("oci:",))

    def push(self, image: StoredImage, reference: str, tools: Tools, settings: JsonObject | None = None) -> Pushed:
        """Send configuration and layers that are missing, then the manifest with its tag; read it back."""
        ref = parse_reference(reference)
        if ref.digest:
            raise StepError(f"{reference}: a push needs a tag, not a digest")
        tag = ref.tag or "latest"
        sent = self.push_manifest(image, ref, tag, tools)
        _read_back(self._client(ref, "pull,push", tools), tag, image.manifest.digest, tools)
        return Pushed(str(ref.with_tag(tag)), image.manifest.digest, sent)

    def push_manifest(self, image: StoredImage, ref: ImageRef, tag: str, tools: Tools) -> int:
        """Send what is missing of one image, and its manifest under a tag or digest; the bytes that travelled."""
        client = self._client(ref, "pull,push", tools)
        data = read_document(image.manifest, tools.blobs)
        blobs = {b.digest: b for b in (image.config, *(layer.blob for layer in image.layers))}
        total, sent = sum(b.size for b in blobs.values()), 0
        done = 0

        def push(blob: Descriptor) -> int:
            nonlocal done
            travelled = push_blob(client, blob, tools)
            done += blob.size
            tools.progress(f"pushing {client.name}:{tag}", done, total)
            return travelled

        sent = sum(in_parallel(push, blobs.values()))
        client.put_manifest(tag, image.manifest, data)
        return sent

    def push_index(self, index: Descriptor, images: Sequence[StoredImage], reference: str, tools: Tools) -> Pushed:
        """Each image by its digest, then the index with the tag; read it back."""
        ref = parse_reference(reference)
        tag = ref.tag or "latest"
        sent = sum(self.push_manifest(image, ref, image.manifest.digest, tools) for image in images)
        client = self._client(ref, "pull,push", tools)
        client.put_manifest(tag, index, read_document(index, tools.blobs))
        _read_back(client, tag, index.digest, tools)
        return Pushed(str(ref.with_tag(tag)), index.digest, sent)

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        """The digest a tag has now (an index's, when it names one), None when there is no such tag."""
        ref = parse_reference(reference)
        return self._client(ref, "pull", tools).digest_of(ref.digest or ref.tag or "latest")

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        """Bring the image for ``platform`` into the blob store; the manifest is stored before its layers."""
        ref = parse_reference(reference)
        client = self._client(ref, "pull", tools)
        manifest = fetch_manifest(client, ref.digest or ref.tag or "latest", platform, tools.blobs)
        if manifest is None:
            raise StepError(f"{reference}: there is no such image in the registry", hint="check name and tag")
        return fetch_image(client, manifest, tools)

    def shared(self, place: str, tools: Tools) -> SharedStore:
        """A shared cache in a repository."""
        ref = parse_reference(place)
        endpoint = find_endpoint(ref.registry, tools)
        reading, writing = (Client(Access(endpoint, ref.repository, a), self._authority, tools) for a in ("pull", "pull,push"))
        return SharedRepository(reading, writing, tools)

    def log_in(self, server: str, login: Login, tools: Tools) -> LoggedIn:
        """Have the server check it, then keep it where Docker would look for it."""
        return logins.log_in(server, login, tools)

    def log_out(self, server: str, tools: Tools) -> tuple[str, ...]:
        """Forget it everywhere."""
        return logins.log_out(server, tools)

    def permission(self, server: str, repository: str, tools: Tools) -> Permission:
        """Begin an upload and take it back."""
        return logins.permission(server, repository, tools)

    def _client(self, ref: ImageRef, actions: str, tools: Tools) -> Client:
        problem = name_problem(ref.registry, ref.repository) if "push" in actions else ""
        if problem:
            raise StepError(f"{ref}: {problem}", hint="correct image.registry and image.repository in agent.yaml")
        endpoint = find_endpoint(ref.registry, tools)
        return Client(Access(endpoint, ref.repository, actions), self._authority, tools)


def _read_back(client: Client, tag: str, expected: Digest, tools: Tools) -> None:
    """StepError unless the tag now names our manifest, by the registry's word and by the bytes it sends."""
    found: Document | None = None
    for pause in _READ_BACK:
        tools.sleep(pause)
        found = client.manifest(tag)
        if found is not None and found.descriptor.digest == expected:
            break
    if found is None:
        raise StepError(f"{client.name}:{tag}: the registry took the image, but does not have it")
    named = client.digest_of(tag)
    for digest in (found.descriptor.digest, named):
        if digest != expected:
            raise StepError(
                f"{client.name}:{tag}: the registry answered another digest: {digest} instead of {expected}",
                hint="somebody else pushed this tag just now, or the registry changed what it was sent",
            )


@hookimpl
def aac_register_registries() -> Sequence[Registry]:
    """Servers; ``layout`` is the other one."""
    return (DistributionRegistry(),)
