"""The manifest of one command line: every file its outcome rests on, by agent, so that ``fast.py`` can answer with stats alone
and a run after an edit concerns itself with those agents only whose files changed.

It speaks of agents whose steps succeeded and whose inputs are older than the run's first look at anything: an edit during
the run must not be taken for what was built.
"""

from __future__ import annotations

import array
import contextlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from aac_tasks.errors import StepError
from aac_tasks.fast import ABSENT, HEAD, LOOKS, PRESENT, Look, engine_has, identity_line, manifest_name
from aac_tasks.state.digests import RACY_NS, identity
from aac_tasks.state.root import StateFolder, write_atomically
from aac_tasks.state.watch import ABSENT as ABSENT_TEXT
from aac_tasks.state.watch import PRESENT as PRESENT_TEXT

Numbers = tuple[int, int, int, int]
"""mtime and ctime in nanoseconds, size, inode."""

GONE: Numbers = (0, 0, 0, ABSENT)
THERE: Numbers = (0, 0, 0, PRESENT)
NEVER: Numbers = (0, 0, 0, 1)
"""What no file has. Of the empty path, which is never there: nothing may be concluded of whoever rests on it."""

LISTED = -1
"""Whose the folders are that were listed: not an agent's."""


@dataclass(frozen=True)
class AgentEvidence:
    """What the outcome of one agent rests on. ``seen`` maps a path to its numbers when it was read, or was written.

    ``folder`` and ``file`` are relative to the state root; ``said`` is printed next time; ``steps`` is for doit's door;
    ``images`` are (socket, name, id) in container engines.
    """

    name: str
    folder: str
    file: str
    seen: Mapping[str, Numbers]
    said: str = ""
    steps: tuple[str, ...] = ()
    images: tuple[tuple[str, str, str], ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether stats can vouch for it."""
        return "" not in self.seen


@dataclass(frozen=True)
class Evidence:
    """What a run rests on: ``common`` to all agents, folders that were ``listed`` to find them, and each of them.

    ``said`` speaks for all.
    """

    common: Mapping[str, Numbers]
    listed: Mapping[str, Numbers]
    agents: tuple[AgentEvidence, ...]
    said: str


@dataclass(frozen=True)
class Untouched:
    """What an earlier run of the same command line knows: agents of which nothing changed, here without what they rest on.

    ``listed``: nor did any folder that was listed to find agents, so that there can be no others, but in the ``doubted`` ones.
    """

    agents: tuple[AgentEvidence, ...] = ()
    doubted: tuple[str, ...] = ()
    listed: bool = False
    read: Callable[[], Evidence] = lambda: Evidence({}, {}, (), "")

    @cached_property
    def evidence(self) -> Evidence:
        """The whole of it, tens of thousands of paths: for the next manifest, when what was to be done is done."""
        read, names = self.read(), {agent.name for agent in self.agents}
        return replace(read, agents=tuple(agent for agent in read.agents if agent.name in names))

    def without(self, names: Collection[str]) -> Untouched:
        """The same, but for these agents."""
        return replace(self, agents=tuple(agent for agent in self.agents if agent.name not in names))


def numbers_of(seen: Mapping[str, str], started_ns: int) -> Mapping[str, Numbers] | None:
    """Identities as numbers; None when one was touched since shortly before ``started_ns``: perhaps after it was read."""
    found: dict[str, Numbers] = {}
    for path, ident in seen.items():
        if ident in (ABSENT_TEXT, PRESENT_TEXT):
            found[path] = GONE if ident == ABSENT_TEXT else THERE
            continue
        mtime, ctime, size, inode = map(int, ident.split(":"))
        if max(mtime, ctime) > started_ns - RACY_NS:
            return None
        found[path] = (mtime, ctime, size, inode)
    return found


def described(paths: Iterable[Path]) -> Iterator[tuple[str, Numbers]]:
    """Files of ours, as they are now."""
    for path in paths:
        try:
            yield str(path), identity(os.stat(path))  # noqa: PTH116
        except OSError:
            yield str(path), GONE


def write_manifest(state: StateFolder, arguments: list[str], evidence: Evidence) -> bool:
    """Write it when at least one agent can be trusted; whether it was written."""
    name = manifest_name(arguments)
    if not name:
        return False
    path = state.path / "manifest" / name
    with contextlib.suppress(OSError):
        path.unlink()
    if not any(agent.is_settled for agent in evidence.agents):
        return False
    data = _text(evidence, str(state.root))
    if data is None:
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except (OSError, StepError):  # no room, or no leave to write: the next run looks for itself
        return False
    return True


def _text(evidence: Evidence, root: str) -> bytes | None:
    """The manifest's bytes; None when a name has a line's end in it."""
    sections = _sections(evidence)
    entries = [entry for _, members in sections for entry in members]
    inside = root.rstrip("/") + "/"
    paths = "\n".join(path.removeprefix(inside) for path, _ in entries).encode("utf-8", "surrogateescape")
    if paths.count(b"\n") != max(0, len(entries) - 1):
        return None
    numbers = array.array("q", [number for _, four in entries for number in four]).tobytes()
    lines = (
        identity_line(),
        evidence.said.replace("\n", "\x1e"),
        _grouped(step for agent in evidence.agents for step in agent.steps),
        "\x1e".join("\0".join((*image, agent.name)) for agent in evidence.agents for image in agent.images),
        "\x1e".join("\0".join((str(len(members)), *map(str, owners))) for owners, members in sections),
        "\x1e".join("\0".join((a.name, a.folder, a.file, a.said, "\x1f".join(a.steps))) for a in evidence.agents),
    )
    if any("\n" in line for line in lines[1:]):
        return None
    rest = "\n".join(lines).encode("utf-8", "surrogateescape") + b"\n" + paths + b"\n" + numbers
    head = f"{HEAD}\n{{}} {len(paths)} {len(entries)}\n"
    length = len(head) - 2 + len(rest)
    length += len(str(length + len(str(length))))
    return head.format(length).encode() + rest


def _grouped(steps: Iterable[str]) -> str:
    """Groups with the names of the agents that have such a step: who asks for groups alone reads a dozen words, not thousands."""
    groups: dict[str, list[str]] = {}
    for step in steps:
        group, _, agent = step.partition(":")
        groups.setdefault(group, [group]).append(agent)
    return "\x1e".join(map("\x1f".join, groups.values()))


def _sections(evidence: Evidence) -> list[tuple[tuple[int, ...], list[tuple[str, Numbers]]]]:
    """Paths by whom they belong to: agents' positions, none for what is common. Nothing is in two of them."""
    seen, owners = dict(evidence.listed), dict.fromkeys(evidence.listed, (LISTED,))
    for number, agent in enumerate(evidence.agents):
        for path, numbers in agent.seen.items():
            if seen.setdefault(path, numbers) != numbers:  # it changed between two looks
                seen[path] = NEVER
            owners[path] = (*owners.get(path, ()), number)
    found: dict[tuple[int, ...], list[tuple[str, Numbers]]] = {(): list(evidence.common.items())}
    for path, whose in owners.items():
        if path not in evidence.common and (seen[path] != GONE or not _folder_tells(path, seen)):
            found.setdefault(whose, []).append((path, seen[path]))
    return list(found.items())


def _folder_tells(path: str, seen: Mapping[str, Numbers]) -> bool:
    """Whether what is not there can't come without a change of a folder that is looked at anyway (a dangling link can)."""
    while path and not os.path.lexists(path):
        path = path.rpartition("/")[0]
        if path in seen and seen[path] not in (GONE, NEVER):
            return True
    return False


def recall(arguments: list[str]) -> Untouched | None:
    """What still holds of the manifest that this process looked at; None when there was none, or all is in doubt."""
    look = LOOKS.pop(manifest_name(arguments), None)  # once: the next run looks anew
    try:
        return None if look is None else _recalled(look)
    except (ValueError, IndexError):  # damaged
        return None


def _recalled(look: Look) -> Untouched | None:
    changed, sections = set(look.changed), list(_owned(look))
    doubted: set[int] = set()
    for owners, span in sections:
        if not changed.isdisjoint(span):
            if not owners:
                return None
            doubted.update(owners)
    listed = LISTED not in doubted
    doubted.discard(LISTED)
    names = [record.split("\0") for record in look.agents.split("\x1e") if record]
    if any(owner >= len(names) for owners, _ in sections for owner in owners):
        raise IndexError("no such agent")
    gone = {image[3] for image in look.images if not engine_has(*image[:3])}
    doubted.update(number for number, record in enumerate(names) if record[0] in gone)
    if len(doubted) == len(names):
        return None
    images: dict[str, list[tuple[str, str, str]]] = {}
    for image in look.images:
        images.setdefault(image[3], []).append((image[0], image[1], image[2]))
    agents: dict[int, AgentEvidence] = {}
    for number, (name, folder, file, said, steps) in enumerate(names):
        if number not in doubted:
            agents[number] = AgentEvidence(name, folder, file, {}, said, tuple(steps.split("\x1f")), tuple(images.get(name, ())))
    folders = tuple(names[number][1] for number in sorted(doubted))
    wanted = {LISTED, *agents} if listed else set(agents)
    return Untouched(tuple(agents.values()), folders, listed, lambda: _evidence(look, sections, wanted, agents))


def _evidence(
    look: Look, sections: list[tuple[tuple[int, ...], range]], wanted: set[int], agents: Mapping[int, AgentEvidence]
) -> Evidence:
    """What ``agents`` (by their position) rest on, and what is ``wanted`` beside them."""
    entries = list(_entries(look))
    common: dict[str, Numbers] = {}
    seen: dict[int, dict[str, Numbers]] = {number: {} for number in (LISTED, *agents)}
    for owners, span in sections:
        for one in [seen[o] for o in owners if o in wanted] if owners else [common]:
            one.update(entries[span.start : span.stop])
    return Evidence(common, seen[LISTED], tuple(replace(agent, seen=seen[n]) for n, agent in agents.items()), "")


def _owned(look: Look) -> Iterator[tuple[tuple[int, ...], range]]:
    start = 0
    for section in look.sections.split("\x1e"):
        count, *owners = map(int, section.split("\0"))
        yield tuple(owners), range(start, start + count)
        start += count


def _entries(look: Look) -> Iterator[tuple[str, Numbers]]:
    inside = look.root.rstrip("/") + "/"
    paths, numbers = look.entries()
    rest = iter(numbers)
    for raw, mtime, ctime, size, inode in zip(paths, rest, rest, rest, rest, strict=False):
        path = os.fsdecode(raw)
        yield (path if path[:1] in ("/", "") else inside + path), (mtime, ctime, size, inode)
