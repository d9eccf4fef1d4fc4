"""The build context as an engine gets it: a folder whose modes are those of the embedded builder's layer.

`COPY` keeps the modes that it finds. Under umask 022, as almost everywhere, a working tree has 0644 and 0755 already and
is lent as it is; else it is copied with those modes. A tar on the engine's standard input would save the copy, but
BuildKit reads no ignore file there, and the Dockerfile, which has to be in that tar, would end up in the image.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.oci.layer import Entry
from aac_plugins.oci.sources import context_entries
from aac_tasks.contracts.roles import ContextFile
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import Tools

_FOLDER = 0o755


def context_folder(files: Sequence[ContextFile], folder: Path, scratch: Path) -> Path:
    """``folder``, whose files are ``files``, when its modes are right; else a copy with right modes in ``scratch`` (empty).

    StepError for a link that leads out, for a file that changed since it was hashed, and when the copy can't be written.
    """
    if all(_right(path, mode) for path, mode in _modes(files, folder)):
        return folder
    try:
        scratch.chmod(_FOLDER)
        for entry in context_entries(files, "/"):
            _write(entry, scratch / entry.path, scratch)
    except OSError as error:
        raise StepError(f"the build context can't be copied: {error.strerror or error}") from error
    return scratch


def _modes(files: Sequence[ContextFile], folder: Path) -> Iterator[tuple[Path, int]]:
    """What is in the context, with the mode that it must have; of links, which have none, only the folders."""
    seen = {folder}
    yield folder, _FOLDER
    for file in files:
        if file.type != "link":
            yield file.source, _FOLDER if file.executable or file.type == "dir" else 0o644
        for parent in file.source.parents:
            if parent in seen or not parent.is_relative_to(folder):
                break
            seen.add(parent)
            yield parent, _FOLDER


def _right(path: Path, mode: int) -> bool:
    try:
        return stat.S_IMODE(path.lstat().st_mode) == mode
    except OSError:
        return False


def _write(entry: Entry, path: Path, top: Path) -> None:
    _make_parents(path.parent, top)
    if entry.type == "dir":
        path.mkdir(exist_ok=True)
    elif entry.type == "symlink":
        path.symlink_to(entry.target)
        return
    elif callable(entry.data):
        with entry.data() as source, path.open("xb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
    path.chmod(entry.mode)  # whatever the umask is


def _make_parents(folder: Path, top: Path) -> None:
    if folder != top and not folder.is_dir():
        _make_parents(folder.parent, top)
        folder.mkdir()
        folder.chmod(_FOLDER)


def authorities(tools: Tools) -> str:
    """The file of certificate authorities that the user's environment names, "" when it names none that is there."""
    named = (tools.environment(name) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"))
    return next((bundle for bundle in named if bundle and Path(bundle).is_file()), "")
