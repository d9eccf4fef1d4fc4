"""Lock, image, test, push and deploy, killed at many moments: the next run does as if nothing had happened."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from real.kill_shots import STEPS, Aim, Command, Ground, Pace, kill
from real.kill_yard import Yard, make_yard, package_index

from aac_tasks.testing import need

KILLED = ("lock", "image", "test", "push", "deploy")
DOIT = (sys.executable, "-m", "doit", "push", "deploy")
IN_EACH_STEP = 8
ANYWHERE = 10
TRIES = 40
"""Shots that may miss their step, because another was faster or slower than it was, all steps together."""


@dataclass
class Range:
    """A yard, what an undisturbed run makes of each source, and how long it takes."""

    yard: Yard
    env: dict[str, str]
    made: dict[int, dict[str, object]] = field(default_factory=dict)
    version: int = 0
    pace: Pace = field(default_factory=lambda: Pace({}, 0.0))

    @property
    def ground(self) -> Ground:
        """Where to look."""
        return Ground(self.yard.project.folder, self.yard.cache, self.yard.name)

    def start(self, *argv: str) -> Command:
        """Start a command in the project."""
        return Command(argv, self.yard.project.folder, self.env)

    def turn(self) -> None:
        """The other source."""
        self.version = 1 - self.version
        self.yard.rewind(self.version)

    def warm(self) -> None:
        """One undisturbed run of each source."""
        self.yard.project.agent("lock", env=self.env).ok()
        shutil.copytree(self.yard.cache, self.yard.template, dirs_exist_ok=True)
        for _ in range(3):
            self.turn()
            run = self.start(*DOIT)
            assert run.end() == 0, run.said
            self.pace = Pace.of(run)
            made = self.ground.made()
            assert self.made.setdefault(self.version, made) == made

    def recover(self, killed: Command) -> None:
        """The next run succeeds, keeps what was finished, and leaves what an undisturbed one leaves."""
        run = self.start(*DOIT)
        assert run.end() == 0, run.said
        finished = {step for step, (_, sign) in killed.outcomes().items() if sign in "✓–"}
        again = {step for step, (_, sign) in run.outcomes().items() if sign != "–"}
        assert not finished & again, f"done again: {finished & again}\n{killed.said}\n---\n{run.said}"
        self.check(run.said)

    def check(self, said: str) -> None:
        """Everything is as it should be, and one agent runs."""
        ground = self.ground
        expected, made = self.made[self.version], ground.made()
        for name, value in expected.items():
            assert made[name] == value, f"{name}\n{said}"
        assert ground.torn() == []
        assert ground.unfinished() == []
        assert ground.held() == []
        assert ground.mounted() == []
        assert len(ground.containers()) == 1
        found = ground.processes()
        assert sorted(line.split()[0] for line in found.values()) == ["httpd", "runc"], found
        assert self.answer() == f"version {self.version}\n"

    def answer(self) -> str:
        """What the deployed agent says."""
        url = str(self.ground.outputs("deploy")["url"])
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return str(response.read().decode())

    def close(self) -> None:
        """Stop what runs."""
        self.yard.project.agent("stop", self.yard.name, env=self.env)
        for pid in self.ground.processes():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def shooting(tmp_path: Path) -> Iterator[Range]:
    """A yard that has seen undisturbed runs."""
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    with package_index(tmp_path / "index") as index:
        yard = make_yard(tmp_path, f"target-{secrets.token_hex(3)}")
        yard.project.write({"dodo.py": "from aac_tasks.dodo import *\n"})
        place = Range(yard, yard.environment(index))
        try:
            place.warm()
            yield place
        finally:
            place.close()


@pytest.mark.real
@pytest.mark.slow
def test_a_run_that_is_killed_at_any_of_fifty_moments_is_finished_by_the_next(
    shooting: Range, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = random.Random(50)  # noqa: S311  # moments, not secrets
    wanted = [Aim(step, (n + dice.random()) / IN_EACH_STEP) for step in KILLED for n in range(IN_EACH_STEP)]
    wanted += [Aim("", (n + dice.random()) / ANYWHERE) for n in range(ANYWHERE)]
    dice.shuffle(wanted)
    landed: Counter[str] = Counter()
    spare = TRIES
    began = time.monotonic()
    while wanted:
        aim = wanted.pop()
        hit = shoot(shooting, aim, group=len(wanted) % 2 == 0)
        landed[hit] += hit != "ended"
        if aim.step and hit != aim.step and landed[aim.step] < IN_EACH_STEP and spare:
            spare -= 1
            wanted.insert(0, Aim(aim.step, dice.random()))
    with capsys.disabled():
        print(f"\n{histogram(landed, shooting.pace)}{time.monotonic() - began:.0f} s")
    assert all(landed[step] >= IN_EACH_STEP for step in KILLED), landed
    assert sum(landed.values()) >= 50


def shoot(place: Range, aim: Aim, *, group: bool) -> str:
    """One kill and one recovery; which step was hit."""
    place.turn()
    run = place.start(*DOIT)
    if not place.pace.wait(aim, run):
        assert run.end() == 0, run.said
        return "ended"
    hit = kill(run, place.ground, group=group)
    place.recover(run)
    return hit


def histogram(landed: Counter[str], pace: Pace) -> str:
    """A bar for each step, and how long it takes."""
    rows = [(step, landed[step], pace.seconds(step) if step in pace.ends and step != "parse" else 0.0) for step in STEPS]
    rows += [("between", landed[""], 0.0)]
    return "".join(f"{name:<12}{count:>3} {'#' * count:<20} {seconds * 1000:6.0f} ms\n" for name, count, seconds in rows if count)
