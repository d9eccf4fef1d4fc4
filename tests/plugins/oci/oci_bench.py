"""A store, a root and the few tools that the format folder and its plugins really use, all on a real disk."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import MEDIA_LAYER_GZIP, Digest, Layer
from aac_tasks.contracts.tools import BlobStore, Tools
from aac_tasks.state.blobs import Blobs


@dataclass
class Bench:
    """`Tools` without processes and network: nothing here may need them."""

    root: Path
    store: Blobs
    said: list[str] = field(default_factory=list)

    @property
    def blobs(self) -> BlobStore:
        return self.store

    def scratch(self) -> AbstractContextManager[Path]:
        return self.store.scratch()

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        self.said.append(text)

    def wait_until(self, condition: Callable[[], bool], *, timeout: float, every: float = 0.01) -> bool:
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(every)
        return True


@dataclass(frozen=True)
class Shop:
    """What a test needs at hand."""

    bench: Bench
    folder: Path

    @property
    def tools(self) -> Tools:
        return cast(Tools, self.bench)

    @property
    def blobs(self) -> Blobs:
        return self.bench.store

    @property
    def root(self) -> Path:
        return self.bench.root

    def layer(self, *entries: Entry, name: str = "test", created: int = 0) -> Layer:
        with self.blobs.scratch() as scratch:
            return write_layer(entries, self.blobs, scratch, name=name, created=created)


def file_of(path: str, text: str = "", mode: int = 0o644) -> Entry:
    return Entry(path, "file", mode, data=text.encode())


def tree_of(root: Path) -> dict[str, tuple[str, int, bytes | str]]:
    """Every member below ``root``: type, permission bits, content or target."""
    found: dict[str, tuple[str, int, bytes | str]] = {}
    for folder, folders, files in os.walk(root):
        for name in folders + files:
            path = Path(folder) / name
            place = path.relative_to(root).as_posix()
            mode = path.lstat().st_mode & 0o7777
            if path.is_symlink():
                found[place] = ("symlink", 0, str(path.readlink()))
            elif path.is_dir():
                found[place] = ("dir", mode, "")
            else:
                found[place] = ("file", mode, path.read_bytes())
    return found


def tar_of(*members: tarfile.TarInfo | tuple[str, bytes]) -> bytes:
    """A tar as a stranger might have made it; a pair is a plain file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for member in members:
            if isinstance(member, tuple):
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
            else:
                tar.addfile(member)
    return out.getvalue()


def special(name: str, kind: bytes, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def layer_of(blobs: Blobs, tar: bytes, name: str = "evil", *, packed: bool = True) -> Layer:
    blob = blobs.put(gzip.compress(tar) if packed else tar, media_type=MEDIA_LAYER_GZIP)
    return Layer(blob, Digest(f"sha256:{hashlib.sha256(tar).hexdigest()}"), name)
