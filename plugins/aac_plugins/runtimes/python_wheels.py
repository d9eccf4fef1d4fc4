"""Unpack wheels into a user-site prefix: same wheels in, same bytes out, on any host.

One text, two places: the host's builder imports ``install``; a Dockerfile gets this file's text and runs it with
the base's own Python. So it needs nothing but the standard library of Python 3.8, and both images are equal.
The format is the PyPA's "binary distribution format"
(https://packaging.python.org/en/latest/specifications/binary-distribution-format/); what an installer must leave
behind is "recording installed projects" (https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
Left out on purpose: byte code, REQUESTED, direct_url.json, signatures of a RECORD that is rewritten.
"""

from __future__ import annotations

import base64
import configparser
import csv
import hashlib
import io
import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

LEFT_OUT = ("RECORD", "RECORD.jws", "RECORD.p7s", "INSTALLER", "REQUESTED", "direct_url.json")
ENTRY = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<attribute>[\w.]+)\s*(\[.*\])?")
SCRIPT = """#!{interpreter}
import sys

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attribute}())
"""


class WheelError(Exception):
    """A wheel is not what the format says; the message names the wheel and the member."""


class Layout(NamedTuple):
    """Where things go below the prefix: ``version`` is ``3.13``, ``interpreter`` what a script's first line names."""

    version: str
    interpreter: str

    @property
    def site(self) -> str:
        """The user site folder (sysconfig's ``posix_user`` scheme), relative to the prefix."""
        return f"lib/python{self.version}/site-packages"


class Entry(NamedTuple):
    """One file to write: from ``member`` of the wheel, or ``text`` of our own; ``dist_info`` is whose RECORD lists it."""

    target: str
    wheel: str
    dist_info: str
    member: str = ""
    text: str = ""
    script: bool = False


def install(wheels: Mapping[str, Path], prefix: Path, version: str, interpreter: str) -> None:
    """Unpack ``wheels`` (file name → where it is) below ``prefix``; a file that two of them bring is the later's by name.

    Raises:
        WheelError: a wheel is broken, or a member wants to leave the prefix.
    """
    layout = Layout(version, interpreter)
    entries: dict[str, Entry] = {}
    for name in sorted(wheels):
        for entry in _entries(name, wheels[name], layout):
            entries[entry.target] = entry
    _make_folders(prefix, entries)
    by_wheel: dict[str, list[Entry]] = {}
    for entry in entries.values():
        by_wheel.setdefault(entry.wheel, []).append(entry)
    with ThreadPoolExecutor(4) as pool:  # zlib and SHA-256 let go of the interpreter lock
        rows = list(pool.map(lambda n: _unpack(wheels[n], by_wheel[n], prefix, layout), sorted(by_wheel)))
    for dist_info, files in _by_owner(rows).items():
        record = f"{layout.site}/{dist_info}/RECORD"
        _write(prefix / record, _record(files, record, layout).encode(), 0o644)


def _by_owner(groups: list[list[tuple[str, str, str, int]]]) -> dict[str, list[tuple[str, str, int]]]:
    owners: dict[str, list[tuple[str, str, int]]] = {}
    for group in groups:
        for dist_info, target, digest, size in group:
            owners.setdefault(dist_info, []).append((target, digest, size))
    return owners


def _entries(name: str, path: Path, layout: Layout) -> Iterator[Entry]:
    try:
        with zipfile.ZipFile(str(path)) as wheel:
            members = [i.filename for i in wheel.infolist() if not i.filename.endswith("/")]
            dist_info = _dist_info(name, members)
            _check_version(name, wheel.read(f"{dist_info}/WHEEL").decode())
            entry_points = f"{dist_info}/entry_points.txt"
            points = wheel.read(entry_points).decode() if entry_points in members else ""
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError) as error:
        raise WheelError(f"{name}: not a wheel: {error}") from error
    yield from _member_entries(name, dist_info, members, layout)
    yield from _script_entries(name, dist_info, points, layout)
    installer = f"{layout.site}/{dist_info}/INSTALLER"
    yield Entry(installer, name, dist_info, text="aac-tasks\n")


def _dist_info(name: str, members: list[str]) -> str:
    found = {m.split("/", 1)[0] for m in members if m.split("/", 1)[0].endswith(".dist-info")}
    if len(found) != 1:
        raise WheelError(f"{name}: expected one .dist-info folder, found {sorted(found) or 'none'}")
    return found.pop()


