"""What changed since a commit, asked of git, and the agents that it concerns."""

from __future__ import annotations

from aac_tasks.contracts.result import Event
from aac_tasks.contracts.tools import Process
from aac_tasks.errors import StepError
from aac_tasks.plan.affected import affected
from aac_tasks.session import Session
from aac_tasks.state.ignore import IgnoreRules

NONE = frozenset("0")
"""A commit's name that is all zeros means "there was none before" to CI services."""

CHANGED = (
    ("diff", "--name-only", "--no-renames", "--relative", "-z", "COMMIT", "--"),
    ("ls-files", "-z", "--others", "--exclude-standard"),
)
"""What git is asked: files that differ from a commit, and files that it does not know yet."""


def agents_since(commit: str, session: Session) -> tuple[str, ...]:
    """Names of the agents that differ from ``commit``, committed or not; all of them where that commit is not here.

    Raises:
        StepError: git is missing, or this is no repository.
    """
    plan = session.plan()
    everything = tuple(agent.agent for agent in plan.agents)
    if not commit or set(commit) == NONE:
        return everything
    if _git(session, "cat-file", "-e", f"{commit}^{{commit}}") is None:
        session.tell(Event("note", text=f"commit {commit} is not in this clone, so every agent counts as changed"))
        return everything
    changed: list[str] = []
    for words in CHANGED:
        said = _git(session, *(commit if word == "COMMIT" else word for word in words))
        if said is None:
            raise StepError(f"git {words[0]} failed", hint="is this folder in a git repository?")
        changed += said.split("\0")
    return affected(plan, filter(None, changed), lambda patterns: IgnoreRules(patterns).ignores)


def _git(session: Session, *words: str) -> str | None:
    """What git says, None when it refuses. Whoever owns the clone: CI services change users between steps."""
    argv = ("git", "-c", "safe.directory=*", "-c", "core.quotePath=false", *words)
    done = session.hands.tools("", "-").run(Process(argv, cwd=session.root, quiet=True))
    return done.stdout if done.exit_code == 0 else None
