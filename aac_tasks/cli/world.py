"""What a command may touch: streams, environment, folder, and the doors to the rest of the system."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

from aac_tasks.contracts.result import Event

if TYPE_CHECKING:
    from aac_tasks.images import Images
    from aac_tasks.plugin_manager import Plugins
    from aac_tasks.running import Instances
    from aac_tasks.session import Options, Session

Arguments: TypeAlias = argparse.Namespace
Tell: TypeAlias = Callable[[Event], None]


class Drive(Protocol):
    """Run steps by kind, id or wildcard; the answer is an exit code."""

    def __call__(
        self,
        session: Session,
        selection: Sequence[str],
        *,
        jobs: int = 1,
        keep_going: bool = False,
        dry_run: bool = False,
    ) -> int:
        """See ``doit_bridge.run``."""
        ...


def images_here(session: Session) -> Images:
    """Images of agents."""
    from aac_tasks.images import Images  # only for the commands about images

    return Images(session)


@dataclass(frozen=True)
class World:
    """Everything outside of the command line; ``folder`` is what ``-C`` is relative to.

    ``words`` is the command line as given, for the manifest that answers its repetition; ``read`` replaces standard input.
    """

    out: TextIO
    err: TextIO
    environment: Mapping[str, str]
    folder: Path
    open: Callable[[Options, Tell], Session]
    drive: Drive
    instances: Callable[[Session], Instances]
    plugins: Callable[[], Plugins]
    words: tuple[str, ...] = ()
    read: TextIO | None = None
    images: Callable[[Session], Images] = images_here


def open_session(options: Options, tell: Tell) -> Session:
    """The real session."""
    from aac_tasks.session import Session  # --help must not pay for it

    return Session(options, tell)


def drive(
    session: Session,
    selection: Sequence[str],
    *,
    jobs: int = 1,
    keep_going: bool = False,
    dry_run: bool = False,
) -> int:
    """Let doit run steps."""
    from aac_tasks.doit_bridge import run  # doit takes 70 ms to import

    return run(session, selection, jobs=jobs, keep_going=keep_going, dry_run=dry_run)


def instances(session: Session) -> Instances:
    """What runs."""
    from aac_tasks.running import Instances  # only for run, ps, logs and stop

    return Instances(session)


def plugins() -> Plugins:
    """The plugins alone, for commands that need no workspace."""
    from aac_tasks.plugin_manager import load  # imports every plugin

    return load()
