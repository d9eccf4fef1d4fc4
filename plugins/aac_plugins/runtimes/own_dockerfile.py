"""The images that an author's own Dockerfile names by tag, and the same text with digests in their place.

``# syntax`` names an image too, the program that reads all the rest; arguments count that stand before the first FROM. Left as
they are: ``scratch``, stages, what has a digest, and ``localhost/NAME``, which is no registry's image but one that the author put
into the engine.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from aac_plugins.runtimes.dockerfile_lines import Line, directives, instructions
from aac_tasks.contracts.image import ImageRef

_FROM = re.compile(r"FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_ARGUMENT = re.compile(r"([A-Za-z_]\w*)(?:=(\"[^\"]*\"|'[^']*'|\S*))?")
_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:(:?[-+])([^${}]*))?\})")
_FLAGS = re.compile(r"\w+(?:\s+--\S+)*")
_OTHER = re.compile(r"--(?:from=|mount=\S*?\bfrom=)([^,\s]+)")

PLATFORM_ARGUMENTS = frozenset(
    f"{side}{what}" for side in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "ARCH", "VARIANT", "OSVERSION")
)
"""Arguments that the engine fills in (https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope)."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PREDEFINED = frozenset({*_PROXIES, *map(str.lower, _PROXIES), "SOURCE_DATE_EPOCH"})
"""Arguments that need no ARG (https://docs.docker.com/reference/dockerfile/#predefined-args), beside BuildKit's own."""


@dataclass(frozen=True)
class Named:
    """An image in a Dockerfile: its full reference, and the text ``[start:end]`` that names it."""

    reference: str
    start: int
    end: int


@dataclass
class OwnDockerfile:
    """What a Dockerfile says about where it starts from. ``problems`` hold line and message of names that can't be read.
    ``declared`` are the arguments of its ARG lines, which may be all that it takes unless its syntax is ``foreign``.
    """

    text: str
    args: Mapping[str, str]
    images: list[Named] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    declared: set[str] = field(default_factory=set)
    foreign: bool = False
    _stages: list[str] = field(default_factory=list)
    _values: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        begun = False
        for line, found in directives(self.text):
            if found[1].lower() == "syntax":
                self._take(line, found[2], found.span(2))
                self.foreign = "dockerfile" not in found[2]
        for line in instructions(self.text):
            word = line.word
            if word == "FROM":
                begun = True
                self._from(line)
            elif word == "ARG":
                self._argument(line, counts=not begun)
            elif word in ("COPY", "ADD", "RUN"):
                flags = _FLAGS.match(line.text)
                for other in _OTHER.finditer(line.text, 0, flags.end() if flags else 0):
                    self._other(line, other)

    @property
    def references(self) -> tuple[str, ...]:
        """Each image once, sorted."""
        return tuple(sorted({one.reference for one in self.images}))

    def pinned(self, pins: Mapping[str, str]) -> str:
        """The text with each name replaced by what ``pins`` has for it."""
        text = self.text
        for one in reversed(self.images):
            text = text[: one.start] + pins.get(one.reference, text[one.start : one.end]) + text[one.end :]
        return text

    def unread(self) -> Iterator[tuple[str, str]]:
        """Arguments that are given and declared by no ARG line, which an engine passes over with a remark; and what to do."""
        for name in () if self.foreign or not self.text else self.args:
            if name not in self.declared | PREDEFINED and not name.startswith("BUILDKIT_"):
                there = f"it declares {', '.join(sorted(self.declared))}" if self.declared else "it declares none"
                near = difflib.get_close_matches(name, self.declared, n=1)
                yield name, f"no ARG {name}{f'; did you mean {near[0]!r}?' if near else ''} ({there})"

    def _argument(self, line: Line, *, counts: bool) -> None:
        found = _ARGUMENT.findall(line.text.split(None, 1)[1] if " " in line.text.strip() else "")
        self.declared.update(name for name, _ in found)
        for name, said in found if counts else ():
            value = self.args.get(name, said.strip("\"'") if said else None)
            expanded = None if value is None else self._expanded(value)
            if isinstance(expanded, str):
                self._values[name] = expanded

    def _from(self, line: Line) -> None:
        found = _FROM.match(line.text)
        if not found:  # the engine says better what is wrong with it
            return
        name = self._expanded(found[1].strip("\"'"))
        if isinstance(name, str):
            self._take(line, name, found.span(1))
        elif not (PLATFORM_ARGUMENTS.issuperset(name) and self._may_be_stage(found[1])):
            self.problems.append((line.number, f"FROM {found[1]}: {_unknown(name)}"))
        if found[2]:
            self._stages.append(found[2].lower())

    def _other(self, line: Line, found: re.Match[str]) -> None:
        if "$" not in found[1] and not found[1].isdigit():
            self._take(line, found[1].strip("\"'"), found.span(1))

    def _take(self, line: Line, name: str, written: tuple[int, int]) -> None:
        if name == "scratch" or name.lower() in self._stages or "@" in name or name.startswith("localhost/"):
            return
        try:
            reference = str(ImageRef.parse(name))
        except ValueError as error:
            self.problems.append((line.number, f"{line.text[slice(*written)]}: {error}; expected as in python:3.13-slim"))
            return
        self.images.append(Named(reference, *line.span(*written)))

    def _expanded(self, text: str) -> str | list[str]:
        """The text with its arguments' values, or the names of those that have none."""
        missing: list[str] = []

        def value(found: re.Match[str]) -> str:
            name, how, other = found[1] or found[2], found[3] or "", found[4] or ""
            known = self._values.get(name)
            there = bool(known) if how.startswith(":") else known is not None
            if how.endswith("+"):
                return other if there else ""
            if not there and how.endswith("-") and name not in PLATFORM_ARGUMENTS:
                return other
            if known is None or "$" in known:
                missing.append(name)
            return known or ""

        expanded = _VARIABLE.sub(value, text)
        return missing if missing else ["$"] if "$" in expanded else expanded

    def _may_be_stage(self, text: str) -> bool:
        """``base-${TARGETARCH}`` beside a stage ``base-amd64``."""
        parts = [re.escape(part) for part in _VARIABLE.sub("\0", text.lower()).split("\0")]
        return any(re.fullmatch(".+".join(parts), stage) for stage in self._stages)


def _unknown(missing: Sequence[str]) -> str:
    name = missing[0]
    if name in PLATFORM_ARGUMENTS:
        return f"which image that is depends on {name}, so it can't be locked; write an image of several platforms, or its digest"
    if name == "$":
        return "which image that is can't be read; write its name, or ${NAME} of an ARG before the first FROM"
    return f"the build argument {name} has no value; name it in build.args, or give ARG {name} a default before the first FROM"
