"""What surrounds a faulty project: bases, registries, archives, disks. A world is set up before the command runs and
gone after it; what it yields (name → text) takes the place of ``@NAME@`` in the project's files, environment and command.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from http_servers import Answer, Seen, http_server, raw_server
from plugins.debian.conftest import Served, serving
from plugins.debian.debian_archive import TinyArchive, keyring
from plugins.python.python_workbench import index_of, make_wheel
from real_registry import registry_server
from registry_front import always, front
from runner_stage import MACHINE, WEB, busybox

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.oci.layout import Layout
from aac_tasks.contracts.image import Digest, Layer, Platform
from aac_tasks.state.blobs import Blobs
from aac_tasks.testing import Project, need

Words: TypeAlias = Mapping[str, str]
World: TypeAlias = Callable[["Place"], AbstractContextManager[Words]]
USER, PASSWORD = "ada", "correct-horse-battery"


@dataclass(frozen=True)
class Place:
    """Where a fault happens: the user's project, and a folder beside it for what the world needs."""

    project: Project
    beside: Path

    @property
    def home(self) -> Path:
        """The user's home."""
        return Path(self.project.env["HOME"])


# -- bases ----------------------------------------------------------------------------------------------------------


def put_layout(folder: Path, blobs: Blobs, *more: Layer) -> None:
    """An OCI layout with busybox and ``more`` layers, named base:1."""
    with blobs.scratch() as scratch:
        python = Entry("usr/bin/python3.13", "file", 0o755, data=b"a name is all that anybody looks at\n")
        base = write_layer([*busybox(), python], blobs, scratch, name="base", created=0)
    image = write_image((base, *more), WEB, blobs, platform=Platform("linux", MACHINE), about=About())
    layout = Layout(folder, "oci:base")
    layout.create()
    for blob in (*(x.blob for x in image.layers), image.config, image.manifest):
        layout.add(blob, blobs.path(blob.digest))
    layout.tag("base:1", image, lambda ready: ready())


@contextlib.contextmanager
def busybox_base(place: Place) -> Iterator[Words]:
    """A base of one static program and the name of a Python, in the project; it starts in milliseconds."""
    put_layout(place.project.folder / "base", Blobs(place.beside / "store"))
    yield {}


def hostile_base(member: tarfile.TarInfo) -> World:
    """The busybox base with a second layer that holds one member which no honest tool writes."""

    @contextlib.contextmanager
    def world(place: Place) -> Iterator[Words]:
        blobs = Blobs(place.beside / "store")
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w") as archive:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
        diff_id = blobs.put(raw.getvalue(), media_type="application/x-tar").digest
        media = "application/vnd.oci.image.layer.v1.tar+gzip"
        packed = blobs.put(gzip.compress(raw.getvalue(), mtime=0), media_type=media)
        put_layout(place.project.folder / "base", blobs, Layer(packed, Digest(diff_id), "hostile"))
        yield {}

    return world


def _member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o644
    info.size = 4 if kind == tarfile.REGTYPE else 0
    return info


# -- registries -----------------------------------------------------------------------------------------------------


def log_in(place: Place, registry: str, user: str = USER, password: str = PASSWORD) -> None:
    """What `docker login` writes."""
    import base64
    import json

    folder = place.home / ".docker"
    folder.mkdir(exist_ok=True)
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": packed}}}))


@contextlib.contextmanager
def open_registry(place: Place) -> Iterator[Words]:
    """A registry that takes everything."""
    with registry_server(place.beside / "registry") as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def no_registry(place: Place) -> Iterator[Words]:
    """An address where nobody listens, and nobody else will: it stays bound."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield {"REGISTRY": f"127.0.0.1:{held.getsockname()[1]}"}


@contextlib.contextmanager
def silent_registry(place: Place) -> Iterator[Words]:
    """Takes connections and never says a word."""
    with raw_server(lambda _: time.sleep(5)) as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def locked_registry(place: Place) -> Iterator[Words]:
    """Wants a password; the user has none."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def wrong_password(place: Place) -> Iterator[Words]:
    """Wants a password; the user has another one."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        log_in(place, address, password="not-the-password")
        yield {"REGISTRY": address}


@contextlib.contextmanager
def known_registry(place: Place) -> Iterator[Words]:
    """Wants a password, and the user has it."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        log_in(place, address)
        yield {"REGISTRY": address}


@contextlib.contextmanager
def redirecting_registry(place: Place) -> Iterator[Words]:
    """Sends uploads to another host, which asks for a password; what that host was told must hold none."""

    def curious(seen: Seen) -> Answer:
        realm = f"http://{seen.headers['host']}/token"
        return Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}", Basic realm="give"'})

    with http_server(curious) as second, registry_server(place.beside / "registry", {USER: PASSWORD}) as real:

        def moved(seen: Seen, answer: Callable[[], Answer]) -> Answer:
            found = answer()
            if seen.method == "POST" and found.status == 202:
                found.headers["Location"] = found.headers["Location"].replace(server.address, second.address)
            return found

        with front(real, moved) as server:
            log_in(place, server.address)
            yield {"REGISTRY": server.address, "ELSEWHERE": second.address}
        assert second.seen, "the fault did not happen"
        assert [s.headers.get("authorization") for s in second.seen] == [None] * len(second.seen)
        assert all(PASSWORD.encode() not in s.body for s in second.seen)


