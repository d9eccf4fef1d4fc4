"""Files that go into an image or a key: one entry, and a whole snapshot of a tree."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ContextFile:
    """One entry of a tree: relative POSIX path, the file on disk, and what a key may know of it.

    ``type``: ``file``, ``link`` or ``dir`` (an empty folder); ``executable`` is the only mode bit that counts.
    ``size`` in bytes, ``sha256`` in hexadecimal (files only); ``target`` is a link's text.
    """

    path: str
    type: str
    source: Path
    executable: bool = False
    target: str = ""
    size: int = 0
    sha256: str = ""

    @property
    def content(self) -> str:
        """What is hashed: type, executable bit and bytes or target; never other mode bits, owner or time."""
        if self.type == "file":
            return f"{'x' if self.executable else 'f'}:{self.sha256}"
        return f"l:{self.target}" if self.type == "link" else "d"


@dataclass(frozen=True)
class Snapshot:
    """A tree at one moment, sorted by path. ``digest`` is 64 hexadecimal digits over paths and contents."""

    digest: str
    files: tuple[ContextFile, ...]

    def contents(self) -> dict[str, str]:
        """Path → content, for comparing two snapshots."""
        return {f.path: f.content for f in self.files}
