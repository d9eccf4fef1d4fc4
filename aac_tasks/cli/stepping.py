"""Running one kind of step for the agents that were named: what build, test, push, deploy and lock share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from aac_tasks.cli.errors import interruption
from aac_tasks.cli.flags import options
from aac_tasks.cli.world import Arguments, Tell, World
from aac_tasks.contracts.result import Event
from aac_tasks.reporter import Kind, Reporter, make
from aac_tasks.reporter.quiet import ignore
from aac_tasks.reporter.tally import FRESH_SHOWN
from aac_tasks.steps.interrupts import interruptible

if TYPE_CHECKING:
    from aac_tasks.session import Options, Session


def run_kind(kind: str, args: Arguments, world: World, chosen: Options | None = None) -> int:
    """Run ``kind`` and what it needs, for ``args.agent`` (all when empty); the exit code."""
    reporter = reporter_for(args, world)
    try:
        session = opened(chosen or options(args, world), reporter, world, every=args.json or args.verbose)
        if not (args.agent or args.since or args.dry_run or args.json):
            session.leave_untouched(world.words)
        with interruptible(session.cancelled.set, session.kill):
            chosen_steps = selection(kind, asked_agents(args, session), session)
            how = {"jobs": jobs(args, session), "keep_going": args.keep_going, "dry_run": args.dry_run}
            code = world.drive(session, chosen_steps, **how) if chosen_steps or args.keep_going else 0
    except BaseException as error:  # an interrupt must give the terminal back too
        if args.json and isinstance(error, KeyboardInterrupt):
            return _interrupted(error, reporter)
        reporter.close(abandoned=True)
        raise
    reporter.close(code)
    if code == 0 and world.words and not (args.since or args.dry_run or args.json or args.quiet):
        from aac_tasks.conclude import conclude  # only after a success

        conclude(session, world.words)
    return code


def _interrupted(error: KeyboardInterrupt, reporter: Reporter) -> int:
    """One document of what was finished, and of what ended the run; the exit code."""
    code, facts = interruption(error)
    reporter(Event("note", text=str(facts["message"]), data={"error": facts}))
    reporter.close(code)
    return code


def opened(chosen: Options, tell: Tell, world: World, *, every: bool = False) -> Session:
    """A session whose fresh steps are told with what they made, so that a run without work says as much as the first: as
    many as are shown, or ``every`` one.
    """
    sessions: list[Session] = []
    fresh = itertools.count()

    def complete(event: Event) -> None:
        if event.type == "fresh" and not event.data and sessions and (every or next(fresh) < FRESH_SHOWN):
            kind, _, agent = event.step.partition(":")
            outputs = sessions[0].outputs(agent, kind)
            event = replace(event, data={"outputs": outputs} if outputs else {})
        tell(event)

    sessions.append(world.open(chosen, complete))
    return sessions[0]


@contextmanager
def looking(args: Arguments, world: World) -> Iterator[Session]:
    """A session for a command that only looks: it says nothing, and is closed at the end."""
    session = world.open(options(args, world), ignore)
    try:
        yield session
    finally:
        session.close()


def jobs(args: Arguments, session: Session) -> int:
    """-n, else the workspace's setting, else one step at a time, as doit does; with a cluster as many as keep it busy."""
    known = args.jobs or session.settings.jobs
    if known or session.elsewhere is None:
        return known or 1
    return 2 * session.elsewhere.crew.slots() or 1  # while one is done, the next is on its way


def reporter_for(args: Arguments, world: World) -> Reporter:
    """JSON, quiet, or what suits the terminal."""
    kind: Kind = "json" if args.json else "quiet" if args.quiet else "auto"
    return make(kind, out=world.out, err=world.err, environment=world.environment, verbose=args.verbose)


def selection(kind: str, names: Sequence[str] | None, session: Session) -> tuple[str, ...]:
    """``kind`` for all agents (``names`` None), or ``kind:agent`` for each of them."""
    return (kind,) if names is None else tuple(f"{kind}:{name}" for name in names)


def asked_agents(args: Arguments, session: Session) -> tuple[str, ...] | None:
    """The agents that a command line means: those of ``--since`` and of its words; None: all."""
    if not args.since:
        return agents(args.agent, session) if args.agent else None
    from aac_tasks.affected import affected_since  # lazy: asks git
    from aac_tasks.cli.naming import among

    names = among(args.agent, session)
    found = affected_since(session, args.since, names) if names or not args.agent else ()
    if not found:
        session.tell(Event("note", text=f"nothing that changed since {args.since} concerns an agent"))
    return found


def agents(words: Sequence[str], session: Session) -> tuple[str, ...]:
    """Names behind the words of a command line: a folder stands for every agent in it or below.

    Raises:
        UsageError: a folder that holds no agent, or a word that is neither name, wildcard nor folder.
    """
    from aac_tasks.cli.naming import resolve  # only who names agents pays for it

    return resolve(words, session)
