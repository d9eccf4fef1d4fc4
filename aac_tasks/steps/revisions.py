"""What git says of a checkout: which files changed since a commit."""

from __future__ import annotations

import shutil
from pathlib import Path

from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import UsageError


def has_commit(ref: str, root: Path, tools: Tools) -> bool:
    """Whether this clone knows it."""
    return not ref.startswith("-") and _git(root, tools, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is not None


def changed_since(ref: str, root: Path, tools: Tools, *, itself: bool = False) -> tuple[str, frozenset[str]]:
    """(the commit it is compared with, paths relative to ``root``) of all that differs in the working tree.

    Compared is the last commit that ``ref`` and the checked-out one have in common, as in a pull request; or ``ref``
    ``itself``, as after a push. What is edited and not committed counts, and so do files that git does not know yet, unless
    it ignores them.

    Raises:
        UsageError: there is no git, no repository, or no such commit in it.
    """
    if shutil.which("git", path=tools.environment("PATH")) is None:
        raise UsageError("--since needs git, which is not installed")
    if _git(root, tools, "rev-parse", "--git-dir") is None:
        raise UsageError(f"--since {ref}: {root} is in no git repository")
    if not has_commit(ref, root, tools):
        other = "" if ref.startswith("origin/") else f", or name origin/{ref}"
        raise UsageError(f"--since {ref}: no such commit here; in CI, fetch the history (fetch-depth: 0){other}")
    base = ref if itself else (_git(root, tools, "merge-base", ref, "HEAD") or ref).strip()
    differing = _git(root, tools, "diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", base)
    unknown = _git(root, tools, "ls-files", "--others", "--exclude-standard", "-z")
    return base, frozenset(path for path in f"{differing or ''}\0{unknown or ''}".split("\0") if path)


def at_commit(commit: str, file: str, root: Path, tools: Tools) -> str:
    """A file's text as it was, "" where there was none. ``file`` is relative to ``root``."""
    return _git(root, tools, "show", f"{commit}:./{file}") or ""


def _git(root: Path, tools: Tools, *words: str) -> str | None:
    """What git answers, None when it refuses."""
    done = tools.run(Process(("git", "-c", "safe.directory=*", "-c", "core.fsmonitor=false", *words), cwd=root, timeout=60.0))
    return done.stdout if done.exit_code == 0 else None
