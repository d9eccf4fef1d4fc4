"""The rounds of `agent dev`: something changed, it is built, it takes over, its log goes on."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import IO

from aac_tasks.cli import show
from aac_tasks.cli.errors import TERMINATED, told
from aac_tasks.cli.world import World
from aac_tasks.contracts.plan import AgentPlan, Plan
from aac_tasks.contracts.result import Event
from aac_tasks.developing import Development, Turn
from aac_tasks.errors import AacError
from aac_tasks.plan.affected import affected
from aac_tasks.reporter import Reporter, make
from aac_tasks.reporter.wording import duration, plain
from aac_tasks.run import Options
from aac_tasks.serving import Serving
from aac_tasks.session import Session
from aac_tasks.state.ignore import IgnoreRules
from aac_tasks.state.root import find_root
from aac_tasks.state.stamps import exclusively
from aac_tasks.steps.passing_on import handled
from aac_tasks.steps.redaction import redact_keys
from aac_tasks.steps.watching import Watching

PAUSE = 0.1
"""Seconds between two looks at the log while nothing changes."""

STATUS = 1.0
"""Seconds between two questions whether it still runs."""

HELD = "dev"
"""The folder, below the agent's state, that is held while somebody works on it."""

ENDINGS = {1: 129, 2: 0, 3: 131, 15: TERMINATED}
"""Exit codes by signal: Ctrl-C is how one leaves."""


class Rounds:
    """For one agent. All is done in the main thread; a signal cancels the round that it comes in, and is the end."""

    def __init__(self, work: Development, chosen: Options, world: World, *, verbose: bool) -> None:
        self._work = work
        self._agent = work.agent
        self._chosen = chosen
        self._world = world
        self._verbose = verbose
        self._log = Log(lambda line: self._say(f"{work.agent} | {line}"))
        self._came: list[int] = []
        self._session: Session | None = None
        self._asked = 0.0
        self._ended = ""
        self._failed = False

    def go(self, session: Session) -> int:
        """Until a signal comes; nothing runs afterwards. The exit code.

        Raises:
            StepError: somebody works on it already. UsageError: files can't be watched here.
        """
        agent = next(a for a in session.plan().agents if a.agent == self._agent)
        if find_root(session.folder(agent)) == session.root:
            self._chosen = replace(self._chosen, cwd=session.folder(agent))  # what is wrong with other agents is no matter
        held = session.state.agent(self._agent) / HELD
        held.mkdir(parents=True, exist_ok=True)
        with handled(self._take), exclusively(held, busy=f"`agent dev {self._agent}` runs already"):
            try:
                self._work.clear()
                self._stay(agent, session.root)
            finally:
                self._work.close()
                session.close()
                self._log.follow(None)
        return ENDINGS[self._came[0]] if self._came else 0

    def _take(self, number: int) -> None:
        """Called by the interpreter between two instructions. Signals of the user's own have no meaning here."""
        if number in ENDINGS:
            self._came.append(number)
            if self._session is not None:
                self._session.cancelled.set()

    def _stay(self, agent: AgentPlan, root: Path) -> None:
        watching = Watching(folders(agent, root), wanted(agent, root))
        try:
            changed = True
            while not self._came:
                if changed:
                    agent = self._round() or agent
                    watching.wanted = wanted(agent, root)
                if folders(agent, root) != watching.folders:  # what changed before the new one watches is seen by one more round
                    watching.close()
                    watching = Watching(folders(agent, root), wanted(agent, root))
                    continue
                self._look()
                changed = bool(watching.changed(PAUSE))
        finally:
            watching.close()

    def _round(self) -> AgentPlan | None:
        """Build, and let it take over; the agent's plan as it is now, None where it is as it was or can't be read.

        What changed is in the reasons of the steps; a round without work says nothing.
        """
        began = time.monotonic()
        reporter = self._reporter()
        try:
            session = self._session = self._world.open(self._chosen, _calm(reporter))
            code = self._world.drive(session, (f"image:{self._agent}",))
            reporter.close(abandoned=True)  # the terminal is ours again
            if code:
                self._goes_on()
            elif not self._came:
                self._log.follow(self._work.serving)
                if turn := self._work.renew(session):
                    self._serves(session, time.monotonic() - began, turn)
                elif self._failed:
                    self._say(f"{self._agent} is as it was")
                self._failed = False
        except AacError as error:
            reporter.close(abandoned=True)
            if not self._came:
                told(self._world, error)
                self._log.passes(self._work.serving)
                self._goes_on()
        finally:
            reporter.close(abandoned=True)  # a second closing is nothing
        self._settle()
        last, self._session = self._session, None  # from here a signal cancels nothing
        with contextlib.suppress(AacError):  # told already
            return last.plan((self._agent,)).asked[0] if last else None
        return None

    def _settle(self) -> None:
        """What nobody waits for, also after a mistake: the next edit is to be as fast."""
        if self._came:
            return
        try:
            self._work.settle()
        except AacError as error:
            told(self._world, error)

    def _serves(self, session: Session, seconds: float, turn: Turn) -> None:
        where = f" at {self._work.url}" if self._work.url else ""
        how = f": replaced, because {turn.why}" if turn.why else ""
        if turn.files:
            how = f": reloaded {turn.files} file{'s' * (turn.files > 1)} in {duration(turn.seconds)}"
        self._say(f"{self._agent} serves{where} after {duration(seconds)} (runner {session.hands.runner_choice.name}){how}")

    def _goes_on(self) -> None:
        self._failed = True
        if not self._came:
            what = "what served before goes on" if self._work.serving else "nothing serves yet"
            self._say(f"{what}; the next edit tries again")

    def _look(self) -> None:
        """Show what it wrote, and that it ended."""
        self._log.follow(self._work.serving)
        if time.monotonic() - self._asked < STATUS:
            return
        self._asked = time.monotonic()
        ended = self._work.ended()
        if ended and ended != self._ended:
            self._log.follow(self._work.serving)
            self._say(f"{ended}; the next edit starts it again")
        self._ended = ended

    def _reporter(self) -> Reporter:
        world = self._world
        return make("auto", out=world.out, err=world.err, environment=world.environment, verbose=self._verbose)

    def _say(self, words: str) -> None:
        show.line(self._world, words)


