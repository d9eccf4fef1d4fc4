"""Runner ``docker``: a container of a Docker engine, found as the docker command finds it (``DOCKER_HOST``, contexts).

The image is loaded under its name and version first, so ``docker run name:version`` works too, and only the layers that
the engine lacks travel. Ports are published on loopback; the engine chooses one where none is asked for. Every capability
is dropped but those asked for, no new privileges, memory and CPU as agent.yaml limits them.

Everything goes through the engine's HTTP interface. Its log is copied to the instance's log file: by ``docker logs
--follow`` in the background where the command is installed, otherwise whenever the instance is looked at.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from aac_plugins.oci.docker_api import Engine, MissingError, engine_at, engine_of, frames
from aac_plugins.oci.docker_load import load_image
from aac_plugins.runners import simple
from aac_plugins.runners.abilities import hold_against
from aac_plugins.runners.bytecode import Bytecode
from aac_plugins.runners.containers import clear, remove
from aac_plugins.runners.demands import explain
from aac_plugins.runners.docker_config import (
    address_of,
    comes_back,
    container_json,
    is_restarted,
    local_name,
    ports_of,
    usage_of,
)
from aac_plugins.runners.engine_log import copy_log
from aac_plugins.runners.kept_images import KeepsImages
from aac_plugins.runners.network import held, hold, holds, joined
from aac_plugins.runners.programs import demand_in
from aac_plugins.runners.records import spawned_of, text_of, with_process
from aac_plugins.runners.standby import stand_by, stands_by, take_over
from aac_plugins.runners.volumes import create_with_volumes
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.running import Instance, Probe, Runner, RunRequest, Status, Usage
from aac_tasks.contracts.tools import HttpRequest, Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

NOTES = ("storage",)
NOTHING: dict[str, Json] = {}
ATTACHED: dict[str, Json] = {"attached": True}
"""In the handle of an instance whose words go to the user's own streams and to no log."""

PAUSE = 1.0
"""Seconds in which a container that is to be started again is: podman says that it has exited meanwhile."""

LAST_WORDS = 2.0
"""Seconds in which what follows a log has brought the rest, once the container has ended."""


