"""Files that an author's own Dockerfile copies last, as a layer that no engine has to make (docs/adr/0025).

`COPY` as BuildKit has it (https://docs.docker.com/reference/dockerfile/#copy). What it would do depends on what is in the image
already; where that is more than folders and files, `NotPlainError` leaves it to the engine.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aac_plugins.oci.layer import Entry
from aac_plugins.oci.lookup import Look, account, look
from aac_plugins.oci.sources import context_entries
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.context import ContextFile
    from aac_tasks.contracts.recipe import Copy
    from aac_tasks.contracts.roles import BaseImage
    from aac_tasks.contracts.tools import Tools

UNREAD = ".aac-read-by-nobody"
"""A file of the build context that an engine gets for the rest of a Dockerfile. Where it is in the image, something copied all of
the context: a trigger of the base's (ONBUILD), which no line tells of.
"""

Placed = tuple[Entry, "ContextFile | None"]
"""What is in the layer, and the file that it is made from."""


class NotPlainError(Exception):
    """It takes an engine to say what would be copied where."""


def placed(copies: Sequence[Copy], image: BaseImage, files: Sequence[ContextFile], tools: Tools) -> list[Placed]:
    """What the copies put into the image, folders on the way included. NotPlainError where that can't be told."""
    targets = [_target(copy, image) for copy in copies]
    known = look(image.layers, targets, (UNREAD,), tools)
    if known.names:
        raise NotPlainError
    tree = _Tree(known)
    for copy, target in zip(copies, targets, strict=True):
        _Copying(copy, target, files, tree).run()
    return [tree.made[path] for path in sorted(tree.made)]


def read_of(files: Sequence[ContextFile], reads: Sequence[str]) -> tuple[ContextFile, ...]:
    """Those of the build context's files that ``reads`` name, and what is below them; rather one too many."""
    names = [re.compile(re.sub(r"(?:\\[*?])+", ".*", re.escape(name)) + "(?:/.*)?") for name in reads]
    return tuple(file for file in files if any(name.fullmatch(file.path) for name in names))


def _target(copy: Copy, image: BaseImage) -> str:
    """Absolute; ends in ``/`` where it is to be a folder."""
    joined = posixpath.normpath(posixpath.join("/", image.config.working_dir or "/", copy.target)).replace("//", "/")
    is_folder = copy.target.endswith(("/", "/.")) or copy.target == "."
    return f"{joined.rstrip('/')}/" if is_folder else joined


class _Tree:
    """The image's files near the targets, and what is laid over them."""

    def __init__(self, known: Look) -> None:
        self.known = known
        self.made: dict[str, Placed] = {}

    def kind(self, path: str) -> str:
        """What is at a path; "" for nothing."""
        if path in self.made:
            return self.made[path][0].type
        place = self.known.places.get(path)
        return place.kind if place else ""

    def put(self, entry: Entry, file: ContextFile | None) -> None:
        """Lay something over what is there; a folder that is there stays as it is."""
        self._enter(posixpath.dirname(entry.path), entry)
        there = self.kind(entry.path)
        if entry.type == "dir" and there == "dir":
            self._keep(entry.path)
        elif there not in ("", "file") or (there and entry.type == "dir"):
            raise NotPlainError
        else:
            self.made[entry.path] = entry, file

    def _enter(self, folder: str, entry: Entry) -> None:
        if not folder:
            return
        self._enter(posixpath.dirname(folder), entry)
        there = self.kind(folder)
        if there == "dir":
            self._keep(folder)
        elif there:
            raise NotPlainError
        else:
            self.made[folder] = Entry(folder, "dir", 0o755, uid=entry.uid, gid=entry.gid), None

    def _keep(self, folder: str) -> None:
        if folder not in self.made:
            place = self.known.places[folder]
            self.made[folder] = Entry(folder, "dir", place.mode, uid=place.uid, gid=place.gid), None


class _Copying:
    """One instruction."""

    def __init__(self, copy: Copy, target: str, files: Sequence[ContextFile], tree: _Tree) -> None:
        self._copy = copy
        self._target = target
        self._files = files
        self._tree = tree
        self._owner = _owner(copy.owner, tree.known)

    def run(self) -> None:
        """Each source after the other, as they stand there."""
        matches = [match for source in self._copy.sources for match in self._matches(source)]
        if len(matches) > 1 and not self._target.endswith("/"):
            raise NotPlainError
        for match in matches:
            single = next((file for file in self._files if file.path == match and file.type != "dir"), None)
            if single is None:
                self._folder(match)
            elif single.type == "link":
                raise NotPlainError  # the engine copies what it leads to
            else:
                self._put(single, self._place_of(match))

    def _place_of(self, match: str) -> str:
        place = self._target.strip("/")
        into = self._target.endswith("/") or self._tree.kind(place) == "dir"
        return posixpath.join(place, posixpath.basename(match)) if into else place

    def _folder(self, match: str) -> None:
        """What is in a folder, not the folder."""
        place = self._target.strip("/")
        if place:
            self._tree.put(self._owned(Entry(place, "dir", 0o755)), None)
        above = "" if match == "." else f"{match}/"
        for file in self._files:
            if file.path.startswith(above):
                self._put(file, posixpath.join(place, file.path[len(above) :]))

    def _put(self, file: ContextFile, place: str) -> None:
        try:
            (entry,) = context_entries([replace(file, path=place)], "/")[-1:]
        except StepError as error:  # a link that leads out
            raise NotPlainError from error
        self._tree.put(self._owned(entry), file)

    def _owned(self, entry: Entry) -> Entry:
        mode = int(self._copy.mode, 8) if self._copy.mode and entry.type != "symlink" else entry.mode
        return replace(entry, mode=mode, uid=self._owner[0], gid=self._owner[1])

    def _matches(self, source: str) -> Iterator[str]:
        """The files and folders that a source names; NotPlainError where there are none."""
        if source == ".":
            yield source
            return
        depth = source.count("/") + 1
        pattern = re.compile(re.escape(source).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))
        heads = {"/".join(file.path.split("/")[:depth]) for file in self._files if file.path.count("/") + 1 >= depth}
        found = sorted(head for head in heads if pattern.fullmatch(head))
        if not found:
            raise NotPlainError
        yield from found


def _owner(said: str, known: Look) -> tuple[int, int]:
    """As BuildKit reads ``--chown``: a user without a group has the group that is its own."""
    if not said:
        return 0, 0
    user, _, group = said.partition(":")
    uid, own = _numbers(user, "etc/passwd", known)
    return uid, _numbers(group, "etc/group", known)[0] if group else own


def _numbers(name: str, file: str, known: Look) -> tuple[int, int]:
    """(id, group): of a number, or of a name in an account file."""
    if name.isdecimal():
        return int(name), int(name)
    fields: Mapping[int, str] = dict(enumerate(next(account(known, file, name), [])))
    if not fields.get(2, "").isdecimal() or (file == "etc/passwd" and not fields.get(3, "").isdecimal()):
        raise NotPlainError
    return int(fields[2]), int(fields[3] if file == "etc/passwd" else fields[2])
