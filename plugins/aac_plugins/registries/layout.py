"""Registry ``layout``: images go into an OCI layout folder, without server or network.

A reference is ``oci:PATH:repository:tag``; ``PATH`` is relative to the state root, and the rest is the
image's name in the folder's index. ``skopeo copy oci:PATH:repository:tag docker://…`` takes it from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from aac_plugins.oci.layout import Layout
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import Descriptor, Digest, Platform, StoredImage
from aac_tasks.contracts.roles import Pushed, Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

SCHEME = "oci:"
_LOCK_SECONDS = 30.0


class LayoutRegistry:
    """See the module."""

    name: str = "layout"
    settings_schema: JsonObject | None = None

    def accepts(self, reference: str) -> bool:
        """``oci:`` and a path."""
        return reference.startswith(SCHEME)

    def push(self, image: StoredImage, reference: str, tools: Tools, settings: JsonObject | None = None) -> Pushed:
        """Copy or link what is missing, set the name, and read it back."""
        layout, name = split(reference, tools)
        with layout.writing():
            return self._push((image,), image, name, layout, tools)

    def push_index(self, index: Descriptor, images: Sequence[StoredImage], reference: str, tools: Tools) -> Pushed:
        """The same for every platform's image; the name stands for their index."""
        layout, name = split(reference, tools)
        with layout.writing():
            return self._push(images, index, name, layout, tools)

    def _push(
        self, images: Sequence[StoredImage], named: StoredImage | Descriptor, name: str, layout: Layout, tools: Tools
    ) -> Pushed:
        top = named if isinstance(named, Descriptor) else named.manifest
        every = [b for image in images for b in (*(layer.blob for layer in image.layers), image.config, image.manifest)]
        blobs = {blob.digest: blob for blob in (*every, top)}.values()
        sent, done, total = 0, 0, sum(blob.size for blob in blobs)
        for blob in blobs:
            there = layout.holds(blob)
            sent += layout.add(blob, tools.blobs.path(blob.digest) if there else tools.blobs.bring(blob))
            done += blob.size
            tools.progress(f"copied to {layout.label}", done, total)
        layout.tag(name, named, lambda ready: tools.wait_until(ready, timeout=_LOCK_SECONDS))
        found = layout.find(name)
        if found is None or found.digest != top.digest or not layout.complete(found):
            raise StepError(
                f"{layout.label}:{name} is not {top.digest} right after it was written",
                hint="another process writes to this folder under the same name; push again",
            )
        return Pushed(f"{layout.label}:{name}", found.digest, sent)

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        """What the name stands for, None when it or a blob of its image is gone."""
        layout, name = split(reference, tools)
        found = layout.find(name)
        return found.digest if found is not None and layout.complete(found) else None

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        """Bring the image's blobs into the store, each verified."""
        layout, name = split(reference, tools)
        return layout.bring(layout.select(name, platform), tools.blobs)


def split(reference: str, tools: Tools) -> tuple[Layout, str]:
    """The folder and the name in it; StepError for another shape."""
    path, _, name = reference.removeprefix(SCHEME).partition(":")
    if not reference.startswith(SCHEME) or not path or not name:
        raise StepError(f"{reference!r} is no layout reference; expected oci:PATH:repository:tag")
    return Layout(tools.root / path, f"{SCHEME}{path}"), name


@hookimpl
def aac_register_registries() -> Sequence[Registry]:
    """Layout folders."""
    return (LayoutRegistry(),)
