"""A fresh clone of a workspace whose every agent CI has built and tested: what `agent test` does with a warm cache in a registry.

The registry is the one that the tests start (Debian's docker-registry), on loopback. Requests are counted once, by a server in
front of it; what is measured asks it directly.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import Place, Sample
from benchmarks.rows import Row

sys.path.append(str(ROOT / "tests"))  # the registry that tests start, and their team

from real_registry import registry_server
from registry_front import front
from team import Team, make_key, make_team

MOST_MS = 2000.0


@dataclass(frozen=True)
class Counted:
    """What a fresh clone asked of the registry: requests for entries, and for blobs."""

    agents: int
    requests: int
    blobs: int

    @property
    def met(self) -> bool:
        """One request per agent at most, and no byte of an image."""
        return self.requests <= self.agents and self.blobs == 0

    def __str__(self) -> str:
        return f"{self.requests} requests for {self.agents} agents, {self.blobs} of them for blobs"


@dataclass(frozen=True)
class Warm:
    """A team whose CI has filled the cache in the registry at ``address``."""

    top: Path
    lab: Lab
    team: Team
    address: str
    clones: Iterator[int]

    def clone(self, place: str, **env: str) -> Place:
        """A fresh clone of a user who has nothing yet."""
        self.team.settings(place=place, keys=[self.key])
        top = self.top / f"clone-{next(self.clones)}"
        for name in ("home", "cache"):
            (top / name).mkdir(parents=True)
        shutil.copytree(self.team.source.folder, top / "project", ignore=shutil.ignore_patterns(".aac"))
        clean = {**self.lab.still.env, "HOME": str(top / "home"), "XDG_CACHE_HOME": str(top / "cache")}
        return Place(top / "project", {**clean, **env})

    @property
    def key(self) -> str:
        """Whose signatures are believed."""
        return (self.top / "public").read_text()

    def fresh(self) -> Sample:
        """`agent test` in one, measured; every image and test must come from the cache.

        It is left where it is: for a minute after a large folder is removed, ext4 takes twenty times as long to make a file.
        """
        clone = self.clone(f"http://{self.address}/team/cache")
        sample = clone.timed(self.lab.command("agent"), "test")
        stamps = len(list(clone.folder.glob(".aac/agents/*/steps/test/stamp")))
        blobs = list((clone.folder.parent / "cache/aac/blobs").glob("sha256/*/*"))
        assert stamps == len(self.team.names), "not every agent was answered for"
        assert blobs == [], "an image was brought or built"
        return sample

    def counted(self) -> Counted:
        """Once more, through a server that counts."""
        with front(self.address, lambda seen, real: real()) as server:
            clone = self.clone(f"{server.url}/team/cache")
            ended = json.loads(clone.said(self.lab.command("agent"), "test", "--json"))["steps"]
            assert {s["status"] for s in ended if s["step"].startswith(("image:", "test:"))} == {"cached"}
            return Counted(len(self.team.names), len(server.seen), len(server.asked("GET", "/blobs/")))


@contextlib.contextmanager
def warm(top: Path, lab: Lab, agents: int) -> Iterator[Warm]:
    """Start the registry, and have a CI of the team build and test everything once."""
    folder = top / "shared"
    folder.mkdir()
    team, key = make_team(folder, tuple(f"agent-{number:03}" for number in range(agents))), make_key(folder, "ci")
    (folder / "public").write_text(key.public)
    with registry_server(folder / "registry") as address:
        made = Warm(folder, lab, team, address, itertools.count())
        write = {"AAC_SHARED_CACHE_WRITE": "1", "AAC_SHARED_CACHE_KEY": str(key.file)}
        made.clone(f"http://{address}/team/cache", **write).said(lab.command("agent"), "test")
        yield made


def cache_row(made: Warm) -> Row:
    """The one line."""
    name = f"`agent test` in a fresh clone, {len(made.team.names)} unchanged agents, warm registry cache"
    return Row(name, made.fresh, limit=MOST_MS)
