"""Runners ``crun`` and ``runc``: a container of its own, without an engine.

As root the agent becomes the image's user. Without root (crun only: runc insists on a mapped root) a user namespace maps
the image's user to ours. Capabilities are dropped except those asked for, no new privileges, /proc masked as engines do.

* Network: the host's, in this version. Ports: see `aac_plugins.runners.ports`; the agent is told to move by ``PORT``.
* Limits: memory and CPU through cgroups as root where they can be written; otherwise memory as RLIMIT_DATA per process
  (RLIMIT_AS would count what Node, Go or Java only reserve), and no limit on CPU.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners import simple
from aac_plugins.runners.abilities import SHARED, hold_against
from aac_plugins.runners.bundle import Host, config_json, process_json
from aac_plugins.runners.groups import CGROUPS, remove_groups, sweep_groups
from aac_plugins.runners.launch import Launch, User, launch_of
from aac_plugins.runners.mounts import Place, lend, places
from aac_plugins.runners.ports import Ports, assign, release
from aac_plugins.runners.programs import demand_below
from aac_plugins.runners.records import environment_of, environment_seen, kill_strays, read_record, text_of, write_record
from aac_plugins.runners.rootfs import add_network_files, make_folder, make_root
from aac_plugins.runners.usage import usage_of
from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.running import Instance, Probe, Runner, RunRequest, Status, Usage
from aac_tasks.contracts.tools import Completed, Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

PROBES = "aac-probe-"
"""How containers of probes are called, before the pid of who probes."""

REFUSES = ("restart", "gpu")
NOTES = SHARED

PROBED = ("/bin", "/lib", "/lib64", "/usr")
"""Host folders that the probe's tiny container is made of."""


