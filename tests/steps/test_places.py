"""Places that are made ahead, by a runner that a test makes up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import MEDIA_CONFIG, MEDIA_MANIFEST, Descriptor, Digest, ImageConfig, Platform, StoredImage
from aac_tasks.contracts.running import RunRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.instances import Start
from aac_tasks.steps.places import Places

DIGEST = Digest("sha256:" + "0" * 64)
IMAGE = StoredImage(Descriptor(MEDIA_MANIFEST, DIGEST, 1), Descriptor(MEDIA_CONFIG, DIGEST, 1), (), Platform(), DIGEST)
REQUEST = Start("hello", IMAGE, ImageConfig(), InstanceSpec("hello-dev"), {"KEY": "hunter2"})
OTHER = replace(REQUEST, instance=InstanceSpec("hello-dev", ports=(PortMapping(8080, 0),)))
SECOND = replace(REQUEST, instance=InstanceSpec("hello-dev-2"))
NAMES = ("hello-dev", "hello-dev-2")


@dataclass
class Preparer:
    """Makes places of nothing; ``there`` is what it made and nobody gave up."""

    name: str = "stage"
    refuses: bool = False
    requests: list[RunRequest] = field(default_factory=list)
    there: set[Path] = field(default_factory=set)

    def prepare(self, request: RunRequest, tools: object) -> JsonObject:
        self.requests.append(request)
        self.there.add(request.state)
        if self.refuses:
            raise StepError("no more addresses")
        return {"number": len(self.requests)}

    def give_up(self, state: Path, tools: object) -> None:
        if self.name == "gone":
            raise StepError("no engine")
        self.there.discard(state)


@pytest.fixture
def tools(tmp_path: Path) -> Any:
    return SimpleNamespace(state=tmp_path)


def test_a_place_is_for_one_name_and_one_description(tools: Any) -> None:
    places, runner = Places(NAMES), Preparer()
    some: Any = runner
    assert places.of(some, REQUEST.instance) == {}
    for request in (REQUEST, REQUEST, SECOND):
        places.make(request, some, tools)
    assert (places.of(some, REQUEST.instance), places.of(some, SECOND.instance)) == ({"number": 1}, {"number": 2})
    assert places.of(some, OTHER.instance) == {}
    another: Any = Preparer("another")
    assert places.of(another, REQUEST.instance) == {}
    places.make(OTHER, some, tools)
    assert (places.of(some, REQUEST.instance), places.of(some, OTHER.instance)) == ({}, {"number": 3})
    assert len(runner.there) == 2
    places.give_up(tools)
    assert runner.there == set()


def test_no_secret_is_told(tools: Any) -> None:
    runner: Any = Preparer()
    Places(NAMES).make(REQUEST, runner, tools)
    assert runner.requests[0].env == {}


def test_who_refuses_is_not_asked_again_and_has_to_clean_up(tools: Any) -> None:
    places, runner = Places(NAMES), Preparer(refuses=True)
    some: Any = runner
    for _ in range(2):
        places.make(REQUEST, some, tools)
    assert len(runner.requests) == 1
    assert places.of(some, REQUEST.instance) == {}
    assert runner.there
    places.give_up(tools)
    assert runner.there == set()


def test_a_runner_that_can_not_is_left_alone(tools: Any) -> None:
    places, runner = Places(NAMES), SimpleNamespace(name="plain")
    some: Any = runner
    places.make(REQUEST, some, tools)
    assert places.of(some, REQUEST.instance) == {}
    places.give_up(tools)


def test_places_of_an_engine_that_is_gone_are_no_matter(tools: Any) -> None:
    places, gone = Places(NAMES), Preparer("gone")
    some: Any = gone
    for request in (REQUEST, SECOND):
        places.make(request, some, tools)
    places.give_up(tools)
    places.give_up(tools)


def test_those_of_a_session_that_was_killed_are_removed_by_the_next(tools: Any) -> None:
    runner = Preparer()
    some: Any = runner
    killed = Places(NAMES)
    for request in (REQUEST, SECOND):
        killed.make(request, some, tools)
    places = Places(NAMES)
    places.make(SECOND, some, tools)
    assert len(runner.there) == 1
    places.give_up(tools)
    assert runner.there == set()
