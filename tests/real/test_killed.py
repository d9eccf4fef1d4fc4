"""Lock, image, test, push and deploy, killed and terminated at many moments: the next run does as if nothing had happened.

    AAC_KILLS=50   how many moments, uniform over the run and at least eight within each step (without it: 200)
"""

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
from real.kill_shots import STEPS, Aim, Command, Ground, Pace, shoot
from real.kill_yard import Yard, make_yard, package_index

from aac_tasks.testing import command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("killed")]

KILLED = ("lock", "image", "test", "push", "deploy")
DOIT = (sys.executable, "-m", "doit", "push", "deploy")
IN_EACH_STEP = 8
MOMENTS = int(os.environ.get("AAC_KILLS", "200"))
WAYS = ("kill", "kill the group", "terminate")
"""In turn; who aims within a step kills."""
PODMANS = {"conmon", "podman"}
SPARE = MOMENTS // 2
"""Shots that may miss, because a step or a run was faster or slower than those before it."""


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
        self.check_processes(said)
        assert self.answer() == f"version {self.version}\n"

    def check_processes(self, said: str) -> None:
        """What was deployed runs, and nothing else; a container in which Podman was tried as a runner is removed by Podman."""
        end = time.monotonic() + 10
        while True:
            found = self.ground.processes()
            names = sorted(Path(line.split()[0]).name for line in found.values())
            if PODMANS.isdisjoint(names) or time.monotonic() > end:
                break
            time.sleep(0.05)
        assert names == ["httpd", "runc"], f"{found}\n{said}"

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
    killed: Counter[str] = field(default_factory=Counter)
    spare: int = SPARE
    taken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, place: Range) -> None:
        """Shoot until nothing is left to try."""
        while (taken := self._next()) is not None:
            aim, way = taken
            hit = end(place, aim, way)
            with self.lock:
                self.landed[hit] += hit != "ended"
                self.killed[hit] += way != "terminate"
                if hit == "ended" or (aim.step and hit != aim.step):
                    self._again(aim)

    def _again(self, aim: Aim) -> None:
        if self.spare:
            self.spare -= 1
            self.wanted.insert(0, Aim(aim.step, random.random()))  # noqa: S311

    def _next(self) -> tuple[Aim, str] | None:
        with self.lock:
            if not self.wanted:
                return None
            aim = self.wanted.pop()
            if aim.step and self.killed[aim.step] >= IN_EACH_STEP:
                aim = Aim("", random.random())  # noqa: S311
            self.taken += 1
            return aim, WAYS[self.taken % (2 if aim.step else len(WAYS))]


def test_a_run_that_is_killed_or_terminated_at_any_moment_is_finished_by_the_next(
    ranges: list[Range], capsys: pytest.CaptureFixture[str]
) -> None:
    within = [Aim(step, (n + random.random()) / IN_EACH_STEP) for step in KILLED for n in range(IN_EACH_STEP)]  # noqa: S311
    count = MOMENTS - len(within)
    anywhere = [Aim("", (n + random.random()) / count) for n in range(count)]  # noqa: S311
    random.shuffle(anywhere)  # ways to end it take turns
    random.shuffle(within)
    hunt = Hunt([*within, *anywhere])  # taken from the end
    began = time.monotonic()
    with ThreadPoolExecutor(len(ranges)) as pool:
        list(pool.map(hunt.run, ranges))
    with capsys.disabled():
        print(f"\n{histogram(hunt.landed, ranges[0].pace)}{time.monotonic() - began:.0f} s")
    assert all(hunt.killed[step] >= IN_EACH_STEP for step in KILLED), hunt.killed
    assert sum(hunt.landed.values()) >= 0.8 * MOMENTS


def end(place: Range, aim: Aim, way: str) -> str:
    """One end before its time, and one recovery; which step was hit, "ended" when it was over before."""
    place.turn()
    run = place.start(*DOIT)
    if not place.pace.wait(aim, run, place.ground):
        assert run.end() == 0, run.said
        place.pace = place.pace.least(Pace(place.ground.seconds(), time.monotonic() - run.began))
        return "ended"
    if way != "terminate":
        hit = shoot(run, place.ground, signal.SIGKILL, group=way == "kill the group")
        run.end()
    else:
        hit = shoot(run, place.ground, signal.SIGTERM)
        code = run.end()  # before the first step it may not heed signals yet, and behind the last it may be over
        assert code == 128 + signal.SIGTERM or (not hit and code in (0, -signal.SIGTERM)), f"{code}\n{run.said}"
        place.check_processes(run.said)
    place.recover(run)
    return hit


def test_ctrl_c_in_any_step_ends_the_run_with_its_code_and_keeps_what_was_finished(ranges: list[Range]) -> None:
    with ThreadPoolExecutor(len(ranges)) as pool:
        codes = pool.map(lambda place, steps: [interrupt(place, s) for s in steps], ranges, (KILLED[:3], KILLED[3:]))
    assert [one for codes_of_one in codes for one in codes_of_one] == [128 + signal.SIGINT] * len(KILLED)


def interrupt(place: Range, step: str) -> int:
    """Interrupt doit or `agent` in a step, then look and recover; its exit code."""
    while True:
        place.turn()
        run = place.start(*(DOIT if step in ("push", "test") else (*command("agent"), "deploy")))
        if place.pace.wait(Aim(step, 0.5 * random.random()), run, place.ground):  # noqa: S311
            run.child.send_signal(signal.SIGINT)
            code = run.end()
            if code != 0:  # else it was done before the signal came
                break
    place.check_processes(run.said)
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
            hit = shoot(run, place.ground, signal.SIGKILL, group=True)
            run.end()
    place.yard.write(place.version)
    again = place.start(*command("agent"), "test")
    assert again.end() == 0, again.said
    assert re.search(r"test:\S+  from the cache", again.said), again.said
    place.check_processes(again.said)
    assert len(place.ground.containers()) == 1


def histogram(landed: Counter[str], pace: Pace) -> str:
    """A bar for each step, and how long it takes."""
    rows = [(step, landed[step], f"{pace.steps[step] * 1000:6.0f} ms") for step in STEPS]
    rows.append(("between", landed[""], ""))
    return "".join(f"{name:<12}{count:>3} {'#' * count:<20} {long}\n" for name, count, long in rows if count)
