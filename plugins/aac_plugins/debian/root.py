"""Packages → the entries of one layer: merged, thinned out, with the few files that scripts would write."""

from __future__ import annotations

from collections.abc import Mapping

from aac_plugins.debian import rules
from aac_plugins.debian.deb import Member, Package
from aac_plugins.debian.keystore import key_store
from aac_plugins.oci.layer import Entry
from aac_tasks.errors import StepError

_CONTROL_FOLDER = "var/lib/dpkg/status.d"
_SMALL = 4096


class Root:
    """Collects entries; packages are added in unpack order, so a later one wins where both bring a path.

    ``newest`` is the date (seconds) of the newest file: the one date that every entry of the layer gets,
    because it depends on the packages alone.
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._certificates: dict[str, str] = {}
        self.newest = 0

    def add(self, package: Package, parts: tuple[str, ...] = ()) -> None:
        """Add a package's files (only those below ``parts``, if any are named) and its control paragraph."""
        for member in package.members():
            self.newest = max(self.newest, member.mtime)
            if member.path in rules.MERGED and member.type == "symlink":
                continue  # base-files brings some of the links that finish() makes
            path = rules.merged(member.path)
            if path.startswith(rules.CERTIFICATES) and path.endswith(".crt") and member.type == "file":
                self._certificates[path] = _read(member).decode("ascii", "replace")
            elif not path.startswith(rules.CERTIFICATES) and rules.kept(path, parts):
                self._put(self._entry(package.name, path, member))
        # Where scanners look for the packages of an image without dpkg, as in Google's distroless images.
        self._text(f"{_CONTROL_FOLDER}/{package.name}", package.control.strip() + "\n")

    def _entry(self, package: str, path: str, member: Member) -> Entry:
        if member.type == "dir":
            return Entry(path, "dir", rules.folder_mode(member.mode))
        if member.type == "symlink":
            return Entry(path, "symlink", 0o777, target=member.target)
        mode = rules.file_mode(member.mode)
        if member.type == "hardlink":
            return Entry(path, "hardlink", mode, target=self._first_name(package, path, member))
        data = _read(member) if member.size <= _SMALL else member.open
        return Entry(path, "file", mode, member.size, data=data)

    def _first_name(self, package: str, path: str, member: Member) -> str:
        target = rules.merged(member.target)
        known = self._entries.get(target)
        if known is None or known.type != "file":
            raise StepError(f"package {package}: hard link {path!r} names {member.target!r}, which the image lacks")
        return target

    def _put(self, entry: Entry) -> None:
        present = self._entries.get(entry.path)
        if present is not None and present.type == "dir":
            return  # dpkg keeps a folder that is there, and its mode
        if present is not None and present.type == "symlink" and entry.type == "dir":
            return  # dpkg keeps a link to a folder
        self._entries[entry.path] = entry

    def _text(self, path: str, text: str) -> None:
        self._entries[path] = Entry(path, "file", 0o644, data=text.encode())

    def finish(self, links: Mapping[str, str]) -> list[Entry]:
        """Every entry of the layer. ``links`` (path → target) are made where no package brought the path."""
        for path, text in rules.FILES.items():
            self._text(path, text)
        for path, mode in rules.FOLDERS.items():
            self._entries[path] = Entry(path, "dir", mode)
        if self._certificates:
            self._text(rules.BUNDLE, _bundle(self._certificates))
            if any(path.startswith(rules.JAVA) for path in self._entries):
                store = key_store({path.rpartition("/")[2]: t for path, t in self._certificates.items()})
                self._entries[rules.JAVA_STORE] = Entry(rules.JAVA_STORE, "file", 0o644, data=store)
            links = {**rules.LINKS, **links}
        for path, target in {**links, **self._merged()}.items():
            self._entries.setdefault(path, Entry(path, "symlink", 0o777, target=target))
        return list(self._entries.values())

    def _merged(self) -> dict[str, str]:
        """The links of the top folders into /usr, and the folders that they lead to."""
        used = {path.split("/")[1] for path in self._entries if path.startswith("usr/")}
        tops = [top for top in rules.MERGED if top in used or top in ("bin", "sbin", "lib")]
        for top in tops:
            self._entries.setdefault(f"usr/{top}", Entry(f"usr/{top}", "dir", 0o755))
        return {top: f"usr/{top}" for top in tops}


def _bundle(certificates: Mapping[str, str]) -> str:
    """As update-ca-certificates writes it: in the order of the names, each ending with a new line."""
    texts = [certificates[path] for path in sorted(certificates)]
    return "".join(text if text.endswith("\n") else f"{text}\n" for text in texts)


def _read(member: Member) -> bytes:
    with member.open() as file:
        return file.read()
