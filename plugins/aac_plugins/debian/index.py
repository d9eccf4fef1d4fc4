"""Packages files, reduced to what resolving needs and kept as one sorted text that is searched on disk.

A suite's Packages file has 69,000 paragraphs and 50 MB. Reading it takes over a second, so the reduced form
is remembered under the Packages file's own SHA-256: lines of tab-separated fields, sorted by bytes, found by
bisection in a memory map. A package has one line per version; a virtual package has one line per provider
with ``@`` for a version. The last line, ``~``, says that the file is whole.
Source: https://wiki.debian.org/DebianRepository/Format#A.22Packages.22_Indices
"""

from __future__ import annotations

import lzma
import mmap
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aac_tasks.errors import StepError

INDEX_FORMAT = 1
"""Raised when the reduced form changes; part of the file's name."""

_FIELDS = (
    b"Package",
    b"Version",
    b"Priority",
    b"Pre-Depends",
    b"Depends",
    b"Provides",
    b"Filename",
    b"Size",
    b"SHA256",
)
_FIELD = re.compile(rb"^(" + b"|".join(_FIELDS) + rb"):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_END = b"~\t@\tend\n"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Record:
    """One version of one package.

    ``depends`` holds Pre-Depends and Depends; ``size`` is in bytes; ``source`` is the number of its archive.
    """

    name: str
    version: str
    priority: str
    depends: str
    provides: str
    filename: str
    size: int
    sha256: str
    source: int = 0


def reduce_packages(packages: Path, target: Path) -> None:
    """Write the reduced form of the xz-compressed file ``packages`` to ``target``, whole or not at all."""
    lines: list[bytes] = []
    try:
        with lzma.open(packages) as stream:
            for paragraph in _paragraphs(stream):
                lines.extend(_lines(dict(_FIELD.findall(paragraph))))
    except (lzma.LZMAError, EOFError) as error:
        raise StepError(f"{packages.name}: can't be unpacked: {error}") from error
    lines.sort()
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    with temporary.open("wb") as out:
        out.writelines(lines)
        out.write(_END)
    temporary.replace(target)


def _paragraphs(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split(b"\n\n")
        yield from whole
    yield rest


def _lines(fields: dict[bytes, bytes]) -> Iterable[bytes]:
    name = fields.get(b"Package", b"")
    if not name or not fields.get(b"SHA256"):
        return
    values = [b" ".join(fields.get(field, b"").split()) for field in _FIELDS]
    yield b"\t".join(values) + b"\n"
    for provided in fields.get(b"Provides", b"").split(b","):
        virtual = provided.partition(b"(")[0].strip()
        if virtual:
            yield b"%s\t@\t%s\n" % (virtual, name)


class Index:
    """A reduced index on disk. ``source`` is copied into every record."""

    def __init__(self, path: Path, source: int = 0) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._source = source

    @staticmethod
    def whole(path: Path) -> bool:
        """Whether ``path`` is there and complete."""
        try:
            with path.open("rb") as file:
                file.seek(-len(_END), os.SEEK_END)
                return file.read() == _END
        except OSError:
            return False

    def records(self, name: str) -> list[Record]:
        """Every version of the package ``name``."""
        return [self._record(f) for f in self._having(f"{name}\t") if f[1] != "@"]

    def providers(self, name: str) -> list[str]:
        """Names of the packages that provide ``name``."""
        return [f[2] for f in self._having(f"{name}\t") if f[1] == "@"]

    def names(self, prefix: str = "") -> list[str]:
        """Names of packages that start with ``prefix``, each once."""
        return list(dict.fromkeys(f[0] for f in self._having(prefix) if f[1] != "@"))

    def _record(self, fields: list[str]) -> Record:
        name, version, priority, pre, depends, provides, filename, size, sha256 = fields
        both = ", ".join(part for part in (pre, depends) if part)
        return Record(name, version, priority, both, provides, filename, int(size), sha256, self._source)

    def _having(self, prefix: str) -> Iterator[list[str]]:
        """The fields of every line that starts with ``prefix``."""
        wanted = prefix.encode()
        at = self._first(wanted)
        while at < len(self._map) - len(_END) and self._map[at : at + len(wanted)] == wanted:
            end = self._map.find(b"\n", at)
            yield self._map[at:end].decode("utf-8", "replace").split("\t")
            at = end + 1

    def _first(self, wanted: bytes) -> int:
        """Where the first line that is not before ``wanted`` starts."""
        low, high = 0, len(self._map)
        while low < high:
            middle = self._map.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self._map.find(b"\n", middle)
            if self._map[middle:end] < wanted:
                low = end + 1
            else:
                high = middle
        return low
