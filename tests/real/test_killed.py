"""Lock, image, test, push and deploy, killed at many moments: the next run does as if nothing had happened."""

from __future__ import annotations

import os
import random
import re
import secrets
import shutil
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from real.kill_shots import STEPS, Aim, Command, Ground, Pace, kill
from real.kill_yard import Yard, make_yard, package_index

from aac_tasks.testing import command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("killed")]

KILLED = ("lock", "image", "test", "push", "deploy")
DOIT = (sys.executable, "-m", "doit", "push", "deploy")
IN_EACH_STEP = 8
ANYWHERE = 50
SPARE = 40
"""Shots that may miss their step, because another was faster or slower than it was, all steps together."""


@dataclass
class Range:
    """A yard, what an undisturbed run makes of each source, and how long it takes."""

    yard: Yard
    env: dict[str, str]
    made: dict[int, dict[str, object]] = field(default_factory=dict)
    version: int = 0
    pace: Pace = field(default_factory=Pace)

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
            self.pace = self.pace.least(Pace(self.ground.seconds(), time.monotonic() - run.began))
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


@pytest.fixture(scope="module")
def ranges(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Range]]:
    """A yard for each of two cores, with a cache of its own; each has seen undisturbed runs."""
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    top = tmp_path_factory.mktemp("killed")
    with package_index(top / "index") as index:
        places = [_range(top / str(number), index) for number in range(2)]
        try:
            with ThreadPoolExecutor(len(places)) as pool:
                list(pool.map(Range.warm, places))
            yield places
        finally:
            for place in places:
                place.close()


def _range(top: Path, index: str) -> Range:
    yard = make_yard(top, f"target-{secrets.token_hex(3)}")
    yard.project.write({"dodo.py": "from aac_tasks.dodo import *\n"})
    return Range(yard, yard.environment(index))


@dataclass
class Hunt:
    """Moments still to be tried, and where the shots landed so far. Used from several threads."""

    wanted: list[Aim]
    landed: Counter[str] = field(default_factory=Counter)
    spare: int = SPARE
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, place: Range) -> None:
        """Shoot until nothing is left to try."""
        while (aim := self._next()) is not None:
            hit = shoot(place, aim)
            with self.lock:
                self.landed[hit] += hit != "ended"
                if aim.step and hit != aim.step and self.spare:
                    self.spare -= 1
                    self.wanted.insert(0, Aim(aim.step, random.random()))  # noqa: S311

    def _next(self) -> Aim | None:
        with self.lock:
            while self.wanted:
                aim = self.wanted.pop()
                if not aim.step or self.landed[aim.step] < IN_EACH_STEP:
                    return aim
        return None


def test_a_run_that_is_killed_at_any_of_fifty_moments_is_finished_by_the_next(
    ranges: list[Range], capsys: pytest.CaptureFixture[str]
) -> None:
    anywhere = [Aim("", (n + random.random()) / ANYWHERE) for n in range(ANYWHERE)]  # noqa: S311
    inside = [Aim(step, (n + random.random()) / IN_EACH_STEP) for step in KILLED for n in range(IN_EACH_STEP)]  # noqa: S311
    random.shuffle(inside)
    hunt = Hunt([*inside, *anywhere])  # taken from the end
    began = time.monotonic()
    with ThreadPoolExecutor(len(ranges)) as pool:
        list(pool.map(hunt.run, ranges))
    with capsys.disabled():
        print(f"\n{histogram(hunt.landed, ranges[0].pace)}{time.monotonic() - began:.0f} s")
    assert all(hunt.landed[step] >= IN_EACH_STEP for step in KILLED), hunt.landed
    assert sum(hunt.landed.values()) >= 50


def shoot(place: Range, aim: Aim) -> str:
    """One kill and one recovery; which step was hit."""
    place.turn()
    run = place.start(*DOIT)
    if not place.pace.wait(aim, run, place.ground):
        assert run.end() == 0, run.said
        return "ended"
    hit = kill(run, place.ground, group=random.random() < 0.5)  # noqa: S311
    place.recover(run)
    return hit


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_any_step_ends_the_run_with_its_code_and_keeps_what_was_finished(
    ranges: list[Range], number: signal.Signals
) -> None:
    with ThreadPoolExecutor(len(ranges)) as pool:
        codes = pool.map(lambda place, steps: [interrupt(place, s, number) for s in steps], ranges, (KILLED[:3], KILLED[3:]))
    assert [one for codes_of_one in codes for one in codes_of_one] == [128 + number] * len(KILLED)


def interrupt(place: Range, step: str, number: signal.Signals) -> int:
    """Signal doit or `agent` in a step, then look and recover; its exit code."""
    while True:
        place.turn()
        run = place.start(*(DOIT if step in ("push", "test") else (*command("agent"), "deploy")))
        if place.pace.wait(Aim(step, 0.5 * random.random()), run, place.ground):  # noqa: S311
            run.child.send_signal(number)
            code = run.end()
            if code != 0:  # else it was done before the signal came
                break
    found = place.ground.processes()
    assert sorted(line.split()[0] for line in found.values()) == ["httpd", "runc"], f"{found}\n{run.said}"
    place.recover(run)
    return code


def test_an_instance_of_a_killed_test_is_ended_though_that_test_need_not_run_any_more(ranges: list[Range]) -> None:
    place, hit = ranges[0], ""
    place.turn()
    assert place.start(*DOIT).end() == 0
    while hit != "test":
        place.yard.write(2)
        run = place.start(*command("agent"), "test")
        if place.pace.wait(Aim("test", 0.6), run, place.ground):
            hit = kill(run, place.ground, group=True)
    place.yard.write(place.version)
    again = place.start(*command("agent"), "test")
    assert again.end() == 0, again.said
    assert re.search(r"test:\S+  from the cache", again.said), again.said
    found = place.ground.processes()
    assert sorted(line.split()[0] for line in found.values()) == ["httpd", "runc"], found
    assert len(place.ground.containers()) == 1


def histogram(landed: Counter[str], pace: Pace) -> str:
    """A bar for each step, and how long it takes."""
    rows = [(step, landed[step], f"{pace.steps[step] * 1000:6.0f} ms") for step in STEPS]
    rows.append(("between", landed[""], ""))
    return "".join(f"{name:<12}{count:>3} {'#' * count:<20} {long}\n" for name, count, long in rows if count)
