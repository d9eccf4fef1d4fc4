"""Engines that were given an image forget it with us: all of them first asked whether they can, so that nothing is half done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aac_tasks.contracts.engines import Keeping
from aac_tasks.errors import StepError
from aac_tasks.known import Known
from aac_tasks.session import Session


@dataclass(frozen=True)
class KeptIn:
    """A name under which an engine has an image."""

    engine: str
    name: str


def forget_in_engines(session: Session, one: Known, names: Sequence[str], *, whole: bool, force: bool) -> list[KeptIn]:
    """Take names away wherever an engine has this very image under them; ``whole``: also where it has it under no name.

    Raises:
        StepError: a container was made of it, and nobody said ``force``; or an engine refuses.
    """
    tools = session.hands.tools("", "-")
    digests = [digest for image in one.platforms for digest in image.ids]
    words = (*names, *(digests if whole else ()))
    engines = [runner for runner in session.catalog.runners if isinstance(runner, Keeping)]
    found = [(engine, kept) for engine in engines for kept in engine.kept(one.platforms, words, tools)]
    for engine, kept in found:
        if kept.users and not force:
            raise StepError(
                f"{kept.name} is what container {kept.users[0]} of {engine.name} was made of, so nothing was removed",
                hint=f"`{engine.name} rm {kept.users[0]}` when nobody needs it, or say --force",
            )
    for engine, kept in found:
        engine.forget(kept.name, tools, force=force)
    return [KeptIn(engine.name, kept.name) for engine, kept in found]
