"""One image on this machine, and the names that it may have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Descriptor, Digest, ImageRef, Platform, StoredImage
from aac_tasks.contracts.oci_index import index_descriptor
from aac_tasks.errors import UsageError
from aac_tasks.steps.built import of_this_machine


@dataclass(frozen=True)
class Known:
    """An image whose blobs are here, one for each of its ``platforms``. ``built``: it is what its agent in this workspace is
    made of now.
    """

    platforms: tuple[StoredImage, ...]
    names: tuple[str, ...] = ()
    agent: str = ""
    builder: str = ""
    built: bool = False

    @property
    def image(self) -> StoredImage:
        """That of this machine's platform, else the first."""
        return of_this_machine(self.platforms)

    @cached_property
    def index(self) -> Descriptor | None:
        """What stands above the images of several platforms."""
        return index_descriptor(self.platforms) if len(self.platforms) > 1 else None

    @property
    def digest(self) -> Digest:
        """The index's, else the manifest's."""
        return self.index.digest if self.index else self.image.manifest.digest

    @property
    def digests(self) -> tuple[Digest, ...]:
        """All that name it or the image of one of its platforms."""
        return (self.digest, *(image.manifest.digest for image in self.platforms))

    @property
    def blobs(self) -> dict[Digest, int]:
        """All that it is made of, and how large each is."""
        every = [blob for image in self.platforms for blob in image.blobs]
        return {blob.digest: blob.size for blob in (*every, *([self.index] if self.index else []))}

    def of(self, platforms: Sequence[Platform]) -> Known:
        """Only what it has for these; all of it where none is said, or all are.

        Raises:
            UsageError: it lacks one, or these are some of more; says which it has.
        """
        shown, asked = ", ".join(str(image.platform) for image in self.platforms), dict.fromkeys(platforms)
        found = [next((image for image in self.platforms if image.platform.suits(one)), None) for one in asked]
        name = next(iter(self.names), self.digest)
        if None in found:
            raise UsageError(f"{name} has no image for {list(asked)[found.index(None)]}; it has: {shown}")
        if 1 < len(found) < len(self.platforms):
            raise UsageError(f"{name} is for {shown}; say one of them, or none for all")
        return replace(self, platforms=tuple(image for image in found if image)) if len(found) == 1 else self


def several(one: Known) -> JsonObject:
    """What stands above the images of several platforms."""
    platforms: list[Json] = [str(image.platform) for image in one.platforms]
    return {"platforms": platforms, "index": encode(one.index), "images": encode(one.platforms)}


def name_of(reference: str) -> str:
    """The local name of what a registry has under a reference: without the folder of a layout, with the tag that is meant where
    it says none and no digest either.
    """
    scheme, _, rest = reference.partition(":")
    text = rest.partition(":")[2] if scheme == "oci" else reference
    try:
        ref = ImageRef.parse(text, default_registry="")
    except ValueError:
        return text
    return str(ref) if ref.digest and not ref.tag else str(ref.tagged)


def valid_name(text: str) -> str:
    """A local name with its tag; UsageError when it is none."""
    try:
        ref = ImageRef.parse(text, default_registry="")
    except ValueError as error:
        raise UsageError(str(error)) from error
    if ref.digest:
        raise UsageError(f"{text!r} is no name: a digest can't be given")
    return str(ref.tagged)
