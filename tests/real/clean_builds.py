"""What somebody who has nothing makes of a tree: what every other run must come to."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from real.author import Tree, put
from real.doors import Place, installed, run

from aac_tasks.state.blobs import hash_file
from aac_tasks.state.stamps import StampFile


@functools.cache
def site() -> Path:
    """The folder of packages in which the plugin of these tests is installed."""
    top = Path(tempfile.mkdtemp(prefix="aac-paper-"))
    atexit.register(shutil.rmtree, top)
    return installed(top, "paper", "real.paper")


def made(place: Place) -> Mapping[str, object]:
    """All that a run leaves for its user."""
    agent = place.folder / ".aac/agents/hello"
    stamps = {kind: StampFile(agent / "steps" / kind).read() for kind in ("image", "test")}
    outputs = {kind: json.dumps(stamp.result.outputs, sort_keys=True) if stamp else "" for kind, stamp in stamps.items()}
    files = {path.name: path.read_text() for path in (agent / "Dockerfile", agent / "spec.json", place.folder / "agent.lock")}
    return {**outputs, **files}


@functools.cache
def clean_build(tree: Tree) -> Mapping[str, object]:
    """What it makes of that tree."""
    with tempfile.TemporaryDirectory() as top:
        place = Place(Path(top) / "project", Path(top) / "cache", site())
        put(place.folder, tree)
        ended = run(place, ("doit",))
        assert ended.code == 0, ended.said
        return made(place)


def torn_blobs(place: Place) -> list[Path]:
    """Those that are not what their names say."""
    return [blob for blob in place.cache.glob("aac/blobs/sha256/*/*") if hash_file(blob).hex != blob.name]


def spoil(path: Path, torn: bool) -> None:
    """Remove a file, or leave the beginning of it."""
    if torn:
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[:-3])
    else:
        path.unlink()
