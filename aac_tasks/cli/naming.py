"""What a word on the command line names: an agent, a wildcard over agents, a folder, or a step."""

from __future__ import annotations

import contextlib
import difflib
import fnmatch
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Plan
from aac_tasks.discovery import is_wildcard
from aac_tasks.errors import UsageError

if TYPE_CHECKING:
    from aac_tasks.session import Session


def resolve(words: Sequence[str], session: Session) -> tuple[str, ...]:
    """Agents' names, in the order of the words, none twice; UsageError for a word that names none."""
    session.narrow(words)
    known = session.plan().agents
    return tuple(dict.fromkeys(name for word in words if word not in session.missed for name in _one(word, known, session)))


def among(words: Sequence[str], session: Session) -> tuple[str, ...]:
    """The same, but a word may name none."""
    session.narrow(words)
    known = session.plan().agents
    found: dict[str, None] = {}
    for word in words:
        with contextlib.suppress(UsageError):
            found.update(dict.fromkeys(_one(word, known, session)))
    return tuple(found)


def _one(word: str, known: Sequence[AgentPlan], session: Session) -> list[str]:
    names = [plan.agent for plan in known]
    if word in names:
        return [word]
    if is_wildcard(word):
        matching = fnmatch.filter(names, word)
    else:
        root, folder = session.root.resolve(), (session.options.cwd / word).resolve()
        matching = [p.agent for p in known if _is_in(root / p.folder, root / p.file, folder)]
    if not matching:
        raise UsageError(_no_agent(word, names))
    return matching


def _is_in(folder: Path, manifest: Path, asked: Path) -> bool:
    return asked in (folder, manifest, *folder.parents)


def _no_agent(word: str, names: Iterable[str]) -> str:
    known = sorted(names)
    near = difflib.get_close_matches(word, known, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(known[:10]) + (f" and {len(known) - 10} more" if len(known) > 10 else "")
    return f"no agent {word!r} here{hint} (there are: {shown})"


def step_id(word: str, plan: Plan) -> str:
    """The step that ``image:hello`` or ``hello:image`` names; a bare kind will do where there is one agent.

    Raises:
        UsageError: there is no such step; names the nearest.
    """
    known = [step.id for step in plan.steps]
    first, _, second = word.partition(":")
    candidates = [word, f"{second}:{first}"]
    if not second and len(plan.asked) == 1:
        candidates.append(f"{first}:{plan.asked[0].agent}")
    for candidate in candidates:
        if candidate in known:
            return candidate
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"a step is KIND:AGENT, KIND one of {', '.join(STEP_KINDS)}"
    raise UsageError(f"no step {word!r} here; {hint}")
