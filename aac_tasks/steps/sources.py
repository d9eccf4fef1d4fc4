"""A copy of an agent's build context to compile in, kept between builds so that compilers find what they left there.

Only files whose content differs are written again: make, cargo and gradle compare times, and an unchanged file must keep
its own. The copy lies in the user's cache and not in the project, where tools would find the settings of folders above
(go.work, Cargo.toml with a [workspace], .npmrc).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.context import ContextFile
from aac_tasks.contracts.recipe import CompiledLayer
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

FOLDER = "compile"
CHUNK = 1 << 20
LISTED = "context.json"
"""What was copied: path → content. Anything else in the copy is a tool's."""


@contextlib.contextmanager
def sources_of(layer: CompiledLayer, agent: str, files: Sequence[ContextFile], tools: Tools) -> Iterator[Path]:
    """The folder to compile ``layer`` in: the kept copy of the context, or one with the layer's own texts."""
    if not layer.texts:
        yield kept_sources(agent, files, tools)
        return
    with tools.scratch() as folder:
        for path, text in layer.texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        yield folder


def kept_sources(agent: str, files: Sequence[ContextFile], tools: Tools) -> Path:
    """The copy, brought up to date; the step's own lock holds it against other processes."""
    folder = tools.cache / FOLDER / fingerprint([str(tools.root), agent])[:32]
    sources = folder / "sources"
    sources.mkdir(parents=True, exist_ok=True)
    before = _listed(folder)
    now = {file.path: file.content for file in files}
    (folder / LISTED).unlink(missing_ok=True)  # who is killed from here on copies everything again
    for path in sorted(before.keys() - now.keys(), reverse=True):
        _remove(sources / path)
    for file in files:
        if before.get(file.path) != file.content or not (sources / file.path).exists():
            place(file, sources / file.path)
    (folder / LISTED).write_text(json.dumps(now), encoding="utf-8")
    return sources


def _listed(folder: Path) -> Mapping[str, str]:
    try:
        listed = json.loads((folder / LISTED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return listed if isinstance(listed, dict) else {}


def place(file: ContextFile, target: Path) -> None:
    """Put one entry of a tree at a path, in place of what is there.

    Raises:
        StepError: its bytes are no longer those that were hashed.
    """
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if file.type == "dir":
        target.mkdir()
    elif file.type == "link":
        target.symlink_to(file.target)
    else:
        _copy_bytes(file, target)
        target.chmod(0o755 if file.executable else 0o644)


def _copy_bytes(file: ContextFile, target: Path) -> None:
    """In pieces, and only the bytes that were hashed: what is compiled from them is remembered under that hash."""
    digest = hashlib.sha256()
    with file.source.open("rb") as source, target.open("wb") as copy:
        while piece := source.read(CHUNK):
            digest.update(piece)
            copy.write(piece)
    if digest.hexdigest() != file.sha256:
        target.unlink()
        raise StepError(f"{file.path} changed while the image was built", hint="build again when nothing writes to it")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
