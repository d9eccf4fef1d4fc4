"""Words and numbers for people: how a size, a duration and a step's outcome read. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.result import Event

# CSI, OSC and other escape sequences (ECMA-48), then every control character but the tab: what a tool
# or an agent says must never steer the user's terminal
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

OUTCOMES = ("done", "cached", "fresh", "failed")
"""The event types that end a step."""


@dataclass(frozen=True)
class Marks:
    """One sign per outcome, and the sign before what was produced."""

    done: str = "✓"
    cached: str = "✓"
    fresh: str = "–"  # a dash as long as the other marks are wide
    failed: str = "✗"
    produced: str = "→"
    ellipsis: str = "…"

    def of(self, outcome: str) -> str:
        """The sign of one of ``OUTCOMES``."""
        return {"done": self.done, "cached": self.cached, "fresh": self.fresh}.get(outcome, self.failed)


ASCII = Marks("+", "+", "-", "x", "->", "...")
"""For streams that can't encode the others."""


def marks_for(encoding: str | None) -> Marks:
    """Signs that a stream of this encoding can show; one without (in memory) takes all."""
    marks = Marks()
    try:
        "".join(vars(marks).values()).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return marks


def plain(text: str) -> str:
    """Text without escape sequences and control characters; line ends and tabs stay."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def size(count: float) -> str:
    """Bytes in decimal units, as `docker images` shows them: ``12.3 MB``."""
    if count < 1000:
        return f"{int(count)} B"
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 999.95:
            return f"{count:.1f} {unit}"
    return f"{count / 1000:.1f} TB"


def duration(seconds: float) -> str:
    """``35 ms``, ``1.2 s``, ``2 min 05 s``."""
    if seconds < 0.0995:
        return f"{round(seconds * 1000)} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def digest(text: str, ellipsis: str = "…") -> str:
    """A digest that people can still tell apart: ``sha256:0123456789ab…``; anything else as it is."""
    return f"{text[:19]}{ellipsis}" if text.startswith("sha256:") and len(text) > 19 else text


def agent_first(step: str) -> str:
    """``image:hello`` → ``hello:image``: the prefix of a step's output."""
    kind, colon, agent = step.partition(":")
    return f"{agent}:{kind}" if colon else step


def sentence(event: Event, ellipsis: str = "…") -> str:
    """What became of a step, without its mark and id. For one that ended well, ``text`` says why it ran."""
    text = plain(event.text).strip()
    if event.type == "failed":
        return text or "failed"
    if event.type == "fresh" and text.startswith("ignored"):
        return text
    word = {"fresh": "up to date", "cached": "from the cache"}.get(event.type, "")
    made = "" if event.type == "fresh" else produced(event.data, ellipsis)
    reason = f"({text})" if text and not text.startswith("up to date") else ""
    return " ".join(part for part in (word, made, reason) if part) or "done"


def produced(data: JsonObject, ellipsis: str = "…") -> str:
    """What a step brought into the world, in one phrase; empty when it says nothing of it."""
    outputs = data.get("outputs")
    values: dict[str, Json] = {**data, **(outputs if isinstance(outputs, Mapping) else {})}
    words = [digest(str(values["digest"]), ellipsis)] if values.get("digest") else []
    bytes_ = values.get("size")
    if isinstance(bytes_, (int, float)) and bytes_:
        words.append(size(bytes_))
    refs = values.get("refs")
    words += [str(ref) for ref in refs] if isinstance(refs, (list, tuple)) else []
    words += [str(values[name]) for name in ("ref", "url") if values.get(name)]
    return " ".join(word for word in words if word)


def layers(data: JsonObject) -> str:
    """``(base 31.2 MB, application 2.0 kB)`` of an image's outputs; empty where there are no layers."""
    outputs = data.get("outputs")
    value = outputs.get("layers") if isinstance(outputs, Mapping) else None
    found = [x for x in value if isinstance(x, Mapping)] if isinstance(value, (list, tuple)) else []
    sizes = [(x.get("name") or "layer", x.get("size")) for x in found]
    shown = [f"{name} {size(count)}" for name, count in sizes if isinstance(count, int)]
    return f"({', '.join(shown)})" if shown else ""
