"""Is what a stamp promises still there? Answered by one stat where the file system can tell."""

from __future__ import annotations

from pathlib import Path

from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.result import Artifact
from aac_tasks.state.blobs import Blobs, hash_file


def missing_locally(artifact: Artifact, root: Path, blobs: Blobs) -> str | None:
    """What is wrong, "" when it is there, None when the file system can't tell (a tag, an instance)."""
    if artifact.type == "blob":
        digest = Digest(artifact.digest)
        try:
            size = blobs.path(digest).stat().st_size
        except OSError:
            return "" if blobs.lends(digest) else f"blob {artifact.digest[:19]} is gone from the store"
        return "" if not artifact.size or size == artifact.size else f"blob {artifact.digest[:19]} is damaged"
    if artifact.type == "file":
        return _file(artifact, root)
    return None


def _file(artifact: Artifact, root: Path) -> str:
    path = root / artifact.name
    try:
        same = path.stat().st_size == artifact.size and hash_file(path) == artifact.digest
    except OSError:
        return f"{artifact.name} is gone"
    return "" if same else f"{artifact.name} was edited"