@contextlib.contextmanager
def lying_registry(place: Place) -> Iterator[Words]:
    """Takes everything, and answers another manifest for the tag."""
    lie = Answer(200, b'{"schemaVersion": 2}', {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
    with registry_server(place.beside / "registry") as real:
        fault = always(lambda s: s.method in ("GET", "HEAD") and "/manifests/" in s.path, lambda _: lie)
        with front(real, fault) as server:
            yield {"REGISTRY": server.address}


@contextlib.contextmanager
def failing_registry(place: Place) -> Iterator[Words]:
    """Answers 500 to every upload."""
    with registry_server(place.beside / "registry") as real:
        fault = always(lambda s: s.method == "PUT" and "/uploads/" in s.path, lambda _: Answer(500))
        with front(real, fault) as server:
            yield {"REGISTRY": server.address}


# -- packages -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def package_index(place: Place) -> Iterator[Words]:
    """An index that knows ``greeter`` 1.0 as a wheel, and ``oldschool`` 2.0 as a source archive only."""
    folder = place.beside / "packages"
    make_wheel(folder, "greeter-1.0-py3-none-any.whl", {"greeter/__init__.py": "hello = 'hello'\n"})
    with tarfile.open(folder / "oldschool-2.0.tar.gz", "w:gz") as archive:
        files = {"PKG-INFO": "Metadata-Version: 2.1\nName: oldschool\nVersion: 2.0\n", "setup.py": "raise SystemExit(1)\n"}
        for name, text in files.items():
            info = tarfile.TarInfo(f"oldschool-2.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    with index_of(folder) as address:
        yield {"INDEX": address}


@contextlib.contextmanager
def debian_archive(place: Place, spoil: Callable[[TinyArchive], None] = lambda _: None) -> Iterator[Words]:
    """A signed archive of a few tiny packages with Python 3.13, and its key."""
    top = place.beside / f"mirror-{len(list(place.beside.iterdir()))}"
    top.mkdir()
    with serving(top, Served()) as url:
        tiny = TinyArchive(top, url)
        tiny.minimal()
        tiny.python()
        tiny.publish()
        spoil(tiny)
        key = keyring(place.beside / "tiny.gpg")
        mirrors = tiny.environment
        yield {
            "MIRROR": mirrors["AAC_DEBIAN_MIRROR"],
            "SECURITY": mirrors["AAC_DEBIAN_SECURITY_MIRROR"],
            "SNAPSHOT": mirrors["AAC_DEBIAN_SNAPSHOT_MIRROR"],
            "KEYRING": str(key),
        }


def spoilt_archive(spoil: Callable[[TinyArchive], None]) -> World:
    """The same archive after something was done to it."""
    return lambda place: debian_archive(place, spoil)


def _tamper(tiny: TinyArchive) -> None:
    text = tiny.in_release().read_bytes()
    tiny.in_release().write_bytes(text.replace(b"Codename: trixie", b"Codename: Trixie", 1))


def _swap_index(tiny: TinyArchive) -> None:
    path = tiny.packages()
    path.write_bytes(path.read_bytes()[:-4] + b"evil")


# -- machines -------------------------------------------------------------------------------------------------------


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


WORLDS: Mapping[str, World] = {
    "busybox base": busybox_base,
    "base with a member that climbs out": hostile_base(_member("../../outside")),
    "base with an absolute member": hostile_base(_member("/etc/outside")),
    "base with a device": hostile_base(_member("dev/sda", tarfile.BLKTYPE)),
    "base with a hard link out": hostile_base(_member("passwd", tarfile.LNKTYPE, "../../../../etc/passwd")),
    "registry": open_registry,
    "no registry": no_registry,
    "silent registry": silent_registry,
    "registry with a password": locked_registry,
    "registry with another password": wrong_password,
    "registry that knows the user": known_registry,
    "registry that redirects": redirecting_registry,
    "registry that lies": lying_registry,
    "registry that fails": failing_registry,
    "package index": package_index,
    "archive": debian_archive,
    "archive without a signature": spoilt_archive(lambda tiny: tiny.publish(key=None)),
    "archive with another InRelease": spoilt_archive(_tamper),
    "archive with another index": spoilt_archive(_swap_index),
    "full disk for the cache": full_disk("300k", lambda place: place.beside / "disk"),
    "full disk for the state": full_disk("16k", lambda place: place.project.folder / ".aac"),
    "read-only project": read_only(lambda place: place.project.folder),
    "read-only cache": read_only(lambda place: place.beside / "cache"),
    "writable project": writable_project,
    "taken port": taken_port,
    "free port": free_port,
}
