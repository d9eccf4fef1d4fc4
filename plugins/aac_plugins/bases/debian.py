"""Base ``debian``: a minimal root from Debian's signed archive, made without root and without apt.

What reads archives and packages is imported when one has to be read: an image whose base is in the store needs none of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.debian.rules import ROOT_FORMAT
from aac_plugins.oci.layer import LAYER_FORMAT, write_layer
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig, Layer, Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase, LockedFile
from aac_tasks.contracts.roles import Base, BaseImage
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from aac_plugins.debian.archive import Read
    from aac_plugins.debian.index import Record
    from aac_tasks.contracts.tools import Tools

ARCHITECTURES = {
    "amd64": "amd64",
    "arm64": "arm64",
    "arm": "armhf",
    "386": "i386",
    "ppc64le": "ppc64el",
    "riscv64": "riscv64",
    "s390x": "s390x",
}
"""Go's names of CPUs → Debian's (https://wiki.debian.org/SupportedArchitectures)."""

CONFIG = ImageConfig(
    env=("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"),
)


class DebianBase:
    """``debian:trixie``, ``debian:bookworm``, ``debian:stable``; empty means the default release.

    ``clock`` gives seconds since 1970; ``keyring`` holds the keys that an archive must be signed with (None: Debian's).
    """

    name = "debian"

    def __init__(self, clock: Callable[[], float] = time.time, keyring: Path | None = None) -> None:
        self._clock = clock
        self._keyring = keyring

    def accepts(self, reference: str) -> bool:
        """Whether ``reference`` names a release; Docker's image is ``docker.io/library/debian:…``."""
        from aac_plugins.debian.archive import RELEASES

        prefix, _, release = reference.partition(":")
        return prefix == self.name and release in RELEASES

    def resolve(self, request: BaseRequest, platform: Platform, tools: Tools) -> LockedBase:
        """Pin every package by URL and SHA-256; StepError for what the release lacks, naming what it has."""
        from aac_plugins.debian.archive import DEFAULT_RELEASE, RELEASES, Archive
        from aac_plugins.debian.closure import Closure, Universe
        from aac_plugins.debian.languages import choose, left_out
        from aac_plugins.debian.signature import ARCHIVE_KEYS

        asked = request.reference or f"debian:{DEFAULT_RELEASE}"
        if not self.accepts(asked):
            known = ", ".join(f"debian:{release}" for release in RELEASES)
            raise StepError(f"{asked!r} is no Debian release; expected one of {known}")
        architecture = ARCHITECTURES.get(platform.architecture) if platform.os == "linux" else None
        if architecture is None:
            raise StepError(f"Debian has no packages for {platform}; there are {', '.join(ARCHITECTURES)} on linux")
        archive = Archive(tools, self._clock, self._keyring or ARCHIVE_KEYS)
        release = archive.codename(asked.partition(":")[2])
        reads = archive.read(release, architecture)
        universe = Universe([read.index for read in reads])
        choice = choose(universe, request.runtime, request.version, release)
        records = Closure(universe, left_out).of((*choice.packages, *request.packages))
        return LockedBase(
            base=self.name,
            reference=f"debian:{release}",
            platform=platform,
            files=tuple(_locked(record, reads) for record in records),
            runtime_version=choice.version,
            snapshot=max(read.release.date for read in reads).strftime("%Y-%m-%dT%H:%M:%SZ"),
            facts={"runtime": request.runtime, request.runtime: choice.program} if request.runtime else {},
        )

    def fetch(self, locked: LockedBase, tools: Tools) -> BaseImage:
        """The root as one layer; made once per set of packages and remembered."""
        key = _key(locked)
        memo = tools.blobs.memo(key)
        if memo is not None:
            layer = decode(Layer, json.loads(memo))
            if tools.blobs.has(layer.blob):
                return BaseImage((layer,), CONFIG)
        from aac_plugins.debian.pool import Pool

        Pool(tools, locked.snapshot).fetch(locked.files)
        layer = _unpacked(locked, tools)
        tools.blobs.remember(key, json.dumps(encode(layer)))
        return BaseImage((layer,), CONFIG)

    def dockerfile_from(self, locked: LockedBase) -> str:
        """The name under which the image is lent to an engine; it changes when the packages do."""
        return f"localhost/aac/{locked.reference}-{_key(locked)[:12]}"


def _locked(record: Record, reads: Sequence[Read]) -> LockedFile:
    url = f"{reads[record.source].source.archive}/{record.filename}"
    return LockedFile(record.name, record.version, url, record.sha256, record.size)


def _key(locked: LockedBase) -> str:
    """What the layer's bytes depend on: not where the packages came from, nor when they were locked."""
    return fingerprint(
        {
            "debian": [ROOT_FORMAT, LAYER_FORMAT],
            "files": [[file.name, file.sha256] for file in locked.files],
            "platform": str(locked.platform),
            "runtime": [locked.facts.get("runtime", ""), locked.runtime_version],
        }
    )


def _unpacked(locked: LockedBase, tools: Tools) -> Layer:
    from aac_plugins.debian.deb import open_package
    from aac_plugins.debian.languages import PARTS, links
    from aac_plugins.debian.pool import digest_of
    from aac_plugins.debian.root import Root

    root = Root()
    with tools.scratch() as scratch:
        for number, file in enumerate(locked.files):
            tools.progress("unpacking Debian packages", number, len(locked.files))
            folder = scratch / str(number)
            folder.mkdir()
            package = open_package(file.name, tools.blobs.path(digest_of(file)), folder)
            root.add(package, PARTS.get(file.name, ()))
        architecture = ARCHITECTURES[locked.platform.architecture]
        entries = root.finish(links(locked.facts.get("runtime", ""), locked.runtime_version, architecture))
        return write_layer(entries, tools.blobs, scratch, name="base", created=root.newest)


@hookimpl
def aac_register_bases() -> Sequence[Base]:
    """The base of ``runtime: python`` without a version."""
    return (DebianBase(),)
