"""Records of what `agent run` started, with a runner that a test makes up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aac_tasks.catalog import Table
from aac_tasks.contracts.actions import InstanceSpec, Isolation
from aac_tasks.contracts.image import MEDIA_CONFIG, MEDIA_MANIFEST, Descriptor, Digest, ImageConfig, Platform, StoredImage
from aac_tasks.contracts.roles import Instance, Probe, Runner, RunRequest, Status
from aac_tasks.errors import StepError
from aac_tasks.steps.instances import RECORD, Start, kept, start, status, stop

DIGEST = Digest("sha256:" + "0" * 64)
IMAGE = StoredImage(Descriptor(MEDIA_MANIFEST, DIGEST, 1), Descriptor(MEDIA_CONFIG, DIGEST, 1), (), Platform(), DIGEST)
REQUEST = Start("hello", IMAGE, ImageConfig(), InstanceSpec("hello-run"), {"KEY": "hunter2"})


@dataclass
class StageRunner:
    """Runs nothing; knows what it was told to run."""

    name: str = "stage"
    alive: set[str] = field(default_factory=set)
    requests: list[RunRequest] = field(default_factory=list)

    def probe(self, tools: object) -> Probe:
        return Probe(True, "process")

    def start(self, request: RunRequest, tools: object) -> Instance:
        assert list(request.state.iterdir()) == []
        request.log.write_text("started\n")
        self.requests.append(request)
        self.alive.add(request.instance.name)
        return Instance(self.name, request.instance.name, request.image.manifest.digest, {"8080/tcp": 4000})

    def status(self, instance: Instance, tools: object) -> Status:
        return Status("running" if instance.name in self.alive else "gone")

    def stop(self, instance: Instance, tools: object, *, grace: float = 10.0) -> None:
        self.alive.discard(instance.name)


class Scene:
    def __init__(self, folder: Path) -> None:
        self.tools: Any = SimpleNamespace(state=folder)
        self.stage = StageRunner()
        self.runner: Any = self.stage
        self.runners: Table[Runner] = Table("runner", {"stage": self.runner})


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_what_was_started_is_found_again(scene: Scene, tmp_path: Path) -> None:
    running = start(REQUEST, scene.runner, scene.runners, scene.tools)
    assert running.instance.name == "hello-run"
    assert list(kept(tmp_path)) == [running]
    assert running.log.read_text() == "started\n"
    assert status(running, scene.runners, scene.tools).state == "running"


@pytest.mark.parametrize(
    ("image", "asked", "refused"),
    [("", "", "root"), ("0:7", "", "0:7"), ("root", "", "root"), ("10001:10001", "", ""), ("", "9", ""), ("app", "0", "0")],
)
def test_who_must_not_be_root_is_not_started_as_root(scene: Scene, tmp_path: Path, image: str, asked: str, refused: str) -> None:
    spec = replace(REQUEST.instance, isolation=Isolation(user=asked, non_root=True))
    request = replace(REQUEST, config=ImageConfig(user=image), instance=spec)
    if not refused:
        assert start(request, scene.runner, scene.runners, scene.tools).instance.name == "hello-run"
        return
    with pytest.raises(StepError, match=f"the image runs as {refused}, and spec.security.runAsNonRoot is true"):
        start(request, scene.runner, scene.runners, scene.tools)
    assert list(kept(tmp_path)) == []
    assert start(replace(request, instance=REQUEST.instance), scene.runner, scene.runners, scene.tools).image == IMAGE


def test_a_record_holds_no_value_of_the_environment(scene: Scene) -> None:
    running = start(REQUEST, scene.runner, scene.runners, scene.tools)
    assert b"hunter2" not in (running.folder / RECORD).read_bytes()


def test_it_outlives_the_command(scene: Scene) -> None:
    start(REQUEST, scene.runner, scene.runners, scene.tools)
    assert scene.stage.requests[0].detach


def test_a_second_one_of_the_same_agent_is_refused_while_the_first_runs(scene: Scene) -> None:
    start(REQUEST, scene.runner, scene.runners, scene.tools)
    with pytest.raises(StepError, match="hello-run runs already"):
        start(REQUEST, scene.runner, scene.runners, scene.tools)
    assert len(scene.stage.requests) == 1


def test_another_runner_does_not_hide_one_that_runs(scene: Scene) -> None:
    start(REQUEST, scene.runner, scene.runners, scene.tools)
    other: Any = StageRunner("other")
    with pytest.raises(StepError, match="runs already"):
        start(REQUEST, other, Table("runner", {"stage": scene.runner, "other": other}), scene.tools)


def test_what_ended_by_itself_makes_room(scene: Scene, tmp_path: Path) -> None:
    first = start(REQUEST, scene.runner, scene.runners, scene.tools)
    (first.folder / "state" / "left").write_text("x")
    scene.stage.alive.clear()
    assert start(REQUEST, scene.runner, scene.runners, scene.tools).folder == first.folder
    assert len(list(kept(tmp_path))) == 1


def test_stopping_ends_and_forgets_it(scene: Scene, tmp_path: Path) -> None:
    running = start(REQUEST, scene.runner, scene.runners, scene.tools)
    stop(running, scene.runners, scene.tools)
    assert scene.stage.alive == set()
    assert list(kept(tmp_path)) == []
    assert not running.folder.exists()


def test_a_torn_record_is_as_good_as_none(scene: Scene, tmp_path: Path) -> None:
    running = start(REQUEST, scene.runner, scene.runners, scene.tools)
    (running.folder / RECORD).write_text('{"agent": "hel')
    assert list(kept(tmp_path)) == []


def test_an_instance_of_a_runner_that_is_gone_is_gone(scene: Scene) -> None:
    running = start(REQUEST, scene.runner, scene.runners, scene.tools)
    assert status(running, Table("runner"), scene.tools).state == "gone"
