"""Start a program of an unpacked image without changing the root: through the image's own loader.

Paths that the image says absolutely (in its arguments and environment) are turned into places below its root. What a
program opens by an absolute path of its own is the host's; that is the price of having no isolation at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners.elf import interpreter_of, script_of
from aac_plugins.runners.launch import DEFAULT_PATH
from aac_plugins.runners.paths import resolve_in
from aac_tasks.errors import StepError

LIBRARIES = ("/usr/local/lib", "/lib", "/usr/lib", "/lib64", "/usr/lib64")
SCRIPTS = 4
"""How many ``#!`` lines may lead to each other (Linux's own limit, execve(2))."""


class NotInImageError(StepError):
    """A program that the image does not have."""


@dataclass(frozen=True)
class Loaded:
    """A program ready to start on the host: ``argv`` begins with the image's loader, or the static program itself."""

    argv: tuple[str, ...]
    program: str
    """The program's path inside the image."""


def load(root: Path, argv: tuple[str, ...], env: Mapping[str, str]) -> Loaded:
    """How to start ``argv`` of the image.

    Raises:
        StepError: the program is not in the image, or its loader is not.
    """
    program = find(root, argv[0], env.get("PATH", DEFAULT_PATH))
    rest = [map_value(root, word) for word in argv[1:]]
    for _ in range(SCRIPTS):
        place = resolve_in(root, program)
        wanted = interpreter_of(place)
        if wanted is not None:
            return Loaded(_start(root, program, place, wanted, rest), program)
        words = script_of(place)
        if not words:
            raise StepError(f"{program} in the image is neither a program nor a script")
        rest = [*words[1:], str(root) + program, *rest]
        program = find(root, words[0], env.get("PATH", DEFAULT_PATH))
        if program.endswith("/env") and rest and not rest[0].startswith("-"):  # #!/usr/bin/env python3
            program = find(root, rest[0], env.get("PATH", DEFAULT_PATH))
            rest = rest[1:]
    raise StepError(f"{argv[0]} in the image is a script of scripts of scripts")


def find(root: Path, name: str, path: str) -> str:
    """A program's absolute path inside the image, looked for as execvp(3) would."""
    candidates = [name] if "/" in name else [f"{folder}/{name}" for folder in path.split(":") if folder]
    for candidate in candidates:
        if resolve_in(root, candidate).is_file():
            return candidate if candidate.startswith("/") else f"/{candidate}"
    raise NotInImageError(f"program {name!r} is not in the image", hint="check spec.entrypoint")


def _start(root: Path, program: str, place: Path, wanted: str, rest: list[str]) -> tuple[str, ...]:
    if not wanted:
        named = Path(str(root) + program)  # a program of many names (busybox) looks at the one it was called by
        same = named.exists() and named.samefile(place)
        return (str(named if same else place), *rest)
    interpreter = resolve_in(root, wanted)
    if not interpreter.is_file():
        raise StepError(f"{program} needs the loader {wanted}, which is not in the image")
    options: tuple[str, ...] = ("--library-path", ":".join(_libraries(root)))
    known = interpreter.read_bytes()
    if b"--inhibit-cache" in known:  # glibc, not musl: the host's cache names the host's libraries
        options = ("--inhibit-cache", *options)
    if b"--argv0" in known:  # glibc 2.33, musl 1.2.2
        options = (*options, "--argv0", str(root) + program)
    return (str(interpreter), *options, str(place), *rest)


def _libraries(root: Path) -> Iterator[str]:
    for folder in LIBRARIES:
        place = resolve_in(root, folder)
        if place.is_dir():
            yield from (str(p) for p in sorted(place.glob("*-linux-*")) if p.is_dir())
            yield str(place)


def map_value(root: Path, value: str) -> str:
    """``value``, with each part between colons that is a path in the image turned into its place on the host."""
    return ":".join(_map(root, part) for part in value.split(":"))


def _map(root: Path, part: str) -> str:
    if not part.startswith("/") or part.startswith("//") or part == "/":
        return part
    inside = resolve_in(root, part)
    return str(root) + part if inside.exists() else part


def home_of_python(root: Path, program: str) -> Path | None:
    """What PYTHONHOME must say for the image's Python, None when ``program`` is not Python."""
    name = program.rpartition("/")[2]
    if not name.startswith("python"):
        return None
    folder = str(resolve_in(root, program).parent)
    return Path(folder).parent if folder.endswith("/bin") else None
