"""A health check by ``curl`` that only asks the agent itself for a URL → a native probe of that meaning."""

from __future__ import annotations

import re
import shlex

from aac_tasks.spec.tree import Branch, Items, Scalar

_URL = re.compile(
    r"http://(?:localhost|127\.0\.0\.1|0\.0\.0\.0|\[::1\])(?::([0-9]{1,5}))?(/[^\s'\"`$;|&<>]*)?"
)
_PLAIN_FLAGS = frozenset(
    {"--fail", "--silent", "--show-error", "--location", "--head", "--no-progress-meter"}
)
_SHORT_FLAGS = re.compile(r"-[fsSLI]+")


def native_probe(check: Branch) -> dict[str, str] | None:
    """``type``, ``path`` and ``port`` that say the same as the ``command`` of ``check``, or None."""
    entry = check.entries.get("command")
    if entry is None or not isinstance(entry.value, Items) or {"path", "port"} & check.entries.keys():
        return None
    words = [item.text for item in entry.value.items if isinstance(item, Scalar)]
    if len(words) != len(entry.value.items):
        return None
    url = _only_url(_without_shell(words))
    match = _URL.fullmatch(url) if url else None
    if not match:
        return None
    return {"type": "http", "path": match[2] or "/", "port": match[1] or "80"}


def _without_shell(words: list[str]) -> list[str]:
    """``CMD`` and ``sh -c "… || exit 1"`` taken off; empty when more than one command is in there."""
    if words[:1] == ["CMD"]:
        words = words[1:]
    if words[:1] == ["CMD-SHELL"] and len(words) == 2:
        return _split(words[1])
    if words[:1] in (["sh"], ["/bin/sh"], ["bash"]) and words[1:2] == ["-c"] and len(words) == 3:
        return _split(words[2])
    return words


def _split(command: str) -> list[str]:
    command = re.sub(r"\s*\|\|\s*(exit 1|false)\s*$", "", command)
    try:
        return [] if re.search(r"[;|&<>$`]", command) else shlex.split(command)
    except ValueError:  # an open quote: not ours to read
        return []


def _only_url(words: list[str]) -> str:
    """The URL when the words are curl, harmless flags and one URL."""
    if not words or words[0] not in ("curl", "/usr/bin/curl"):
        return ""
    rest = [w for w in words[1:] if w not in _PLAIN_FLAGS and not _SHORT_FLAGS.fullmatch(w)]
    return rest[0] if len(rest) == 1 else ""
