"""A shared cache in a real registry that CI has filled, behind a server that counts and, where a test wants it, breaks things."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from http_servers import Answer, Seen, Server
from real_registry import registry_server
from registry_front import Fault, front
from team import Key, Member, Team, make_key, make_team

AGENTS = ("ada", "bob", "eve")
PATIENT = {"AAC_SHARED_CACHE_TIMEOUT": "120"}
"""On a busy machine an answer may take longer than anybody would wait for it."""
ALL = {f"{kind}:{name}" for kind in ("image", "test") for name in AGENTS}


@dataclass
class Warm:
    """A cache in a registry that CI has filled. ``fault`` is what goes wrong on the way to it, if anything."""

    team: Team
    key: Key
    server: Server
    real: str
    digests: dict[str, str]
    fault: list[Fault] = field(default_factory=list)
    count: Iterator[int] = field(default_factory=itertools.count)

    @property
    def place(self) -> str:
        return f"{self.server.url}/team/cache"

    def clone(self, **env: str) -> Member:
        """A fresh machine; what was asked before is forgotten."""
        self.server.seen.clear()
        return self.team.member(f"clone-{next(self.count)}", {**PATIENT, **env})

    def asked(self) -> list[str]:
        """Method and last two parts of the path of each request."""
        return [f"{s.method} {'/'.join(s.path.split('/')[-2:])}"[:24] for s in self.server.seen]


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    top = tmp_path_factory.mktemp("shared")
    team, key = make_team(top, AGENTS), make_key(top, "ci")
    faults: list[Fault] = []

    def behave(seen: Seen, real: Callable[[], Answer]) -> Answer:
        return faults[0](seen, real) if faults else real()

    with registry_server(top / "registry") as address, front(address, behave) as server:
        warm = Warm(team, key, server, address, {}, faults)
        team.settings(place=warm.place, keys=[key.public])
        ci = team.member("ci", {**PATIENT, "AAC_SHARED_CACHE_WRITE": "1", "AAC_SHARED_CACHE_KEY": key.file.read_text()})
        ran = ci.outcomes()
        assert {ran[f"{kind}:{name}"] for kind in ("image", "test") for name in AGENTS} == {"done"}
        for name in AGENTS:
            warm.digests[name] = json.loads(ci.project.agent("inspect", name, "--json").ok().stdout)["digest"]
        yield warm


@pytest.fixture
def warm(warm_cache: Warm) -> Iterator[Warm]:
    """As CI left it, with nothing in the way."""
    yield warm_cache
    warm_cache.fault.clear()
    warm_cache.team.settings(place=warm_cache.place, keys=[warm_cache.key.public])


def made(ran: dict[str, str], outcome: str) -> set[str]:
    """The steps image and test that ended so."""
    return {step for step, ended in ran.items() if ended == outcome and step.startswith(("image:", "test:"))}
