"""Machines whose disk is full, whose folders can't be written, whose ports are taken."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

from faults.place import Place, Words, World

from aac_tasks.testing import need


def full_disk(size: str, mount: Callable[[Place], Path]) -> World:
    """A disk of ``size`` where a folder of the user's should be."""

    @contextlib.contextmanager
    def world(place: Place) -> Iterator[Words]:
        need(os.geteuid() == 0 and shutil.which("mount"), "mounting a small disk needs root")
        folder = mount(place)
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False)
        need(done.returncode == 0, "a tmpfs can't be mounted here")
        try:
            yield {"DISK": str(folder)}
        finally:
            subprocess.run(["umount", "-l", folder], check=True)

    return world


def read_only(folder: Callable[[Place], Path]) -> World:
    """A folder whose modes forbid writing, for a plain user: root would not notice."""

    @contextlib.contextmanager
    def world(place: Place) -> Iterator[Words]:
        path = folder(place)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o555)
        try:
            yield {}
        finally:
            path.chmod(0o755)

    return world


@contextlib.contextmanager
def writable_project(place: Place) -> Iterator[Words]:
    """The project is the plain user's."""
    for path in (place.project.folder, *place.project.folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o777)
    yield {}


@contextlib.contextmanager
def taken_port(place: Place) -> Iterator[Words]:
    """Somebody listens on a port."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield {"PORT": str(other.getsockname()[1])}


@contextlib.contextmanager
def free_port(place: Place) -> Iterator[Words]:
    """Nobody listens on it now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield {"PORT": str(port)}
