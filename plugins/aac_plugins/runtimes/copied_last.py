"""Whether an author's own Dockerfile ends by copying files of the build context into the image, and what is left without that.

Such files are all that most edits touch. Where it is plain which they are, an engine builds the rest once and no more
(docs/adr/0025). Anything else in the file, or a word that only the engine can expand, and it is left whole.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from aac_plugins.runtimes.dockerfile_lines import Line, directives, instructions
from aac_tasks.contracts.recipe import Copy, DockerfileLayers

_SETTINGS = frozenset(("ENV", "USER", "CMD", "ENTRYPOINT", "EXPOSE", "LABEL", "HEALTHCHECK", "STOPSIGNAL", "MAINTAINER", "ARG"))
"""They change no file, so it does not matter whether files are copied before or after them."""

_KNOWN = _SETTINGS | {"FROM", "RUN", "COPY", "ADD", "WORKDIR", "SHELL", "VOLUME"}
_FLAG = re.compile(r"--([a-z-]+)(?:=(\S*))?\s+")
_STAGE = re.compile(r"FROM\s+(?:--\S+\s+)*\S+(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_READER = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:[:@].*)?")
_URL = re.compile(r"(?:https?|git|ssh)://|git@")
_STRANGE = re.compile("[$\\\\\"'<>\\[\\]`]")
"""In a word: variables, quotes, here-documents, classes of characters."""

_ENDS = re.compile("\r(?!\n)|[\v\f\x1c-\x1e\x85\u2028\u2029]")
"""What Python takes for the end of a line, and BuildKit does not."""


class _NotPlainError(Exception):
    """It takes an engine to say what this line means."""


@dataclass(frozen=True)
class _Copying:
    """``COPY`` or ``ADD``, taken apart."""

    flags: Mapping[str, str]
    sources: tuple[str, ...]
    target: str


def taken_apart(own: DockerfileLayers) -> DockerfileLayers:
    """The same with its last copies told apart (`DockerfileLayers.copies`), or as it is."""
    try:
        upto, last = _until(own)
        number = next((n for n, line in enumerate(reversed(last)) if not _passes(line)), len(last))
        tail = last[len(last) - number :]
        copies = tuple(_copy(line) for line in tail if line.word == "COPY")
        rest = [line for line in upto if line not in tail]
        reads = tuple(sorted({source for line in rest for source in _reads(line)}))
    except _NotPlainError:
        return own
    if not copies or _is_empty(rest):
        return own
    lines = own.text.split("\n")
    for line in tail:
        if line.word == "COPY":
            lines[line.number - 1 : line.end] = [""] * (line.end + 1 - line.number)  # the others keep their numbers
    return replace(own, rest="\n".join(lines), reads=reads, copies=copies)


def _until(own: DockerfileLayers) -> tuple[list[Line], list[Line]]:
    """All instructions up to the end of the stage that is built, and those of that stage."""
    readers = [found[2] for _, found in directives(own.text) if found[1].lower() == "syntax"]
    lines = list(instructions(own.text))
    starts = [number for number, line in enumerate(lines) if line.word == "FROM"]
    named = [n for n, start in enumerate(starts) if own.target and _stage(lines[start]) == own.target.lower()]
    wanted = named if own.target else range(len(starts))[-1:]
    if _ENDS.search(own.text) or not all(map(_READER.fullmatch, readers)) or len(wanted) != 1:
        raise _NotPlainError
    if not all(line.word in _KNOWN for line in lines):
        raise _NotPlainError
    end = [*starts, len(lines)][wanted[0] + 1]
    return lines[:end], lines[starts[wanted[0]] + 1 : end]


def _stage(line: Line) -> str:
    found = _STAGE.fullmatch(line.text)
    return (found[1] or "").lower() if found else ""


def _is_empty(lines: Sequence[Line]) -> bool:
    """Whether nothing is left of the last stage, of which not every engine makes an image."""
    start = max(number for number, line in enumerate(lines) if line.word == "FROM")
    made = any(line.word not in _SETTINGS for line in lines[start + 1 :])
    return not made and "scratch" in lines[start].text.lower().split()


def _passes(line: Line) -> bool:
    """Whether the line can be moved before, or after, the copies that follow it."""
    if line.word in _SETTINGS:
        return True
    try:
        return line.word == "COPY" and bool(_copy(line))
    except _NotPlainError:
        return False


def _copy(line: Line) -> Copy:
    copying = _taken_apart(line)
    if not copying.flags.keys() <= {"chown", "chmod"} or any(_STRANGE.search(f) for f in copying.flags.values()):
        raise _NotPlainError
    if not re.fullmatch("[0-7]{3,4}|", copying.flags.get("chmod", "")):
        raise _NotPlainError
    sources = tuple(_source(source) for source in copying.sources)
    return Copy(sources, _plain(copying.target), copying.flags.get("chown", ""), copying.flags.get("chmod", ""))


def _reads(line: Line) -> Iterator[str]:
    """What a line that stays reads of the build context; all of it is too much to tell anything apart."""
    sources: Sequence[str] = ()
    if line.word in ("COPY", "ADD"):
        copying = _taken_apart(line)
        sources = () if "from" in copying.flags else copying.sources
    elif line.word == "RUN":
        sources = tuple(_mounted(line))
    for source in sources:
        if line.word == "ADD" and _URL.match(source):
            continue
        if not (place := _source(source)).strip("*?./"):
            raise _NotPlainError
        yield place


def _mounted(line: Line) -> Iterator[str]:
    """Files and folders of the build context that a command gets to see."""
    for mount in re.findall(r"--mount=(\S+)", line.text):
        said = dict(part.partition("=")[::2] for part in mount.split(","))
        if said.get("type", "bind") == "bind" and "from" not in said:
            yield said.get("source") or said.get("src") or "."


def _taken_apart(line: Line) -> _Copying:
    text, flags = line.text.split(None, 1)[1] if " " in line.text.strip() else "", {}
    while found := _FLAG.match(text):
        flags[found[1]] = found[2] or "true"
        text = text[found.end() :]
    words = _words(text.strip())
    if len(words) < 2:
        raise _NotPlainError
    return _Copying(flags, tuple(words[:-1]), words[-1])


def _words(text: str) -> list[str]:
    if not text.startswith("["):
        return text.split()
    try:
        words = json.loads(text)
    except ValueError:
        raise _NotPlainError from None
    return [str(word) for word in words]


def _source(word: str) -> str:
    """Relative to the build context's root, which is ``.``."""
    return posixpath.normpath(_plain(word).lstrip("/") or ".")


def _plain(word: str) -> str:
    if not word or _STRANGE.search(word) or ".." in word.split("/"):
        raise _NotPlainError
    return word
