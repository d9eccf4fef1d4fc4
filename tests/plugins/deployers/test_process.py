from __future__ import annotations

import calendar
import json
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from runner_stage import WEB, Stage, shell

from aac_plugins.deployers.process import ProcessDeployer, decode_live
from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.userns import UsernsRunner
from aac_tasks.contracts.actions import DeployAction, InstanceSpec, PortMapping
from aac_tasks.contracts.image import HealthProbe, ImageConfig
from aac_tasks.contracts.running import Deployed, DeployRequest, Instance, Runner, Status
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.health import Watch, wait_until_well

PROBE = HealthProbe("http", path="/", port=8080)


class Place:
    """A deployer on a stage."""

    def __init__(self, stage: Stage, runner: Runner) -> None:
        self.stage, self.runner = stage, runner
        self.deployer = ProcessDeployer()
        self.timeout = 10.0
        self.data: dict[str, object] = {}

    def deploy(self, config: ImageConfig, text: str = "one", host: int = 0) -> Deployed:
        spec = InstanceSpec("agent", ports=(PortMapping(8080, host),), probe=PROBE)
        request = DeployRequest(
            action=DeployAction("process", spec),
            image=self.stage.image(config, {"www/index.html": text.encode()}),
            config=config,
            runner=self.runner,
            runners=lambda name: self.runner,
            resolve_env=lambda instance: {"TOKEN": "not to be stored"},
            wait_until_well=self.well,
            previous=self.data,  # type: ignore[arg-type]
        )
        deployed = self.deployer.deploy(request, self.stage.tools)
        self.data = dict(deployed.data)
        return deployed

    def well(self, instance: Instance, log: Path) -> None:
        wait_until_well(Watch(self.runner, instance, PROBE, log, (), self.timeout), self.stage.tools)

    def says(self, deployed: Deployed) -> str:
        with self.stage.tools.http(HttpRequest("GET", f"{deployed.url}/index.html")) as response:
            return response.read().decode()

    def agents(self) -> list[int]:
        """Processes whose root or program is in a slot."""
        found = []
        for process in Path("/proc").iterdir():
            for link in ("root", "exe"):
                try:
                    inside = str((process / link).readlink()).startswith(str(self.stage.tools.state))
                except OSError:
                    continue
                if process.name.isdigit() and inside:
                    found.append(int(process.name))
        return sorted(set(found))

    def only_one_runs(self) -> bool:
        """In a moment: the child that answered a request ends after its answer."""
        return self.stage.tools.wait_until(lambda: len(self.agents()) == 1, timeout=5.0)

    def status(self) -> Status:
        return self.deployer.status(self.data, self.stage.tools, lambda name: self.runner)  # type: ignore[arg-type]

    def state(self) -> str:
        return self.status().state

    def remove(self) -> None:
        self.deployer.remove(self.data, self.stage.tools, lambda name: self.runner)  # type: ignore[arg-type]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    stage = Stage(tmp_path)
    isolated = UsernsRunner()
    made = Place(stage, isolated if isolated.probe(stage.tools).works else HostRunner())
    yield made
    stage.cancelled.clear()
    made.remove()
    assert made.agents() == []


def test_a_deployed_agent_answers_outlives_its_tool_and_goes_when_removed(place: Place) -> None:
    deployed = place.deploy(WEB)
    assert place.says(deployed) == "one"
    place.stage.shop.processes.kill_children(grace=0.2)
    assert place.state() == "running"
    age = time.time() - calendar.timegm(time.strptime(place.status().started, "%Y-%m-%dT%H:%M:%SZ"))
    assert 0 <= age < 60
    assert [a.type for a in deployed.artifacts] == ["instance"]
    place.remove()
    assert place.state() == "gone"
    assert place.agents() == []


def test_nothing_that_is_stored_holds_a_secret(place: Place) -> None:
    deployed = place.deploy(WEB)
    stored = [p.read_bytes() for p in place.stage.tools.state.rglob("*.json") if p.is_file()]
    assert stored
    assert all(b"not to be stored" not in text for text in (*stored, json.dumps(deployed.data).encode()))


