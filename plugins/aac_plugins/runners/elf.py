"""Which loader a program of the image wants. Source: elf(5), program header PT_INTERP."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import IO

from aac_tasks.errors import StepError

PT_INTERP = 3
HEADER = 64


def interpreter_of(program: Path) -> str | None:
    """The loader's path inside the image; empty for a static program, None when it is no ELF file.

    Raises:
        StepError: it is an ELF file, but not of this kind of machine (64 bit, little endian).
    """
    try:
        with program.open("rb") as file:
            head = file.read(HEADER)
            if head[:4] != b"\x7fELF":
                return None
            if head[4:6] != b"\x02\x01" or len(head) < HEADER:
                raise StepError(f"{program.name} is no 64-bit little-endian program")
            return _interpreter(file, head)
    except (OSError, struct.error) as error:
        raise StepError(f"{program.name} can't be read as a program: {error}") from error


def _interpreter(file: IO[bytes], head: bytes) -> str:
    """The text of the PT_INTERP segment, empty when there is none."""
    table, size, count = struct.unpack_from("<Q", head, 32)[0], *struct.unpack_from("<HH", head, 54)
    file.seek(table)
    rows = file.read(size * count)
    for at in range(0, len(rows), size):
        if struct.unpack_from("<I", rows, at)[0] == PT_INTERP:
            offset, length = struct.unpack_from("<Q", rows, at + 8)[0], struct.unpack_from("<Q", rows, at + 32)[0]
            file.seek(offset)
            return file.read(length).rstrip(b"\0").decode()
    return ""


def script_of(program: Path) -> tuple[str, ...]:
    """The words of a ``#!`` line; empty when there is none."""
    try:
        with program.open("rb") as file:
            line = file.readline(512)
    except OSError:
        return ()
    if not line.startswith(b"#!"):
        return ()
    words = line[2:].decode(errors="replace").strip().split(None, 1)
    return tuple(words)
