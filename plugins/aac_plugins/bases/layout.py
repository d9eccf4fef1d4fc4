"""Base ``layout``: first layers from an OCI layout folder.

A reference is ``oci:PATH[:name:tag]``; ``PATH`` is relative to the state root.
"""

from __future__ import annotations

from collections.abc import Sequence

from aac_plugins.oci.documents import is_whole, read_config
from aac_plugins.oci.languages import check_language, find_language
from aac_plugins.oci.layout import Layout
from aac_tasks.contracts.image import MEDIA_MANIFEST, Descriptor, Digest, Layer, Platform, StoredImage
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.contracts.roles import Base, BaseImage
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

SCHEME = "oci:"
BUILD_CONTEXT = "layout-base"
"""A Dockerfile can't name a layout in FROM, only a context of the build that was given one:
``docker buildx build --build-context layout-base=oci-layout://PATH@DIGEST``."""


class LayoutBase:
    """See the module."""

    name: str = "layout"

    def accepts(self, reference: str) -> bool:
        """``oci:`` and a path."""
        return reference.startswith(SCHEME)

    def resolve(self, request: BaseRequest, platform: Platform, tools: Tools) -> LockedBase:
        """Pin the manifest's digest, and find the language's version among the image's files."""
        layout, name = _split(request.reference, tools)
        image = layout.bring(layout.select(name, platform), tools.blobs)
        if (image.platform.os, image.platform.architecture) != (platform.os, platform.architecture):
            raise StepError(
                f"{request.reference} is an image for {image.platform}, not for {platform}",
                hint="take that platform off --platform or build.platforms, or name a base that has it",
            )
        config = read_config(image.config, tools.blobs)
        found = find_language(request.runtime, image, config, tools.blobs)
        check_language(request, found.version)
        return LockedBase(
            base=self.name,
            reference=request.reference,
            platform=platform,
            digest=image.manifest.digest,
            runtime_version=found.version,
            facts=found.facts,
        )

    def fetch(self, locked: LockedBase, tools: Tools) -> BaseImage:
        """Bring the layers into the store, verified; the folder is not looked at when they are all there."""
        image = self._image(locked, tools)
        layers = tuple(Layer(layer.blob, layer.diff_id, "base") for layer in image.layers)
        return BaseImage(layers, read_config(image.config, tools.blobs))

    def holdings(self, locked: LockedBase, tools: Tools) -> Sequence[Descriptor]:
        """No other machine has the folder."""
        image = self._image(locked, tools)
        return image.blobs

    def _image(self, locked: LockedBase, tools: Tools) -> StoredImage:
        layout, _ = _split(locked.reference, tools)
        digest = Digest(locked.digest)
        source = tools.blobs.path(digest) if is_whole(digest, tools.blobs) else layout.path(digest)
        try:
            size = source.stat().st_size
        except OSError as error:
            raise StepError(
                f"{locked.reference} no longer holds {digest}, which agent.lock names",
                hint="put that image back, or run `agent lock` to take what is there now",
            ) from error
        return layout.bring(Descriptor(MEDIA_MANIFEST, digest, size), tools.blobs)

    def dockerfile_from(self, locked: LockedBase) -> str:
        """The name of a build context, see ``BUILD_CONTEXT``."""
        return BUILD_CONTEXT


def _split(reference: str, tools: Tools) -> tuple[Layout, str]:
    path, _, name = reference.removeprefix(SCHEME).partition(":")
    if not path:
        raise StepError(f"{reference!r} names no layout; expected oci:PATH or oci:PATH:name:tag")
    return Layout(tools.root / path, f"{SCHEME}{path}"), name


@hookimpl
def aac_register_bases() -> Sequence[Base]:
    """Layout folders."""
    return (LayoutBase(),)
