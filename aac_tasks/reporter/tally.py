"""What a run came to: counts, products and the machine's document, gathered from events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.result import Event
from aac_tasks.reporter.wording import OUTCOMES, Marks, duration, layers, plain, produced, sentence

FRESH_SHOWN = 40
"""So many steps that are up to date get a line of their own: among thousands of agents the changed ones must be seen."""

_MAKERS = ("image:", "push:", "deploy:")


def redacted(event: Event, redact: Callable[[str], str]) -> Event:
    """The event with ``redact`` applied to every text in it."""
    data = {key: _redact(value, redact) for key, value in event.data.items()}
    return Event(event.type, event.step, redact(event.text), event.seconds, data)


def _redact(value: Json, redact: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {key: _redact(item, redact) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact(item, redact) for item in value]
    return value


@dataclass
class Tally:
    """The outcomes so far, in the order they were told; ``notes`` are lines that belong to none, ``plans`` what would be."""

    outcomes: list[Event] = field(default_factory=list)
    plans: list[Event] = field(default_factory=list)
    notes: list[Event] = field(default_factory=list)
    fresh: int = 0

    def add(self, event: Event) -> None:
        """Take an event in; those that end no step and are no note change nothing."""
        if event.type in OUTCOMES:
            self.outcomes.append(event)
            self.fresh += event.type == "fresh"
        elif event.type == "note":
            self.notes.append(event)
        elif event.type == "plan":
            self.plans.append(event)

    def crowd(self, event: Event) -> list[str] | None:
        """What to say instead of an outcome among too many fresh ones: one line at the first; None: say it."""
        if event.type != "fresh" or self.fresh <= FRESH_SHOWN:
            return None
        return ["further steps that are up to date are only counted"] if self.fresh == FRESH_SHOWN + 1 else []

    def count(self, outcome: str) -> int:
        """How many steps ended this way."""
        return sum(1 for event in self.outcomes if event.type == outcome)

    def lines(self, seconds: float, marks: Marks) -> list[str]:
        """The summary: what ran, what was fresh, how long it took; then what was made, one product a line."""
        if not self.outcomes:
            return []
        failed = [event.step for event in self.outcomes if event.type == "failed" and not event.data.get("unmet")]
        counts = {
            "ran": self.count("done"),
            "from the cache": self.count("cached"),
            "up to date": self.count("fresh"),
            "failed": len(failed),
            "not run": self.count("failed") - len(failed),
        }
        parts = [f"{count} {word}" for word, count in counts.items() if count]
        line = f"{', '.join(parts)} in {duration(seconds)}"
        if failed:
            line += f" (failed: {', '.join(failed)})"
        return [line, *self._products(marks)]

    def _products(self, marks: Marks) -> list[str]:
        made = [event for event in self.outcomes if event.type != "failed" and event.step.startswith(_MAKERS)]
        if self.fresh > FRESH_SHOWN:
            made = [event for event in made if event.type != "fresh"]
        rows = [(event, produced(event.data, marks.ellipsis)) for event in made]
        return [f"  {marks.produced} {event.step}  {text} {layers(event.data)}".rstrip() for event, text in rows if text]

    @property
    def exit_code(self) -> int:
        """1 when a step failed, else 0."""
        return 1 if self.count("failed") else 0

    def document(self, exit_code: int, seconds: float) -> JsonObject:
        """``{"steps", "notes", "seconds", "exit"}``, and ``error`` of a run that was interrupted; each step has its status, text
        and data. A dry run knows ``fresh``, ``ignored`` and, for what would run, ``stale``.
        """
        planned = [{"step": event.step, **event.data, "text": plain(event.text)} for event in self.plans]
        return {
            "steps": planned
            or [
                {
                    "step": event.step,
                    "status": event.type,
                    "text": sentence(event),
                    "seconds": round(event.seconds, 3),
                    **({"data": event.data} if event.data else {}),
                }
                for event in self.outcomes
            ],
            "notes": [plain(event.text) for event in self.notes],
            "seconds": round(seconds, 3),
            "exit": exit_code,
            **next(({"error": event.data["error"]} for event in self.notes if "error" in event.data), {}),
        }
