"""Registry ``archive``: one image, of one platform or several, in a tar file that `docker load`, `podman load` and `skopeo` read.

A reference is ``archive:FILE:repository:tag``; ``FILE`` is relative to the state root. What is written is an OCI layout with
Docker's ``manifest.json`` beside it (see `aac_plugins.oci.docker_archive`). What is read may be either alone, gzipped or not.
"""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from aac_plugins.oci.confirm import confirm
from aac_plugins.oci.docker_archive import Several, write_archive
from aac_plugins.oci.saved import Saved
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import Descriptor, Digest, Platform, StoredImage
from aac_tasks.contracts.roles import Pushed, Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

SCHEME = "archive:"


class ArchiveRegistry:
    """See the module."""

    name: str = "archive"
    settings_schema: JsonObject | None = None

    def accepts(self, reference: str) -> bool:
        """``archive:`` and a file."""
        return reference.startswith(SCHEME)

    def push(self, image: StoredImage, reference: str, tools: Tools, settings: JsonObject | None = None) -> Pushed:
        """Write the file anew, whole or not at all, and read it back."""
        return self._push(image, None, reference, tools)

    def push_index(self, index: Descriptor, images: Sequence[StoredImage], reference: str, tools: Tools) -> Pushed:
        """The same for every platform's image; the first is what an engine gets that knows none but its own."""
        return self._push(images[0], Several(index, images), reference, tools)

    def _push(self, image: StoredImage, several: Several | None, reference: str, tools: Tools) -> Pushed:
        named = several.index if several else image.manifest
        file, name = split(reference, tools)
        temporary = file.with_name(f".{file.name}.new")
        try:
            for blob in several.blobs if several else image.blobs:
                confirm(blob, tools.blobs.bring(blob))
            file.parent.mkdir(parents=True, exist_ok=True)
            with write_archive(image, (name,), tools.blobs, several=several) as archive, temporary.open("wb") as out:
                shutil.copyfileobj(archive, out, 1 << 20)
            size = temporary.stat().st_size
            temporary.replace(file)
        except OSError as error:
            raise StepError(f"{file} can't be written: {error.strerror or error}", hint="choose another place") from error
        finally:
            temporary.unlink(missing_ok=True)
        found = self.resolve(reference, tools)
        if found != named.digest:
            raise StepError(f"{file} holds {found or 'nothing'} right after {named.digest} was written to it")
        return Pushed(f"{SCHEME}{file}:{name}", found, size)

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        """The image that the file holds under the name, None when there is none."""
        file, name = split(reference, tools)
        if not file.is_file():
            return None
        with _opened(file) as saved:
            return saved.digest(name)

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        """Bring the blobs of one image into the store, each verified; without a name the file's only one."""
        file, name = split(reference, tools, bare=True)
        with _opened(file) as saved:
            return saved.bring(name, platform, tools.blobs)

    def pull_all(self, reference: str, tools: Tools) -> tuple[StoredImage, ...]:
        """The same for every platform whose image is whole in the file."""
        file, name = split(reference, tools, bare=True)
        with _opened(file) as saved:
            return saved.bring_all(name, tools.blobs)

    def names(self, reference: str, tools: Tools) -> tuple[str, ...]:
        """The names that images have in a file."""
        file, _ = split(reference, tools, bare=True)
        with _opened(file) as saved:
            return saved.names


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Saved]:
    try:
        with tarfile.open(file) as tar:
            yield Saved(tar, file.name)
    except (OSError, EOFError, tarfile.TarError) as error:
        tried = "\n" in str(error)  # one line for each packing
        why = "it is no tar file, gzipped or not" if tried else error
        raise StepError(f"{file} can't be read as an archive of an image: {why}") from error


def split(reference: str, tools: Tools, *, bare: bool = False) -> tuple[Path, str]:
    """The file, and the name in it (which may be missing if ``bare``); StepError for another shape."""
    rest = reference.removeprefix(SCHEME)
    path, name = (rest, "") if bare and (tools.root / rest).is_file() else _split(rest)
    if not reference.startswith(SCHEME) or not path or not (name or bare):
        raise StepError(f"{reference!r} is no reference to an archive; expected archive:FILE:repository:tag")
    return tools.root / path, name


def _split(rest: str) -> tuple[str, str]:
    """A file's name may hold colons; a repository and a tag hold none."""
    path, _, name = rest.rpartition(":")
    path, colon, repository = path.rpartition(":")
    return (path, f"{repository}:{name}") if colon else (rest, "")


@hookimpl
def aac_register_registries() -> Sequence[Registry]:
    """Files."""
    return (ArchiveRegistry(),)