def _check_version(name: str, text: str) -> None:
    found = re.search(r"^Wheel-Version:\s*(\S+)", text, re.MULTILINE)
    if not found or found.group(1).split(".")[0] != "1":
        raise WheelError(f"{name}: wheel version {found.group(1) if found else 'missing'} is not known; expected 1.x")


def _member_entries(name: str, dist_info: str, members: list[str], layout: Layout) -> Iterator[Entry]:
    data = dist_info[: -len(".dist-info")] + ".data"
    left_out = {f"{dist_info}/{n}" for n in LEFT_OUT}
    schemes = {
        "purelib": layout.site,
        "platlib": layout.site,
        "scripts": "bin",
        "data": "",
        "headers": f"include/python{layout.version}/{dist_info.split('-', 1)[0]}",
    }
    for member in members:
        parts = member.split("/")
        if "\\" in member or "\0" in member or any(p in ("", ".", "..") for p in parts):
            raise WheelError(f"{name}: {member!r} would be written outside of the folder it belongs to")
        if member in left_out or "__pycache__" in parts:
            continue
        if parts[0] != data:
            yield Entry(f"{layout.site}/{member}", name, dist_info, member)
        elif len(parts) < 3 or parts[1] not in schemes:
            raise WheelError(f"{name}: {member!r} is of no known kind; expected one of {', '.join(sorted(schemes))}")
        else:
            target = posixpath.join(schemes[parts[1]], *parts[2:])
            yield Entry(target, name, dist_info, member, script=parts[1] == "scripts")


def _script_entries(name: str, dist_info: str, points: str, layout: Layout) -> Iterator[Entry]:
    parser = configparser.ConfigParser(delimiters=("=",), strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        parser.read_string(points)
    except configparser.Error as error:
        raise WheelError(f"{name}: entry_points.txt can't be read: {error}") from error
    for section in ("console_scripts", "gui_scripts"):
        for script, value in sorted(parser.items(section) if parser.has_section(section) else ()):
            found = ENTRY.fullmatch(value.strip())
            if not found or not re.fullmatch(r"[\w.-][\w. -]*", script) or script in (".", ".."):
                raise WheelError(f"{name}: entry point {script!r} = {value!r} is not NAME = MODULE:FUNCTION")
            attribute = found.group("attribute")
            text = SCRIPT.format(
                interpreter=layout.interpreter,
                module=found.group("module"),
                first=attribute.split(".")[0],
                attribute=attribute,
            )
            yield Entry(f"bin/{script}", name, dist_info, text=text, script=True)


def _make_folders(prefix: Path, entries: Mapping[str, Entry]) -> None:
    wanted = {posixpath.dirname(t) for t in entries}
    for folder in sorted(wanted):
        path = prefix
        for part in ("", *folder.split("/")):
            path = path / part
            if not path.is_dir():
                path.mkdir(parents=True)
                path.chmod(0o755)  # whatever the umask is


def _unpack(
    path: Path, entries: list[Entry], prefix: Path, layout: Layout
) -> list[tuple[str, str, str, int]]:
    rows = []
    with zipfile.ZipFile(str(path)) as wheel:
        for entry in entries:
            if entry.member:
                data, executable = wheel.read(entry.member), bool(wheel.getinfo(entry.member).external_attr >> 16 & 0o111)
            else:
                data, executable = entry.text.encode(), False
            if entry.script:
                data, executable = _shebang(data, layout.interpreter), True
            _write(prefix / entry.target, data, 0o755 if executable else 0o644)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            rows.append((entry.dist_info, entry.target, f"sha256={digest}", len(data)))
    return rows


def _shebang(data: bytes, interpreter: str) -> bytes:
    """``#!python`` of a wheel's script becomes the image's interpreter, as the format asks for."""
    return re.sub(rb"\A#!pythonw?(?=[ \t\r\n])", lambda _: b"#!" + interpreter.encode(), data)


def _write(path: Path, data: bytes, mode: int) -> None:
    path.write_bytes(data)
    path.chmod(mode)


def _record(files: list[tuple[str, str, int]], record: str, layout: Layout) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for target, digest, size in sorted([*files, (record, "", -1)]):
        writer.writerow((posixpath.relpath(target, layout.site), digest, size if size >= 0 else ""))
    return out.getvalue()


def main(argv: list[str]) -> int:
    """``WHEELS PREFIX VERSION INTERPRETER``: unpack every wheel of the folder WHEELS."""
    wheels, prefix, version, interpreter = argv
    try:
        install({p.name: p for p in Path(wheels).glob("*.whl")}, Path(prefix), version, interpreter)
    except WheelError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
