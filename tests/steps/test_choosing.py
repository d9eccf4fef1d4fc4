"""Which runner is taken, with runners that a test makes up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from runner_stage import Stage

from aac_tasks.catalog import Table
from aac_tasks.contracts.running import Probe
from aac_tasks.errors import StepError
from aac_tasks.steps.choosing import Wish, choose_runner


@dataclass
class Moody:
    """Works at the probe of that number (0: never)."""

    name: str
    works_at: int = 1
    probes: list[str] = field(default_factory=list)

    def probe(self, tools: object) -> Probe:
        self.probes.append(self.name)
        works = self.works_at and len(self.probes) >= self.works_at
        return Probe(True, "container", "1") if works else Probe(False, reason="no answer within 200 ms")


@pytest.fixture
def tools(tmp_path: Path) -> Any:
    return Stage(tmp_path).tools


def table(*runners: Moody) -> Any:
    return Table("runner", {runner.name: runner for runner in runners})


def test_the_first_that_works_is_taken_and_says_why_not_the_others(tools: Any) -> None:
    docker, crun = Moody("docker", 0), Moody("crun")
    choice = choose_runner(table(docker, crun), Wish(), tools)
    assert (choice.name, choice.isolation) == ("crun", "container")
    assert choice.reason == "the first that works here (not docker: no answer within 200 ms)"
    assert len(docker.probes) == 1


def test_the_one_of_last_time_gets_more_than_one_chance(tools: Any) -> None:
    docker = Moody("docker", 3)
    assert choose_runner(table(docker, Moody("crun")), Wish(last="docker"), tools).name == "docker"
    assert len(docker.probes) == 3


def test_that_another_was_taken_than_last_time_is_said(tools: Any) -> None:
    choice = choose_runner(table(Moody("docker"), Moody("crun")), Wish(last="crun"), tools)
    assert choice.reason == "the first that works here; last time it was crun, so tests run again"


def test_the_one_that_was_asked_for_is_taken_or_refused(tools: Any) -> None:
    both = table(Moody("docker", 0), Moody("crun"))
    assert choose_runner(both, Wish("crun", last="docker"), tools).reason == "as asked"
    with pytest.raises(StepError, match="no runner works here: docker: no answer"):
        choose_runner(both, Wish("docker"), tools)


def test_host_must_be_allowed_or_asked_for(tools: Any) -> None:
    host = table(Moody("host"))
    with pytest.raises(StepError, match="allowed by --allow-host"):
        choose_runner(host, Wish(), tools)
    assert choose_runner(host, Wish(allow_host=True), tools).name == "host"
    assert choose_runner(host, Wish("host"), tools).name == "host"
