"""What runs of a workspace: agents that were deployed, and those that `agent run` started."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from aac_tasks.contracts.actions import DeployAction, InstanceSpec, TestAction
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.roles import Instance, Status
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import AacError, StepError, UsageError
from aac_tasks.session import Session
from aac_tasks.steps.built import image_here
from aac_tasks.steps.environment import resolve
from aac_tasks.steps.instances import Running, Start, kept, start, status, stop


class Instances:
    """Lists, starts and ends. An instance has ``name agent by state url image started``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> list[JsonObject]:
        """What is there, deployed or run, by agent; what is gone is left out."""
        found = [one for agent in self._agents() for one in (*self._deployed(agent), *self._run(agent))]
        return [one for one in found if one["state"] != "gone"]

    def start(self, agent: str) -> JsonObject:
        """Start an agent's image, with the ports and environment that its agent.yaml says.

        Raises:
            StepError: there is no image, a value is missing, or it can't be started.
        """
        outputs = self._session.image(agent)
        if outputs is None:
            raise StepError(f"{agent} has no image yet", hint=f"`agent build {agent}` makes it")
        hands, runners = self._session.hands, self._session.catalog.runners
        tools = hands.tools(f"run:{agent}", agent)
        image = image_here(outputs)
        with tools.blobs.open(image.config.digest) as file:
            config = config_from_oci(json.load(file))
        instance = self._instance_spec(agent)
        values = resolve(instance, tools, strict=True)
        return self._facts(start(Start(agent, image, config, instance, values), hands.runner, runners, tools))

    def stop(self, name: str) -> None:
        """End one by its name; a deployed one is removed from its target."""
        catalog = self._session.catalog
        running = self._find(name)
        if running is not None:
            stop(running, catalog.runners, self._tools(running.agent))
            return
        deployed = self._deployment(name)
        deployer = catalog.deployers.get(str(deployed["target"]))
        deployer.remove(_object(deployed["data"]), self._tools(name), catalog.runners.get)

    def logs(self, name: str) -> IO[bytes]:
        """What it wrote so far; reading on at its end gives what came meanwhile, where the target can."""
        running = self._find(name)
        if running is None:
            deployed = self._deployment(name)
            catalog = self._session.catalog
            deployer = catalog.deployers.get(str(deployed["target"]))
            return deployer.logs(_object(deployed["data"]), self._tools(name), catalog.runners.get)
        try:
            return running.log.open("rb")
        except OSError as error:
            raise StepError(f"the log of {name} can't be read: {error.strerror or error}") from error

    def status(self, name: str) -> Status:
        """What it does now."""
        running = self._find(name)
        if running is not None:
            return status(running, self._session.catalog.runners, self._tools(running.agent))
        return self._deployed_status(name, self._deployment(name))

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is cancelled."""
        self._tools("-").sleep(seconds)

    def _tools(self, agent: str) -> Tools:
        return self._session.hands.tools("", agent)

    def _agents(self) -> list[str]:
        """Every agent that has state here, whether its agent.yaml still reads well or not."""
        folder = self._session.state.path / "agents"
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [name for name in names if name != "-"]

    def _folder(self, agent: str) -> Path:
        return self._session.state.path / "agents" / agent

    def _run(self, agent: str) -> Iterator[JsonObject]:
        for running in kept(self._folder(agent)):
            yield self._facts(running)

    def _facts(self, running: Running) -> JsonObject:
        tools = self._tools(running.agent)
        state = status(running, self._session.catalog.runners, tools).state
        instance = running.instance
        return {
            "name": instance.name,
            "agent": running.agent,
            "by": "run",
            "state": state,
            "url": url_of(instance),
            "image": str(instance.image),
            "started": running.started,
            "runner": instance.runner,
            "ports": dict(instance.ports),
        }

    def _deployed(self, agent: str) -> Iterator[JsonObject]:
        outputs = self._session.outputs(agent, "deploy")
        if outputs is None or "target" not in outputs:
            return
        now = self._deployed_status(agent, outputs)
        image = (self._session.outputs(agent, "image") or {}).get("digest")
        yield {
            "name": agent,
            "agent": agent,
            "by": outputs["target"],
            "state": now.state,
            "url": outputs.get("url"),
            "image": image,
            "started": now.started,
        }

    def _deployed_status(self, agent: str, outputs: JsonObject) -> Status:
        """``unknown`` where the target does not answer: that is no reason to hide the others."""
        try:
            catalog = self._session.catalog
            deployer = catalog.deployers.get(str(outputs["target"]))
            return deployer.status(_object(outputs.get("data")), self._tools(agent), catalog.runners.get)
        except AacError as error:
            return Status(f"unknown: {error}".splitlines()[0])

    def _deployment(self, agent: str) -> JsonObject:
        outputs = self._session.outputs(agent, "deploy") if agent in self._agents() else None
        if outputs is None:
            raise UsageError(f"nothing called {agent!r} runs; `agent ps` lists what does")
        return outputs

    def _find(self, name: str) -> Running | None:
        found = (one for agent in self._agents() for one in kept(self._folder(agent)))
        return next((one for one in found if one.instance.name == name), None)

    def _instance_spec(self, agent: str) -> InstanceSpec:
        """As deployed, else as tested."""
        plan = self._session.plan((agent,)).agents[0]
        deploy, test = plan.step("deploy"), plan.step("test")
        if deploy is not None and deploy.action is not None:
            return decode(DeployAction, deploy.action).instance
        if test is not None and test.action is not None:
            return decode(TestAction, test.action).instance
        raise StepError(f"{agent} can't be run", hint=f"`agent plan {agent}` says what stands in the way")


def url_of(instance: Instance) -> str:
    """Where its first TCP port answers, "" without one."""
    port = next((host for port, host in instance.ports.items() if port.endswith("/tcp")), None)
    return f"http://{instance.address}:{port}" if port else ""


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