@dataclass
class OciRuntime(simple.OnDisk):
    """One of the two programs; see the module."""

    name: str

    def probe(self, tools: Tools) -> Probe:
        """Really starts a container that does nothing, with the rights that agents will get."""
        if tools.which(self.name) is None:
            return Probe(False, reason=f"{self.name} is not installed")
        if self.name == "runc" and os.geteuid() != 0:
            return Probe(False, reason="runc without root can't run an agent as its image's user")
        version = tools.run(Process((self.name, "--version"), timeout=10.0)).stdout.partition("\n")[0]
        sweep_groups(PROBES)
        with tools.scratch() as folder:
            done = self._try(folder, tools)
        if done.exit_code != 0:
            return Probe(False, reason=f"{self.name} can't start a container: {_last(done)}")
        return Probe(True, "container", version)

    def _try(self, folder: Path, tools: Tools) -> Completed:
        root = folder / "root"
        root.mkdir()
        root.chmod(0o755)  # whatever the umask: agents' users are not ours, and a refusal here would change the test's key
        hosts = tuple(Place(path, Path(path).resolve(), read_only=True) for path in PROBED if Path(path).exists())
        launch = Launch(("/bin/true",), {"PATH": "/bin:/usr/bin"}, "/", User(1, 1))
        write_private(folder / "config.json", config_json(root, launch, InstanceSpec("probe"), hosts, _host()))
        command = (
            *self._command(folder),
            "run",
            "--bundle",
            str(folder),
            f"{PROBES}{os.getpid()}-{secrets.token_hex(4)}",
        )
        return tools.run(Process(command, cwd=folder, timeout=5.0))

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Unpack, write the bundle, run it, and wait until the container exists."""
        hold_against(self.name, request.instance, tools, refuses=REFUSES, notes=NOTES if _host().cgroups else ("cpu", *NOTES))
        self._clear(request.state, tools)
        alone = request.instance.isolation.network == "none"
        ports = assign(() if alone else request.instance.ports, request.instance.name, tools)
        try:
            name = f"aac-{request.instance.name}-{secrets.token_hex(4)}"
            write_record(request.state, {"state": str(request.state), "id": name})
            return self._begin(request, make_root(request, tools), ports, tools)
        except BaseException:
            release(ports.published, tools)
            self._clear(request.state, tools)
            raise

    def _begin(self, request: RunRequest, root: Path, ports: Ports, tools: Tools) -> Instance:
        """The container has the name that the record says."""
        state = request.state
        mounts = places(request.instance.mounts, tools)
        add_network_files(root, request.instance.name, request.instance.isolation.dns)
        launch = launch_of(request, root, ports.env)
        make_folder(root, launch.workdir)
        lend(mounts, launch.user)
        document = config_json(root, launch, request.instance, mounts, _host(), terminal=request.terminal)
        name = str(read_record(state)["id"])
        who: dict[str, Json] = {"uid": launch.user.uid, "gid": launch.user.gid, "workdir": launch.workdir}
        started = simple.Started(request, ports, {"state": str(state), "id": name, **who})
        bundle = ("run", "--bundle", str(state), "--pid-file", str(state / "pid"), name)
        try:
            write_private(state / "config.json", document)
            instance = simple.launch(self.name, started, Process((*self._command(state), *bundle), cwd=state), tools)
            self._wait(instance, state / "pid", request, tools)
        finally:
            (state / "config.json").unlink(missing_ok=True)  # it holds secrets; the runtime has read it
        host = launch.env["HOSTNAME"]
        simple.settle(instance, lambda _: environment_of(_agent(state)).get("HOSTNAME") == host, tools)
        return instance

    def _wait(self, instance: Instance, pid_file: Path, request: RunRequest, tools: Tools) -> None:
        tools.wait_until(lambda: pid_file.exists() or not _alive(instance, tools), timeout=10.0, every=0.005)
        if not pid_file.exists():
            said = [line for log in request.logs if log.exists() for line in log.read_text(errors="replace").splitlines()[-5:]]
            raise StepError(
                f"{self.name} can't start {instance.name}",
                tail="\n".join(said),
                hint="try another runner with --runner",
            )

    def status(self, instance: Instance, tools: Tools) -> Status:
        """Is the process that minds the container running?"""
        return simple.status(instance, tools)

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        """See `enter`."""
        return simple.run_inside(self.enter(instance, argv, tools), tools, timeout)

    @contextmanager
    def enter(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, terminal: bool = False) -> Iterator[Process]:
        """A second process in the container, with the same user, environment and folder."""
        simple.process_of(instance, tools)
        state = Path(text_of(instance, "state"))
        uid, gid = (int(str(instance.handle[name])) for name in ("uid", "gid"))
        agent = _agent(state)
        launch = Launch(argv, environment_seen(agent, tools), text_of(instance, "workdir"), User(uid, gid))
        demand_below(instance, Path(f"/proc/{agent}/root"), argv[0], launch.env.get("PATH", ""), launch.workdir)
        file = state / f"exec-{secrets.token_hex(4)}.json"
        document = {**process_json(launch, ()), "terminal": terminal}  # options would lose the user or the environment
        write_private(file, document)
        try:
            flags = ("--tty",) if terminal else ()
            yield Process((*self._command(state), "exec", *flags, "--process", str(file), text_of(instance, "id")))
        finally:
            file.unlink(missing_ok=True)

    def attach(self, instance: Instance, tools: Tools) -> Process | None:
        """It has the user's streams from its birth."""
        return None

    def usage(self, instance: Instance, tools: Tools) -> Usage | None:
        """Of the agent and the processes below."""
        return usage_of(_agent(Path(text_of(instance, "state")))) if _alive(instance, tools) else None

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """TERM to the agent, KILL after ``grace``, and the container and its root removed."""
        state = Path(text_of(instance, "state"))
        try:
            self._quit(instance, grace, tools)
        finally:  # also when the run was cancelled meanwhile
            self._clear(state, tools)
            release(instance.ports, tools)

    def _end(self, instance: Instance, grace: float, tools: Tools) -> None:
        self._quit(instance, grace, tools)
        state = Path(text_of(instance, "state"))
        self._delete(state, text_of(instance, "id"), tools)
        (state / "pid").unlink(missing_ok=True)

    def _quit(self, instance: Instance, grace: float, tools: Tools) -> None:
        if not _alive(instance, tools):
            return
        patience = grace if simple.heeds(_agent(Path(text_of(instance, "state"))), signal.SIGTERM) else 0.0
        if patience:
            self._kill(instance, signal.SIGTERM, tools)
        if not tools.wait_until(lambda: not _alive(instance, tools), timeout=patience, every=0.01):
            self._kill(instance, signal.SIGKILL, tools)
            tools.wait_until(lambda: not _alive(instance, tools), timeout=5.0, every=0.01)

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """To the agent itself."""
        simple.process_of(instance, tools)
        done = self._kill(instance, number, tools)
        if done.exit_code != 0:
            raise StepError(f"{self.name} can't signal {instance.name}", tail=done.tail)

    def _kill(self, instance: Instance, number: int, tools: Tools) -> Completed:
        state = Path(text_of(instance, "state"))
        return tools.run(Process((*self._command(state), "kill", text_of(instance, "id"), str(int(number))), timeout=10.0))

    def _clear(self, state: Path, tools: Tools) -> None:
        """Whatever an earlier start left: the container by its id, then processes and files."""
        name = read_record(state).get("id")
        if isinstance(name, str):
            kill_strays(state, tools, mark=name)  # one that is just starting is not known by its id yet
            self._delete(state, name, tools)
        simple.clear(state, tools)

    def _delete(self, state: Path, name: str, tools: Tools) -> None:
        tools.run(Process((*self._command(state), "delete", "--force", name), timeout=20.0))
        remove_groups(name, tools)

    def _command(self, state: Path) -> tuple[str, ...]:
        """With the runtime's own notes in the instance's folder, so that they go when it goes."""
        quiet = ("--cgroup-manager=disabled",) if self.name == "crun" and os.geteuid() != 0 else ()
        return (self.name, *quiet, "--root", str(state / "runtime"))


def _host() -> Host:
    uid = os.geteuid()
    return Host(uid, os.getegid(), cgroups=uid == 0 and os.access(CGROUPS, os.W_OK))


def write_private(file: Path, document: object) -> None:
    """JSON that holds secrets: readable by the user only from its first byte."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        json.dump(document, out)


def _alive(instance: Instance, tools: Tools) -> bool:
    return simple.status(instance, tools).state == "running"


def _agent(state: Path) -> int:
    try:
        return int((state / "pid").read_text())
    except (OSError, ValueError):
        return 0


def _last(done: Completed) -> str:
    lines = done.tail.splitlines()
    return lines[-1] if lines else f"exit code {done.exit_code}"


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """Two runners, the lighter one first."""
    return (OciRuntime("crun"), OciRuntime("runc"))
