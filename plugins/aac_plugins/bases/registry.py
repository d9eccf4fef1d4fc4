"""Base ``registry``: an image from a registry, by digest, pulled without a daemon."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from aac_plugins.oci.auth import Access, Authority
from aac_plugins.oci.distribution import Client
from aac_plugins.oci.documents import is_whole, read_config, read_document, read_image
from aac_plugins.oci.endpoint import find_endpoint, is_reference, mirror_endpoint, parse_reference
from aac_plugins.oci.known import HUB
from aac_plugins.oci.manifests import parse_manifest
from aac_plugins.oci.transfer import fetch_config, fetch_image, fetch_manifest
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.image import (
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    ImageRef,
    Layer,
    Platform,
    StoredImage,
)
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.contracts.roles import Base, BaseImage
from aac_tasks.contracts.tools import BlobStore, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

_OTHERS = ("oci:", "debian:", "scratch")
_VERSION_VARIABLES = {
    "python": "PYTHON_VERSION",
    "nodejs": "NODE_VERSION",
    "go": "GOLANG_VERSION",
    "rust": "RUST_VERSION",
    "java": "JAVA_VERSION",
}
"""Where official images say their version (https://github.com/docker-library/official-images)."""

_SHOWN_TAGS = 8


class RegistryBase:
    """``python:3.12-slim`` and its like, with Docker Hub's rules for short names."""

    name = "registry"

    def __init__(self) -> None:
        self._authority = Authority()

    def accepts(self, reference: str) -> bool:
        """Everything that reads as an image reference and is in no other base's notation."""
        return is_reference(reference, not_prefixes=_OTHERS)

    def resolve(self, request: BaseRequest, platform: Platform, tools: Tools) -> LockedBase:
        """Pin it by the digest of its manifest for ``platform``; its environment says the version.

        StepError naming near tags when there is no such tag, the platforms when it lacks this one, and both
        versions when it holds another one than asked for.
        """
        ref = parse_reference(request.reference)
        client = self._client(ref, tools)
        asked = ref.digest or ref.tag or "latest"
        manifest = fetch_manifest(client, asked, platform, tools.blobs)
        if manifest is None:
            raise _not_there(client, f"base {ref}", asked, "correct build.baseImage")
        config = read_config(fetch_config(client, manifest, tools).config, tools.blobs)
        version = _version(request.runtime, config.env, ref.tag)
        if _differ(request.version, version):
            raise StepError(
                f"base {ref} holds {request.runtime} {version}, not the {request.version} asked for",
                hint="name another image in build.baseImage, or the version it holds in spec.runtime",
            )
        return LockedBase(self.name, str(ref), platform, str(manifest.digest), runtime_version=version)

    def pin(self, reference: str, tools: Tools, hint: str = "") -> str:
        """``registry/repository@digest`` of what the tag names now, an index as such; StepError when there is no such tag."""
        ref = parse_reference(reference)
        client, asked = self._client(ref, tools), ref.digest or ref.tag or "latest"
        digest = client.digest_of(asked)
        if digest is None:
            raise _not_there(client, str(ref), asked, hint)
        return str(ImageRef(ref.registry, ref.repository, digest=digest))

    def pinned(self, name: str, platform: Platform, tools: Tools) -> StoredImage:
        """The image for a platform behind a name that `pin` answered; which of an index that is, is remembered."""
        ref = parse_reference(name)
        key = fingerprint({"pinned": ref.digest, "platform": str(platform)})
        memo = tools.blobs.memo(key)
        image = _stored(Digest(memo), tools.blobs) if memo else None
        if image is None:
            image = self._fetched(ref, ref.digest, platform, tools)
            tools.blobs.remember(key, image.manifest.digest)
        return image

    def fetch(self, locked: LockedBase, tools: Tools) -> BaseImage:
        """Its layers and configuration from the blob store; what is missing is pulled by digest."""
        image = _stored(Digest(locked.digest), tools.blobs)
        image = image or self._fetched(parse_reference(locked.reference), locked.digest, locked.platform, tools)
        layers = tuple(Layer(layer.blob, layer.diff_id, "base") for layer in image.layers)
        return BaseImage(layers, read_config(image.config, tools.blobs))

    def dockerfile_from(self, locked: LockedBase) -> str:
        """``registry/repository@digest``."""
        ref = parse_reference(locked.reference)
        return str(ImageRef(ref.registry, ref.repository, digest=locked.digest))

    def _fetched(self, ref: ImageRef, digest: str, platform: Platform, tools: Tools) -> StoredImage:
        client = self._client(ref, tools)
        manifest = fetch_manifest(client, digest, platform, tools.blobs)
        if manifest is None:
            raise StepError(f"{ref}: {client.name} has no {digest} any more", hint="lock again with `agent lock --update`")
        return fetch_image(client, manifest, tools)

    def _client(self, ref: ImageRef, tools: Tools) -> Client:
        mirror = mirror_endpoint(tools) if ref.registry == HUB else None
        endpoint = mirror or find_endpoint(ref.registry, tools)
        return Client(Access(endpoint, ref.repository), self._authority, tools)


def _stored(digest: Digest, blobs: BlobStore) -> StoredImage | None:
    """The image when every blob of it is in the store: then no registry is asked, there or not."""
    if not is_whole(digest, blobs):
        return None
    manifest = Descriptor(MEDIA_MANIFEST, digest, blobs.path(digest).stat().st_size)
    parsed = parse_manifest(read_document(manifest, blobs), digest)
    if not all(blobs.has(blob) for blob in (parsed.config, *parsed.layers)):
        return None
    return read_image(manifest, blobs)


def _version(runtime: str, env: Sequence[str], tag: str) -> str:
    """Major and minor version of the language: from the image's environment, else the tag, or empty."""
    variables = dict(item.partition("=")[::2] for item in env)
    said = variables.get(_VERSION_VARIABLES.get(runtime, ""), "") or tag
    match = re.match(r"[a-z-]*v?(\d+(?:\.\d+)?)", said)
    return match[1] if match else ""


def _differ(asked: str, found: str) -> bool:
    """Whether a plain version that was asked for is another one; ranges and unknown versions never differ."""
    if not found or not re.fullmatch(r"\d+(\.\d+)*", asked):
        return False
    pairs = zip(asked.split("."), found.split("."), strict=False)
    return any(a != b for a, b in pairs)


def _not_there(client: Client, what: str, asked: str, hint: str) -> StepError:
    """Name the tags that look like what was asked for."""
    tags = client.tags()
    near = difflib.get_close_matches(asked, tags, n=_SHOWN_TAGS, cutoff=0.5) or list(tags[-_SHOWN_TAGS:])
    have = f"; it has {', '.join(near)}" + (" …" if len(tags) > len(near) else "") if near else ""
    return StepError(f"{what}: {client.name} has no {asked}{have}", hint=hint)


@hookimpl
def aac_register_bases() -> Sequence[Base]:
    """The one that takes what nobody else does."""
    return (RegistryBase(),)
