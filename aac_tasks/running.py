"""What runs of a workspace: agents that were deployed, and those that `agent run` started."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import IO

from aac_tasks.contracts.actions import DeployAction, InstanceSpec, TestAction
from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.roles import Instance, Runner, Status
from aac_tasks.contracts.running import Interactive, Measuring, Usage
from aac_tasks.contracts.spec import variable_of
from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import AacError, StepError, UsageError
from aac_tasks.images import Images
from aac_tasks.plan.overrides import Overrides, overridden
from aac_tasks.session import Session
from aac_tasks.state.stamps import Stamp, exclusively
from aac_tasks.steps.built import image_here
from aac_tasks.steps.environment import resolve
from aac_tasks.steps.instances import FOLDER, Both, Running, Start, kept, start, status, stop
from aac_tasks.steps.neighbours import place_of, untold


class Instances:
    """Lists, starts, enters and ends. An instance has ``name agent by state exit_code url image started runner ports``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def all(self) -> list[JsonObject]:
        """What is there, deployed or run, by agent; what is gone is left out."""
        found = [one for agent in self._agents() for one in (*self._deployed(agent), *self._run(agent))]
        return [one for one in found if one["state"] != "gone"]

    def start(
        self, agent: str, said: Overrides | None = None, *, interactive: bool = False, terminal: bool = False, apart: bool = False
    ) -> JsonObject:
        """Start an agent's image as its agent.yaml says, with what was said on top of that.

        Raises:
            StepError: there is no image, the name is another's, a value is missing, or it can't be started.
        """
        outputs = self._session.image(agent)
        if outputs is None:
            raise StepError(f"{agent} has no image yet", hint=f"`agent build {agent}` makes it")
        said = said or Overrides()
        name = said.name or f"{agent}-run"
        other = next((one for one in self._all_run() if one.instance.name == name and one.agent != agent), None)
        if other is not None or name in (a for a in self._agents() if self._session.last(a, "deploy")):
            whose = f"{other.agent}, which `agent run` started" if other else "a deployed agent"
            raise StepError(f"{name} is the name of {whose}", hint="give this one another with --name")
        spec = overridden(self.instance_spec(agent), Overrides(**{**vars(said), "name": name}))
        tools = self._session.hands.tools(f"run:{agent}", agent)
        image = image_here(outputs)
        values = self.values(agent, spec, tools)
        runner = self._session.hands.runner
        request = Start(agent, image, self._config(image, tools), spec, values, interactive, terminal, apart=apart)
        return self._begin(request, runner, tools)

    def restart(self, name: str) -> JsonObject:
        """End one and start the same image with the same options; values of secrets and files are looked up anew.

        Raises:
            StepError: its image or a value is missing (it then still runs), or it can't be started again.
        """
        running = self._find(name)
        if running is None:
            self._deployment(name)
            deployed = next(self._deployed(name))
            self._session.again(name, "deploy", Images(self._session).find(str(deployed["image"])).image)
            return next(self._deployed(name))
        tools = self._session.hands.tools(f"run:{running.agent}", running.agent)
        runners = self._session.catalog.runners
        runner = runners.get(running.instance.runner)
        config, values = self._config(running.image, tools), self.values(running.agent, running.spec, tools)
        runner.stop(running.instance, tools)
        renewed = Start(running.agent, running.image, config, running.spec, values, again=True, apart=running.errors.exists())
        return self._begin(renewed, runner, tools)

    def _begin(self, request: Start, runner: Runner, tools: Tools) -> JsonObject:
        folder = tools.state / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        with exclusively(folder):
            return self._facts(start(request, runner, self._session.catalog.runners, tools))

    def _config(self, image: StoredImage, tools: Tools) -> ImageConfig:
        with tools.blobs.open(image.config.digest) as file:
            return config_from_oci(json.load(file))

    def stop(self, name: str) -> None:
        """End one by its name; a deployed one is removed from its target."""
        catalog = self._session.catalog
        if running := self._find(name):
            stop(running, catalog.runners, self._tools(running.agent))
            return
        target, data = self._deployment(name)
        catalog.deployers.get(target).remove(data, self._tools(name), catalog.runners.get)

    def logs(self, name: str) -> IO[bytes]:
        """What it wrote so far; reading on at its end gives what came meanwhile, where the target can."""
        running = self._find(name)
        if running is None:
            target, data = self._deployment(name)
            catalog = self._session.catalog
            return catalog.deployers.get(target).logs(data, self._tools(name), catalog.runners.get)
        return io.BufferedReader(Both(running.streams()))

    def streams(self, name: str) -> tuple[IO[bytes], ...]:
        """The same; what was started to have them ``apart`` gives stdout and stderr."""
        running = self._find(name)
        return running.streams() if running else (self.logs(name),)

    def status(self, name: str) -> Status:
        """What it does now."""
        if running := self._find(name):
            return status(running, self._session.catalog.runners, self._tools(running.agent))
        return self._deployed_status(name, *self._deployment(name))

    def signal(self, name: str, number: int) -> None:
        """Send it a signal; StepError when it does not run."""
        agent, instance = self._instance(name)
        self._runner(instance).signal(instance, number, self._tools(agent))

    def enter(self, name: str, argv: tuple[str, ...], *, terminal: bool) -> AbstractContextManager[Process]:
        """What runs a program in it, to be given to `foreground`.

        Raises:
            StepError: it does not run, or its runner can't.
        """
        agent, instance = self._instance(name)
        return self._interactive(instance).enter(instance, argv, self._tools(agent), terminal=terminal)

    def foreground(self, process: Process) -> int:
        """Run a program with the user's own streams; its exit code."""
        return self._tools("-").foreground(process)

    def attach(self, name: str) -> int | None:
        """Connect the user's streams with an interactive instance until it ends; its exit code.

        None at once when its runner has connected them already, and it goes on.
        """
        agent, instance = self._instance(name)
        process = self._interactive(instance).attach(instance, self._tools(agent))
        if process is None:
            return None
        code = self.foreground(process)
        return code if (known := self.status(name).exit_code) is None else known

    def usage(self, name: str) -> Usage | None:
        """What it uses now; None when that can't be told."""
        try:
            agent, instance = self._instance(name)
            runner = self._runner(instance)
            return runner.usage(instance, self._tools(agent)) if isinstance(runner, Measuring) else None
        except StepError:
            return None

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is cancelled."""
        self._tools("-").sleep(seconds)

    def _tools(self, agent: str) -> Tools:
        return self._session.hands.tools("", agent)

    def _runner(self, instance: Instance) -> Runner:
        return self._session.catalog.runners.get(instance.runner)

    def _interactive(self, instance: Instance) -> Interactive:
        runner = self._runner(instance)
        if not isinstance(runner, Interactive):
            raise StepError(f"runner {instance.runner} lets nobody in", hint="choose another with --runner")
        return runner

    def _agents(self) -> list[str]:
        """Every agent that has state here, whether its agent.yaml still reads well or not."""
        folder = self._session.state.path / "agents"
        names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        return [name for name in names if name != "-"]

    def _all_run(self) -> Iterator[Running]:
        for agent in self._agents():
            yield from kept(self._session.state.path / "agents" / agent)

    def _run(self, agent: str) -> Iterator[JsonObject]:
        for running in kept(self._session.state.path / "agents" / agent):
            yield self._facts(running)

    def _facts(self, running: Running) -> JsonObject:
        tools = self._tools(running.agent)
        instance = running.instance
        try:
            now = status(running, self._session.catalog.runners, tools)
        except AacError as error:  # no reason to hide the others
            now = Status(f"unknown: {error}".splitlines()[0])
        return {
            "name": instance.name,
            "agent": running.agent,
            "by": "run",
            "state": now.state,
            "exit_code": now.exit_code,
            "url": instance.url if now.state != "exited" else "",
            "image": str(instance.image),
            "started": running.started,
            "runner": instance.runner,
            "ports": dict(instance.ports),
        }

    def _deployed(self, agent: str) -> Iterator[JsonObject]:
        stamp = self._session.last(agent, "deploy")
        if stamp is None:
            return
        target, data = _target(stamp)
        now = self._deployed_status(agent, target, data)
        instance = _local(stamp)
        yield {
            "name": agent,
            "agent": agent,
            "by": target,
            "state": now.state,
            "exit_code": now.exit_code,
            "url": stamp.result.outputs.get("url") if now.state != "exited" else "",
            "image": str(instance.image) if instance else stamp.upstream.get(f"image:{agent}/digest"),
            "started": now.started,
            "runner": instance.runner if instance else "",
            "ports": dict(instance.ports) if instance else {},
        }

    def _deployed_status(self, agent: str, target: str, data: JsonObject) -> Status:
        """``unknown`` where the target does not answer: that is no reason to hide the others."""
        try:
            catalog = self._session.catalog
            return catalog.deployers.get(target).status(data, self._tools(agent), catalog.runners.get)
        except AacError as error:
            return Status(f"unknown: {error}".splitlines()[0])

    def _deployment(self, agent: str) -> tuple[str, JsonObject]:
        """Target and data of the last deploy, finished or not."""
        stamp = self._session.last(agent, "deploy") if agent in self._agents() else None
        if stamp is None:
            raise UsageError(f"nothing called {agent!r} runs; `agent ps` lists what does")
        return _target(stamp)

    def _instance(self, name: str) -> tuple[str, Instance]:
        """The agent and the instance on this machine."""
        if running := self._find(name):
            return running.agent, running.instance
        target, _ = self._deployment(name)
        stamp = self._session.last(name, "deploy")
        instance = _local(stamp) if stamp else None
        if instance is None:
            raise StepError(f"{name} is deployed to {target}, which tells of no instance on this machine")
        return name, instance

    def _find(self, name: str) -> Running | None:
        return next((one for one in self._all_run() if one.instance.name == name), None)

    def values(self, agent: str, spec: InstanceSpec, tools: Tools) -> Mapping[str, str]:
        """Of its variables, and where the agents that it needs are deployed; StepError when one has none."""
        values, places = resolve(spec, tools, strict=True), dict[str, str]()
        parsed = self._session.last(agent, "parse")
        said = table(table(parsed.action.get("spec") if parsed else None).get("spec"))
        for name in untold(said, values):
            tools.note(f"{name} is left unset: only tests start images of services; say -e {name}=… or spec.environment")
        for service, one in table(said.get("services")).items():
            if not (other := str(table(one).get("agent") or "")):
                continue
            runs = any(found["state"] == "running" for found in self._deployed(other))
            name, url = variable_of(service), place_of(self._session.outputs(other, "deploy") or {}) if runs else ""
            if url:
                places[name] = url
            elif name not in values:
                tools.note(f"{name} is left unset: {other} is not deployed here, `agent deploy {other}` does it")
        return {**places, **values}

    def instance_spec(self, agent: str) -> InstanceSpec:
        """How an agent runs: as deployed, else as tested; StepError when agent.yaml stands in the way."""
        plan = self._session.plan((agent,)).asked[0]
        deploy, test = plan.step("deploy"), plan.step("test")
        if deploy and deploy.action is not None:
            return decode(DeployAction, deploy.action).instance
        if test and test.action is not None:
            return decode(TestAction, test.action).instance
        raise StepError(f"{agent} can't be run", hint=f"`agent plan {agent}` says what stands in the way")


def _local(stamp: Stamp) -> Instance | None:
    """The instance on this machine that a deploy told of."""
    found = next((a for a in stamp.result.artifacts if a.type == "instance"), None)
    return decode(Instance, found.data) if found else None


def _target(stamp: Stamp) -> tuple[str, JsonObject]:
    return str(stamp.action.get("target")), table(stamp.result.outputs.get("data"))
