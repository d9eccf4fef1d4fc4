"""Runner ``docker``: a container of a Docker engine, found as the docker command finds it (``DOCKER_HOST``, contexts).

The image is loaded under its name and version first, so ``docker run name:version`` works too, and only the layers that
the engine lacks travel. Ports are published on loopback; the engine chooses one where none is asked for. Every capability
is dropped but those asked for, no new privileges, memory and CPU as agent.yaml limits them.

Everything goes through the engine's HTTP interface. Its log is copied to the instance's log file: by ``docker logs
--follow`` in the background where the command is installed, otherwise whenever the instance is looked at.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, MissingError, engine_of, frames
from aac_plugins.oci.docker_load import load_image
from aac_plugins.runners import simple
from aac_plugins.runners.docker_config import LABEL, container_json, local_name
from aac_plugins.runners.ports import holder_of
from aac_plugins.runners.records import spawned_of, text_of
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.running import Instance, Probe, Runner, RunRequest, Status
from aac_tasks.contracts.tools import HttpRequest, Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

LINES = "10000"
"""Lines of a container's log that are copied where no follower runs."""


@dataclass
class DockerRunner:
    """See the module."""

    name: str = "docker"

    def probe(self, tools: Tools) -> Probe:
        """One ping, 200 ms."""
        try:
            engine = engine_of(tools)
            if engine.socket and not Path(engine.socket).exists():
                return Probe(False, reason=f"no engine at {engine.socket}")
            ping = HttpRequest("GET", f"{engine.url}/_ping", timeout=0.2, retries=0, unix=engine.socket)
            with tools.http(ping) as response:
                if response.status != 200:
                    return Probe(False, reason=f"the engine at {engine.host} answers {response.status}")
                system = response.headers.get("ostype", "linux")
            version = engine.table(tools, "GET", "/version", timeout="2").get("Version")
        except StepError as error:
            return Probe(False, reason=error.message)
        if system != "linux":
            return Probe(False, reason=f"the engine runs {system} containers")
        return Probe(True, "engine", f"docker {version}")

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Load, create, start, and read back which ports it got."""
        engine = engine_of(tools)
        self._clear(engine, request.state, tools)
        names = (local_name(request.config, request.instance.name),)
        image = load_image(engine, request.image, names, tools)
        body = container_json(request, image.id, engine.address, tools)
        name = f"{request.instance.name}-{secrets.token_hex(4)}"
        made = engine.table(tools, "POST", "/containers/create", body, name=name)
        container = str(made["Id"])
        try:
            self._begin(engine, container, request, tools)
            ports = _ports(_state(engine, container, tools), request)
            follower = _follow(engine, container, request, tools)
        except BaseException:
            self._remove(engine, container, tools)
            raise
        return Instance(
            runner=self.name,
            name=request.instance.name,
            image=request.image.manifest.digest,
            ports=ports,
            address=engine.address,
            handle={
                "container": container,
                "host": engine.host,
                "state": str(request.state),
                "log": str(request.log),
                **follower,
            },
        )

    def _begin(self, engine: Engine, container: str, request: RunRequest, tools: Tools) -> None:
        try:
            engine.call(tools, "POST", f"/containers/{container}/start")
        except StepError as error:
            taken = [p.host for p in request.instance.ports if p.host and tools.connects(engine.address, p.host, 0.2)]
            if not taken:
                raise
            raise StepError(
                f"{request.instance.name}: port {taken[0]} is taken by {holder_of(taken[0]) or 'another process'}",
                hint="stop it, or give the agent another port in spec.ports",
            ) from error

    def status(self, instance: Instance, tools: Tools) -> Status:
        """What the engine says of that container."""
        try:
            state = _state(_engine(instance, tools), text_of(instance, "container"), tools)["State"]
        except MissingError:
            return Status("gone")
        table = state if isinstance(state, Mapping) else {}
        if spawned_of(instance.handle) is None:
            self._copy_log(instance, tools)
        started = str(table.get("StartedAt") or "")
        if table.get("Running"):
            return Status("running", None, started)
        code = table.get("ExitCode")
        return Status("exited", code if isinstance(code, int) else None, started)

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        """A second process in the container, with the same user, environment and folder."""
        engine = _engine(instance, tools)
        asked: JsonObject = {"Cmd": list(argv), "AttachStdout": True, "AttachStderr": True}
        container = text_of(instance, "container")
        try:
            made = engine.table(tools, "POST", f"/containers/{container}/exec", asked)
        except StepError as error:
            raise StepError(f"{instance.name} does not run: {error.message}") from error
        path = f"/exec/{made['Id']}"
        limit = str(timeout)
        try:
            with engine.open(tools, "POST", f"{path}/start", b'{"Detach": false}', timeout=limit) as response:
                said = frames(response.read()).decode("utf-8", "replace")
        except MissingError as error:
            return 127, f"{error.message}\n"
        code = engine.table(tools, "GET", f"{path}/json").get("ExitCode")
        return (code if isinstance(code, int) else 1), said

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """TERM, KILL after ``grace``, the container and its anonymous volumes removed."""
        engine = _engine(instance, tools)
        container = instance.handle.get("container")
        if isinstance(container, str):
            try:
                self._end(engine, container, instance, grace, tools)
            finally:
                self._remove(engine, container, tools)
        else:
            self._clear(engine, Path(text_of(instance, "state")), tools)

    def _end(self, engine: Engine, container: str, instance: Instance, grace: float, tools: Tools) -> None:
        with contextlib.suppress(MissingError):
            pid = _table(_state(engine, container, tools).get("State")).get("Pid")
            local = engine.socket and isinstance(pid, int) and pid > 0
            seconds = grace if not local or simple.heeds(int(str(pid)), signal.SIGTERM) else 0
            limit = str(seconds + 20)
            engine.call(tools, "POST", f"/containers/{container}/stop", t=str(int(seconds)), timeout=limit)
            follower = spawned_of(instance.handle)
            if follower is None:
                self._copy_log(instance, tools)
            elif not tools.wait_until(lambda: not tools.alive(follower), timeout=2.0, every=0.01):
                tools.kill(follower, grace=0.5)

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """To the agent itself."""
        container = text_of(instance, "container")
        _engine(instance, tools).call(tools, "POST", f"/containers/{container}/kill", signal=str(int(number)))

    def _copy_log(self, instance: Instance, tools: Tools) -> None:
        engine, container = _engine(instance, tools), text_of(instance, "container")
        path = f"/containers/{container}/logs"
        with engine.open(tools, "GET", path, stdout="1", stderr="1", tail=LINES) as response:
            text = frames(response.read())
        log = Path(text_of(instance, "log"))
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)

    def _clear(self, engine: Engine, state: Path, tools: Tools) -> None:
        """Containers that an earlier start made for this folder."""
        wanted = f'{{"label":["{LABEL}={state}"]}}'
        found = engine.call(tools, "GET", "/containers/json", all="1", filters=wanted)
        for container in found if isinstance(found, (list, tuple)) else ():
            self._remove(engine, str(_table(container).get("Id")), tools)

    def _remove(self, engine: Engine, container: str, tools: Tools) -> None:
        """Also when the run was cancelled: then our own requests are refused, and the engine's library asks."""
        try:
            with contextlib.suppress(MissingError):
                engine.call(tools, "DELETE", f"/containers/{container}", force="1", v="1")
        except StepError:
            import docker  # lazy: needed only after a cancellation
            import docker.errors

            with contextlib.suppress(docker.errors.NotFound, docker.errors.DockerException):
                client = docker.APIClient(base_url=engine.host, timeout=20)
                client.remove_container(container, force=True, v=True)
                client.close()


