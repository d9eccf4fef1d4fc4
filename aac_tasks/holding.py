"""What each workspace of a user holds of images: names that were given there, what its agents are built as, what runs.

Blobs are shared by all workspaces: who takes an image away must know what the others hold. A workspace whose folder is gone
holds nothing any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.image import StoredImage
from aac_tasks.state.root import FOLDER, StateFolder, write_atomically
from aac_tasks.state.stamps import StampFile, exclusively, read_sealed, seal
from aac_tasks.state.workspaces import listed
from aac_tasks.steps.built import images_of
from aac_tasks.steps.instances import kept

NAMES = "images.json"

Platforms = tuple[StoredImage, ...]
"""An image: one for each platform."""


@dataclass(frozen=True)
class Held:
    """Images that a workspace holds, and digests of more: of a deployed one only the digest is known."""

    root: Path
    images: Platforms
    digests: frozenset[str]


def held_elsewhere(cache: Path, root: Path) -> list[Held]:
    """What the user's other workspaces hold."""
    return [_held(StateFolder(other)) for other in listed(cache) if other != root and (other / FOLDER).is_dir()]


def _held(state: StateFolder) -> Held:
    images = [image for platforms in Names(state).read().values() for image in platforms]
    digests: set[str] = set()
    for folder in (state.path / "agents").glob("*"):
        built, deployed = (StampFile(folder / "steps" / kind).last() for kind in ("image", "deploy"))
        if built is not None and "image" in built.result.outputs:
            images += images_of(built.result.outputs)
            digests.add(str(built.result.outputs["digest"]))
        if deployed is not None:
            digests.add(str(deployed.upstream.get(f"image:{folder.name}/digest")))
            digests |= {str(artifact.data.get("image")) for artifact in deployed.result.artifacts if artifact.type == "instance"}
        images += [running.image for running in kept(folder)]
    return Held(state.root, tuple(images), frozenset(digests | {image.manifest.digest for image in images}))


class Names:
    """Names that were given in a workspace."""

    def __init__(self, state: StateFolder) -> None:
        self._folder = state.path

    def read(self) -> dict[str, Platforms]:
        """What the record says; a torn one is as good as none."""
        try:
            value = read_sealed(self._folder / NAMES)
        except (OSError, ValueError):
            return {}
        return {name: _decoded(image) for name, image in value.items()} if isinstance(value, Mapping) else {}

    @contextmanager
    def held(self) -> Iterator[dict[str, Platforms]]:
        """The names, written back at the end; nobody else changes them meanwhile."""
        with exclusively(self._folder):
            names = self.read()
            yield names
            write_atomically(self._folder / NAMES, seal({n: of[0] if len(of) == 1 else list(of) for n, of in names.items()}))


def _decoded(value: Json) -> Platforms:
    return tuple(decode(StoredImage, one) for one in (value if isinstance(value, list) else [value]))