@dataclass
class DockerRunner(KeepsImages):
    """See the module."""

    name: str = "docker"
    refuses: tuple[str, ...] = ()

    def engine(self, tools: Tools) -> Engine:
        """The engine that new instances get."""
        return engine_of(tools)

    def engine_of(self, instance: Instance, tools: Tools) -> Engine:
        """The engine that has the instance, whatever ``DOCKER_HOST`` says by now."""
        host = instance.handle.get("host")
        return engine_at(host) if isinstance(host, str) else self.engine(tools)

    def client(self, engine: Engine, tools: Tools) -> Process | None:
        """The engine's command line, which takes more words; None where it is not installed."""
        program = tools.which(self.name)
        if program is None:
            return None
        kept = ("PATH", "HOME", "DOCKER_CONFIG", "TERM")
        env = {name: value for name in kept if (value := tools.environment(name)) is not None}
        return Process((str(program),), env={**env, "DOCKER_HOST": engine.host})

    def probe(self, tools: Tools) -> Probe:
        """One ping, 200 ms."""
        try:
            engine = self.engine(tools)
            if engine.socket and not Path(engine.socket).exists():
                return Probe(False, reason=f"no engine at {engine.socket}")
            ping = HttpRequest("GET", f"{engine.url}/_ping", timeout=0.2, retries=0, unix=engine.socket)
            with tools.http(ping) as response:
                if response.status != 200:
                    return Probe(False, reason=f"the engine at {engine.host} answers {response.status}")
                system, server = response.headers.get("ostype", "linux"), response.headers.get("server", "")
        except StepError as error:
            return Probe(False, reason=error.message)
        if system != "linux":
            return Probe(False, reason=f"the engine runs {system} containers")
        version = server.partition("/")[2].partition(" ")[0]  # "Docker/26.1.5 (linux)"; /version runs three programs to answer
        return Probe(True, "engine", f"docker {version}".strip())

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Load, create, start, and read back which ports it got; or begin with what stands by."""
        engine = self.engine(tools)
        hold_against(self.name, request.instance, tools, refuses=self.refuses, notes=NOTES)
        if request.interactive:
            self._enters(engine, tools)
        clear(engine, request.state, tools)
        network = held(engine, request.place, tools)
        known: JsonObject = {"host": engine.host, "state": str(request.state), "logs": [str(log) for log in request.logs]}
        begun = take_over(engine, request, tools) if network else NOTHING
        container = str(begun.get("container") or self._created(engine, request, network, tools))
        try:
            if request.interactive:  # what connects the user's streams starts it, so that no word is lost
                ports, follower = {f"{p.container}/{p.protocol}": p.host for p in request.instance.ports if p.host}, ATTACHED
            else:
                if not begun:
                    self._begin(engine, container, request, tools)
                network = network or engine.inspect(tools, container)
                ports = ports_of(network, request)
                follower = begun or self._follow(engine, container, request, tools)
        except BaseException:
            remove(engine, container, tools)
            raise
        return Instance(
            runner=self.name,
            name=request.instance.name,
            image=request.image.manifest.digest,
            ports=ports,
            address=engine.address,
            handle={**known, "container": container, **follower},
            inside=address_of(network),
        )

    def _created(self, engine: Engine, request: RunRequest, network: JsonObject, tools: Tools) -> str:
        return create_with_volumes(engine, request, self._described(engine, request, network, tools), tools)

    def _described(self, engine: Engine, request: RunRequest, network: JsonObject, tools: Tools) -> dict[str, Json]:
        """The body of /containers/create for its image, which the engine has then; in that network, where there is one."""
        names = (local_name(request.config, request.instance.name),)
        image = load_image(engine, request.image, names, tools)
        body = container_json(request, image.id, engine.address, tools)
        bytecode = Bytecode.of(request)
        if bytecode is not None and bytecode.ready(engine, request, names[0], tools):
            body = bytecode.into(body)
        return joined(body, str(network["Id"])) if network else body

    def prepare(self, request: RunRequest, tools: Tools) -> JsonObject:
        """A network, held by a container of its own, and in it one of the image that stands by."""
        engine = self.engine(tools)
        network = held(engine, request.place, tools)
        clear(engine, request.state, tools, keep=str(network.get("Id")))
        if not holds(request):
            return {}
        if not network:
            network = engine.inspect(tools, hold(engine, request, tools))
        place: JsonObject = {"network": network["Id"]}
        if not stands_by(request):
            return place
        try:
            body = self._described(engine, request, network, tools)
            container = stand_by(engine, body, request, str(network["Id"]), tools)
            request.log.unlink(missing_ok=True)  # under another name it is the log of who was started here last
            follower = self._follow(engine, container, request, tools)  # to start it takes as long as a small agent does
            return {**place, "standby": {"container": container, **follower}, "log": str(request.log)}
        except StepError as error:
            tools.note(f"nothing stands by: {error.message}")
            return place

    def give_up(self, state: Path, tools: Tools) -> None:
        """These containers go."""
        clear(self.engine(tools), state, tools)

    def _begin(self, engine: Engine, container: str, request: RunRequest, tools: Tools) -> None:
        try:
            engine.call(tools, "POST", f"/containers/{container}/start")
        except StepError as error:
            explain(error, engine, request, tools)
            raise

    def status(self, instance: Instance, tools: Tools) -> Status:
        """What the engine says of that container."""
        engine, container = self.engine_of(instance, tools), text_of(instance, "container")
        try:
            state = engine.inspect(tools, container)
            if comes_back(state):
                tools.wait_until(lambda: not comes_back(engine.inspect(tools, container)), timeout=PAUSE)
                state = engine.inspect(tools, container)
        except MissingError:
            return Status("gone")
        now, follower = table(state.get("State")), spawned_of(instance.handle)
        ended = follower is None or (is_restarted(state) and not tools.alive(follower))  # it ends with each container's end
        if ended and not instance.handle.get("attached"):
            copy_log(engine, instance, tools)
        started = str(now.get("StartedAt") or "")
        if now.get("Running"):
            return Status("running", None, started)
        if follower is not None:
            tools.wait_until(lambda: not tools.alive(follower), timeout=LAST_WORDS, every=0.01)
        code = now.get("ExitCode")
        return Status("exited", code if isinstance(code, int) else None, started)

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        """As `enter`, through the engine's interface: the command line may not be installed."""
        engine = self.engine_of(instance, tools)
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

    @contextmanager
    def enter(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, terminal: bool = False) -> Iterator[Process]:
        """A second process in the container, with the same user, environment and folder."""
        engine, container = self.engine_of(instance, tools), text_of(instance, "container")
        client = self._enters(engine, tools)
        demand_in(engine, container, instance, argv[0], tools)
        flags = ("--interactive", "--tty") if terminal else ("--interactive",)
        yield replace(client, argv=(*client.argv, "exec", *flags, container, *argv))

    def attach(self, instance: Instance, tools: Tools) -> Process | None:
        """Starts the container that was made, with the user's streams."""
        client = self._enters(self.engine_of(instance, tools), tools)
        return replace(client, argv=(*client.argv, "start", "--attach", "--interactive", text_of(instance, "container")))

    def _enters(self, engine: Engine, tools: Tools) -> Process:
        client = self.client(engine, tools)
        if client is None:
            raise StepError(f"the command {self.name} is not installed, which connects a terminal", hint="install it")
        return client

    def usage(self, instance: Instance, tools: Tools) -> Usage | None:
        """What the engine's own `stats` rests on; memory without the file cache, as it shows it."""
        path = f"/containers/{text_of(instance, 'container')}/stats"
        try:
            now = self.engine_of(instance, tools).table(tools, "GET", path, stream="false")
        except MissingError:
            return None
        return usage_of(now)

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """TERM, KILL after ``grace``, the container and its anonymous volumes removed."""
        engine = self.engine_of(instance, tools)
        container = instance.handle.get("container")
        if isinstance(container, str):
            try:
                self._end(engine, container, instance, grace, tools)
            finally:
                remove(engine, container, tools)
        else:
            clear(engine, Path(text_of(instance, "state")), tools)

    def _end(self, engine: Engine, container: str, instance: Instance, grace: float, tools: Tools) -> None:
        with contextlib.suppress(MissingError):
            pid = table(engine.inspect(tools, container).get("State")).get("Pid")
            local = engine.socket and isinstance(pid, int) and pid > 0
            seconds = grace if not local or simple.heeds(int(str(pid)), signal.SIGTERM) else 0
            limit = str(seconds + 20)
            engine.call(tools, "POST", f"/containers/{container}/stop", t=str(int(seconds)), timeout=limit)
            follower = spawned_of(instance.handle)
            if follower is None:
                copy_log(engine, instance, tools)
            elif not tools.wait_until(lambda: not tools.alive(follower), timeout=LAST_WORDS, every=0.01):
                tools.kill(follower, grace=0.5)

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """To the agent itself."""
        container = text_of(instance, "container")
        self.engine_of(instance, tools).call(tools, "POST", f"/containers/{container}/kill", signal=str(int(number)))

    def _follow(self, engine: Engine, container: str, request: RunRequest, tools: Tools) -> dict[str, Json]:
        """``docker logs --follow`` in the background; empty where the command is not installed."""
        client = self.client(engine, tools)
        if client is None:
            return NOTHING
        process = replace(client, argv=(*client.argv, "logs", "--follow", container))
        return with_process({}, tools.spawn(process, log=request.log, errors=request.errors, session=request.detach))


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """One runner."""
    return (DockerRunner(),)
