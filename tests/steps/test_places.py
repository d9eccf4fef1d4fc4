"""Places that are made ahead, by a runner that a test makes up."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import ImageConfig, Platform
from aac_tasks.contracts.running import RunRequest
from aac_tasks.errors import StepError
from aac_tasks.state.blobs import Blobs
from aac_tasks.steps.instances import Start
from aac_tasks.steps.places import Places

NAMES = ("hello-dev", "hello-dev-2")
CONFIG = ImageConfig(entrypoint=("/bin/agent",))
BASE = (Entry("bin/agent", "file", 0o755, data=b"agent"),)


class Bench:
    """A state folder with a blob store, and images in it."""

    def __init__(self, folder: Path) -> None:
        self.state, self.blobs = folder / "state", Blobs(folder / "store")

    def request(self, *app: Entry, **more: Any) -> Start:
        """Of an image with these files."""
        with self.blobs.scratch() as scratch:
            parts = {"base": BASE, "application": app}
            layers = tuple(write_layer(part, self.blobs, scratch, name=name, created=0) for name, part in parts.items())
        image = write_image(layers, CONFIG, self.blobs, platform=Platform(), about=About())
        return Start("hello", image, CONFIG, InstanceSpec(more.pop("name", "hello-dev"), **more), {"KEY": "hunter2"})


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


@dataclass
class Work:
    """Places that this runner makes."""

    bench: Any
    folder: Path
    runner: Any = field(default_factory=Preparer)

    def __post_init__(self) -> None:
        self.places = Places(NAMES, {})

    def make(self, request: Start) -> None:
        self.places.make(request, self.runner, self.bench)

    def taken(self, request: Start) -> Start:
        """Where to start it; the archive is gone afterwards."""
        archive = self.folder / "changes.tar"
        archive.unlink(missing_ok=True)
        return self.places.taken(request, self.runner, self.bench, archive)


@pytest.fixture
def work(tmp_path: Path) -> Work:
    return Work(Bench(tmp_path), tmp_path)


def page(text: str) -> Entry:
    return Entry("app/page", "file", data=text.encode())


def test_a_place_is_for_one_name_and_one_description(work: Work) -> None:
    first, second = work.bench.request(), work.bench.request(name="hello-dev-2")
    assert work.taken(first) == first
    for request in (first, first, second):
        work.make(request)
    assert [work.taken(request).place for request in (first, second)] == [{"number": 1}, {"number": 2}]
    other = work.bench.request(ports=(PortMapping(8080, 0),))
    assert work.taken(other) == other
    work.runner.name = "another"
    assert work.taken(first) == first
    work.runner.name = "stage"
    work.make(other)
    assert (work.taken(first).place, work.taken(other).place) == ({}, {"number": 3})
    assert work.runner.requests[-1].place == {}, "what was there for others goes"
    assert len(work.runner.there) == 2
    work.places.give_up(work.bench)
    assert work.runner.there == set()


def test_whoever_is_started_there_hears_which_files_are_another_than_those_that_were_there(work: Work) -> None:
    work.make(work.bench.request(page("old"), Entry("app/other", "file", data=b"as ever")))
    begun = work.taken(work.bench.request(page("new"), Entry("app/other", "file", data=b"as ever")))
    assert begun.changes
    assert (begun.changes.changed, begun.changes.gone) == (("app/page",), ())
    with tarfile.open(begun.changes.archive) as tar:
        assert [member.name for member in tar] == ["app/page"]


def test_what_stands_by_is_for_one_start_and_is_renewed_where_it_was(work: Work) -> None:
    old, new = work.bench.request(page("old")), work.bench.request(page("new"))
    work.make(old)
    work.taken(new)
    assert (work.taken(new).place, work.taken(new).changes) == ({"number": 1}, None)
    work.make(new)
    assert work.runner.requests[-1].place == {"number": 1}
    assert work.taken(old).changes
    work.make(new)
    work.make(old)
    assert len(work.runner.requests) == 4, "also for an image that comes again"


def test_where_more_than_files_is_another_or_some_are_gone_nobody_is_told_of_changes(work: Work) -> None:
    new, old = work.bench.request(page("new")), work.bench.request(page("old"), Entry("app/gone", "file", data=b""))
    for request in (
        new,
        replace(old, env={"KEY": "another"}),
        work.bench.request(page("new"), Entry("app/gone", "hardlink", target="app/page")),
    ):
        work.make(old)
        taken = work.taken(request)
        assert taken.place
        assert taken.changes is None


def test_values_are_those_of_a_start(work: Work) -> None:
    work.make(work.bench.request())
    assert work.runner.requests[0].env == {"KEY": "hunter2"}


def test_who_refuses_is_not_asked_again_and_has_to_clean_up(work: Work) -> None:
    work.runner.refuses = True
    request = work.bench.request()
    for _ in range(2):
        work.make(request)
        assert work.taken(request).place == {}
    assert len(work.runner.requests) == 1
    assert work.runner.there
    work.places.give_up(work.bench)
    assert work.runner.there == set()


def test_a_runner_that_can_not_is_left_alone(work: Work) -> None:
    work.runner = SimpleNamespace(name="plain")
    request = work.bench.request()
    work.make(request)
    assert work.taken(request) == request
    work.places.give_up(work.bench)


def test_places_of_an_engine_that_is_gone_are_no_matter(work: Work) -> None:
    work.runner.name = "gone"
    for name in NAMES:
        work.make(work.bench.request(name=name))
    work.places.give_up(work.bench)
    work.places.give_up(work.bench)


def test_those_of_a_session_that_was_killed_are_removed_by_the_next(work: Work) -> None:
    for name in NAMES:
        work.make(work.bench.request(name=name))
    work.places = Places(NAMES, {})
    work.make(work.bench.request(name="hello-dev-2"))
    assert len(work.runner.there) == 1
    work.places.give_up(work.bench)
    assert work.runner.there == set()
