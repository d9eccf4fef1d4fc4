"""Being known at a registry: what a user gives, where it is kept, and what it opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import Tools


@dataclass(frozen=True)
class Login:
    """What proves who somebody is. ``token``: the secret was made by a service, and may do without ``user``."""

    user: str
    secret: str = field(repr=False)
    token: bool = False


@dataclass(frozen=True)
class LoggedIn:
    """A login that was kept ``where`` (a file, a helper, a keyring).

    ``checked`` is False when the server lets everybody in, so that nobody can tell whether the secret is right.
    """

    registry: str
    user: str
    where: str
    checked: bool = True


@dataclass(frozen=True)
class Permission:
    """What a user may do at ``repository`` of a server that answered.

    ``login`` says whose credentials were shown, "" for an anonymous user; ``refusal`` is why nothing may be pushed, else "".
    ``taken_back``: the upload that was begun to find out was cancelled (a server forgets one that nobody goes on with, too).
    """

    registry: str
    url: str
    repository: str
    login: str = ""
    refusal: str = ""
    taken_back: bool = False


class ServerRegistry(Registry, Protocol):
    """A registry that is a server, and may want to know who is there. ``server`` is a host with optional port."""

    def log_in(self, server: str, login: Login, tools: Tools) -> LoggedIn:
        """Have the server check it, then keep it; StepError, and nothing kept, when the server refuses it."""
        ...

    def log_out(self, server: str, tools: Tools) -> tuple[str, ...]:
        """Forget it; every place where it was kept."""
        ...

    def permission(self, server: str, repository: str, tools: Tools) -> Permission:
        """Ask what may be done, by beginning a push to ``repository`` and taking it back; StepError when nobody answers."""
        ...
