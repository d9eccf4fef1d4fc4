"""A store, a root and the few tools that the format folder and its plugins really use, all on a real disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import Layer
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


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    root = tmp_path / "root"
    root.mkdir()
    shop = Shop(Bench(root, Blobs(tmp_path / "store")), tmp_path)
    yield shop
    left = list((tmp_path / "store" / "tmp").glob("*"))
    assert left == [], f"scratch was left behind: {left}"


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