class Log:
    """What the instance that serves writes, line by line; of one that was replaced, to its end."""

    def __init__(self, line: Callable[[str], None]) -> None:
        self._line = line
        self._of: Serving | None = None
        self._file: IO[bytes] | None = None
        self._rest = b""

    def follow(self, serving: Serving | None) -> None:
        """Say what is new. Where another one serves now, first what the last one still wrote (its file may be gone)."""
        self._read()
        if serving is self._of:
            return
        if serving and self._file and os.path.samestat(os.fstat(self._file.fileno()), serving.running.log.stat()):
            self._of = serving  # the same instance with other files: its log goes on
            return
        if self._file is not None:
            self._file.close()
            if self._rest:
                self._tell(self._rest)
        self._of, self._rest = serving, b""
        self._file = serving.running.log.open("rb") if serving else None
        self._read()

    def passes(self, serving: Serving | None) -> None:
        """Leave out the last words of one that no longer serves: an error has told them."""
        if serving is not self._of and self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def _read(self) -> None:
        if self._file is None:
            return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            self._tell(line)

    def _tell(self, line: bytes) -> None:
        secrets = self._of.secrets if self._of else ()
        self._line(redact_keys(plain(line.decode(errors="replace")), secrets))


def folders(agent: AgentPlan, root: Path) -> tuple[Path, ...]:
    """What is watched: the agent's folder, and where its steps read, none inside another."""
    places = {root / agent.folder, *(root / step.tree.root for step in agent.steps if step.tree)}
    return tuple(sorted(p for p in places if not any(other in p.parents for other in places)))


def wanted(agent: AgentPlan, root: Path) -> Callable[[Path], bool]:
    """Whether a file that changed is one that the agent's image or plan is made of."""
    ignores = functools.cache(lambda patterns: IgnoreRules(patterns).ignores)
    plan = Plan((agent,))

    def concerns(path: Path) -> bool:
        return path.is_relative_to(root) and bool(affected(plan, (path.relative_to(root).as_posix(),), ignores))

    return concerns


def _calm(reporter: Reporter) -> Callable[[Event], None]:
    """What is up to date is no news in every round, nor which runner was taken, nor which ports stand behind the front."""

    def tell(event: Event) -> None:
        if event.type != "fresh" and not (event.type == "note" and not event.step):
            reporter(event)

    return tell
