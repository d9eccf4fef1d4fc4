"""What surrounds a faulty project: bases, registries, archives, disks. A world is set up before the command runs and
gone after it; what it yields (name → text) takes the place of ``@NAME@`` in the project's files, environment and command.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from faults import machines, registries
from faults.place import Place, Words, World
from plugins.compiled.compile_bench import crate_folder, module_proxy
from plugins.debian.conftest import Served, serving
from plugins.debian.debian_archive import TinyArchive, keyring
from plugins.nodejs.node_workbench import Registry
from plugins.nodejs.node_workbench import serving as serving_npm
from plugins.python.python_workbench import index_of, make_wheel
from runner_stage import MACHINE, WEB, Stage, busybox, shell

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.oci.layout import Layout
from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Digest, Layer, Platform
from aac_tasks.state.blobs import Blobs
from aac_tasks.testing import need

PLUGIN = """
from aac_plugins.runtimes.python import PythonRuntime
from aac_tasks.hookspecs import hookimpl

class Crashing(PythonRuntime):
    name = "crashing"

    def resolve(self, request, base, tools):
        return 1 // 0

@hookimpl
def aac_register_runtimes():
    return (Crashing(),)
"""


@contextlib.contextmanager
def crashing_plugin(place: Place) -> Iterator[Words]:
    """A runtime that brings a bug into step lock, installed as pip does it."""
    about = place.beside / "plugin" / "crashing-1.0.dist-info"
    about.mkdir(parents=True, exist_ok=True)
    (about.parent / "crashing_plugin.py").write_text(PLUGIN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: crashing\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[aac_tasks]\ncrashing = crashing_plugin\n")
    yield {"PLUGIN": f"{about.parent}:{place.project.env.get('PYTHONPATH', '')}"}


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


@contextlib.contextmanager
def service_images(place: Place) -> Iterator[Words]:
    """A registry of images that listen: ``store``, ``fussy``, which wants a password first, ``two``, which exposes two ports."""
    listens = 'exec httpd -f -p "0.0.0.0:${PORT:-26379}" -h /www'
    fussy = f'[ -n "$PASSWORD" ] || {{ echo "there is no PASSWORD"; exit 3; }}; {listens}'
    with registries.open_registry(place) as words, tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        for name, script, ports in (("store", listens, 1), ("fussy", fussy, 1), ("two", listens, 2)):
            image = stage.image(shell(script, exposed_ports=("26379/tcp", "26380/tcp")[:ports]))
            DistributionRegistry().push(image, f"{words['REGISTRY']}/team/{name}:1", stage.tools)
        yield words


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
def npm_registry(place: Place) -> Iterator[Words]:
    """An npm registry that knows ``greeter`` 1.0.0; the host's npm is asked to resolve."""
    need(shutil.which("npm") is not None, "npm is not installed")
    with serving_npm(Registry()) as registry:
        registry.publish("greeter")
        yield {"NPM": registry.url}


@contextlib.contextmanager
def go_proxy(place: Place) -> Iterator[Words]:
    """A module proxy that knows ``example.org/greeter`` v1.0.0."""
    yield {"PROXY": module_proxy(place.beside / "modules")}


@contextlib.contextmanager
def crates(place: Place) -> Iterator[Words]:
    """A registry of one crate, ``greeter`` 1.0.0, that the user's own settings of cargo put in the place of crates.io."""
    folder = place.beside / "crates"
    crate_folder(folder / "greeter")
    settings = place.home / ".cargo/config.toml"
    settings.parent.mkdir(parents=True, exist_ok=True)
    source = f'[source.crates-io]\nreplace-with = "here"\n\n[source.here]\ndirectory = "{folder}"\n'
    settings.write_text(source)
    yield {}


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


WORLDS: Mapping[str, World] = {
    "busybox base": busybox_base,
    "base with a member that climbs out": hostile_base(_member("../../outside")),
    "base with an absolute member": hostile_base(_member("/etc/outside")),
    "base with a device": hostile_base(_member("dev/sda", tarfile.BLKTYPE)),
    "base with a hard link out": hostile_base(_member("passwd", tarfile.LNKTYPE, "../../../../etc/passwd")),
    "registry": registries.open_registry,
    "registry of services": service_images,
    "no registry": registries.no_registry,
    "silent registry": registries.silent_registry,
    "registry with a password": registries.locked_registry,
    "registry with another password": registries.wrong_password,
    "registry that knows the user": registries.known_registry,
    "registry that redirects": registries.redirecting_registry,
    "registry that lies": registries.lying_registry,
    "registry that fails": registries.failing_registry,
    "registry of fixed tags": registries.registry_of_fixed_tags,
    "registry whose login has ended": registries.ended_login,
    "package index": package_index,
    "npm registry": npm_registry,
    "module proxy": go_proxy,
    "crates": crates,
    "plugin with a bug": crashing_plugin,
    "archive": debian_archive,
    "archive without a signature": spoilt_archive(lambda tiny: tiny.publish(key=None)),
    "archive with another InRelease": spoilt_archive(_tamper),
    "archive with another index": spoilt_archive(_swap_index),
    "full disk for the cache": machines.full_disk("300k", lambda place: place.beside / "disk"),
    "full disk for the state": machines.full_disk("16k", lambda place: place.project.folder / ".aac"),
    "read-only project": machines.read_only(lambda place: place.project.folder),
    "read-only cache": machines.read_only(lambda place: place.beside / "cache"),
    "writable project": machines.writable_project,
    "taken port": machines.taken_port,
    "free port": machines.free_port,
}