def test_a_new_image_takes_over_and_exactly_one_agent_runs(place: Place) -> None:
    place.deploy(WEB, "one")
    deployed = place.deploy(WEB, "two")
    assert place.says(deployed) == "two"
    assert place.only_one_runs()
    deployed = place.deploy(WEB, "three")
    assert place.says(deployed) == "three"
    assert place.only_one_runs()


def test_an_image_that_never_becomes_well_leaves_the_old_one_running(place: Place) -> None:
    before = place.deploy(WEB, "one")
    place.timeout = 0.5
    with pytest.raises(StepError, match="was not well within"):
        place.deploy(shell("sleep 60"), "two")
    place.timeout = 10.0
    assert place.only_one_runs()
    running = next(x for s in ("a", "b") if (x := _record(place, s)) is not None)
    assert place.says(replace(before, url=running)) == "one"


def _record(place: Place, slot: str) -> str | None:
    file = place.stage.tools.state / "process" / slot / "deployed.json"
    live = decode_live(json.loads(file.read_text())) if file.exists() else None
    return live.url if live else None


def test_a_fixed_port_is_handed_over(place: Place) -> None:
    port = place.stage.tools.free_port()
    assert place.says(place.deploy(WEB, "one", port)) == "one"
    deployed = place.deploy(WEB, "two", port)
    assert deployed.url == f"http://127.0.0.1:{port}"
    assert place.says(deployed) == "two"
    assert place.only_one_runs()


def test_a_fixed_port_goes_back_to_the_old_image_when_the_new_one_fails(place: Place) -> None:
    port = place.stage.tools.free_port()
    before = place.deploy(WEB, "one", port)
    with pytest.raises(StepError, match=r"ended .*; what ran before \([0-9a-f]{12}\) runs again"):
        place.deploy(shell("echo broken; exit 1"), "two", port)
    assert place.says(before) == "one"
    assert place.only_one_runs()


def test_an_agent_that_does_not_look_at_port_is_still_replaced(place: Place) -> None:
    port = place.stage.tools.free_port()
    deaf = shell(f'exec httpd -f -p "127.0.0.1:{port}" -h "$WWW"')
    place.timeout = 3.0
    probe = replace(PROBE, port=port)
    spec = InstanceSpec("agent", ports=(PortMapping(port),), probe=probe)

    def well(instance: Instance, log: Path) -> None:
        wait_until_well(Watch(place.runner, instance, probe, log, (), 3.0), place.stage.tools)

    for text in ("one", "two"):
        request = DeployRequest(
            action=DeployAction("process", spec),
            image=place.stage.image(deaf, {"www/index.html": text.encode()}),
            config=deaf,
            runner=place.runner,
            runners=lambda name: place.runner,
            resolve_env=lambda instance: {},
            wait_until_well=well,
            previous=place.data,  # type: ignore[arg-type]
        )
        deployed = place.deployer.deploy(request, place.stage.tools)
        place.data = dict(deployed.data)
    assert place.says(deployed) == "two"
    assert deployed.url.endswith(f":{port}")
    assert place.only_one_runs()


def test_a_deploy_that_was_killed_leaves_no_stranger_after_the_next_one(place: Place) -> None:
    place.deploy(WEB, "one")
    child = os.fork()
    if child == 0:
        try:
            place.stage = Stage(place.stage.folder)  # threads of the parent's network do not come along
            place.deploy(shell("sleep 300"), "two")
        finally:
            os._exit(1)
    end = time.monotonic() + 10
    while len(place.agents()) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    assert len(place.agents()) == 2
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    deployed = place.deploy(WEB, "three")
    assert place.says(deployed) == "three"
    assert place.only_one_runs()


def test_logs_are_kept_and_rotated(place: Place) -> None:
    for text in ("one", "two"):
        place.deploy(shell(f'echo I am {text}; exec httpd -f -p "127.0.0.1:${{PORT:-8080}}" -h "$WWW"'), text)
    with place.deployer.logs(place.data, place.stage.tools, lambda name: place.runner) as log:  # type: ignore[arg-type]
        assert log.read() == b"I am two\n"
    assert (place.stage.tools.state / "logs" / "agent.log.1").read_text() == "I am one\n"