def _engine(instance: Instance, tools: Tools) -> Engine:
    """The engine that has the instance, whatever ``DOCKER_HOST`` says by now."""
    host = instance.handle.get("host")
    if not isinstance(host, str):
        return engine_of(tools)
    if host.startswith("unix://"):
        return Engine(socket=host.removeprefix("unix://"))
    return Engine(url=host.replace("tcp://", "http://", 1), address=instance.address)


def _state(engine: Engine, container: str, tools: Tools) -> JsonObject:
    return engine.table(tools, "GET", f"/containers/{container}/json", timeout="5")


def _ports(state: JsonObject, request: RunRequest) -> dict[str, int]:
    """What was published, read back; with the host's network the container's own ports."""
    published = _table(_table(state.get("NetworkSettings")).get("Ports"))
    ports: dict[str, int] = {}
    for mapping in request.instance.ports:
        name = f"{mapping.container}/{mapping.protocol}"
        bindings = published.get(name)
        if request.instance.isolation.network == "host":
            ports[name] = mapping.container
        elif isinstance(bindings, (list, tuple)) and bindings:
            ports[name] = int(str(_table(bindings[0]).get("HostPort")))
    return ports


def _follow(engine: Engine, container: str, request: RunRequest, tools: Tools) -> dict[str, Json]:
    """``docker logs --follow`` in the background; empty where the command is not installed."""
    program = tools.which("docker")
    if program is None:
        return {}
    kept = ("PATH", "HOME", "DOCKER_CONFIG")
    env = {name: value for name in kept if (value := tools.environment(name)) is not None}
    process = Process((str(program), "logs", "--follow", container), env={**env, "DOCKER_HOST": engine.host})
    spawned = tools.spawn(process, log=request.log, session=request.detach)
    return {"pid": spawned.pid, "start_time": spawned.start_time, "boot_id": spawned.boot_id}


def _table(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else {}


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """One runner."""
    return (DockerRunner(),)
