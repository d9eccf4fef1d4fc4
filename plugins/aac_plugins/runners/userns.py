"""Runner ``userns``: a root folder of its own, in namespaces made by util-linux (unshare, nsenter, mount).

Without root: an outer user namespace, in which we are root and may mount, and inside it a second one that maps the
image's user to ours. So the agent sees the user its image names, and has no capability over anything. As root: the
same mounts, and the agent becomes the image's user on this machine; an image that runs as root is refused then.

* Network: the host's. Ports: see `aac_plugins.runners.ports`; the agent is told to move by ``PORT``.
* Limits: memory as RLIMIT_DATA per process, which counts what is really written to (RLIMIT_AS would count what Node,
  Go or Java only reserve, and kill them at birth). No limit on CPU, none over all processes together.
* ``LD_*`` variables of the image also reach the host's tools that set it up, for a moment.

Sources: unshare(1), nsenter(1), user_namespaces(7), getrlimit(2).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners import simple
from aac_plugins.runners.abilities import SHARED, hold_against
from aac_plugins.runners.launch import Launch, launch_of
from aac_plugins.runners.mounts import Place, lend, places
from aac_plugins.runners.ports import Ports, assign, release
from aac_plugins.runners.programs import demand_below
from aac_plugins.runners.records import children, environment_seen, has_become, spawned_of, text_of, write_record
from aac_plugins.runners.rootfs import add_network_files, make_folder, make_root, make_target
from aac_plugins.runners.usage import usage_of
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.running import Instance, Probe, Runner, RunRequest, Status, Usage
from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

REFUSES = ("restart", "gpu", "no-network", "capabilities")
NOTES = ("cpu", *SHARED)

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

SETUP = """
set -e
root=$1 mount=$2; shift 2
"$mount" --bind "$root" "$root"
"$mount" -t proc -o nosuid,nodev,noexec proc "$root/proc"
"$mount" -t tmpfs -o nosuid,mode=755,size=64k tmpfs "$root/dev"
while [ "$1" != -- ]; do
  case $1 in
    device) : > "$root/dev/$2"; "$mount" --bind "/dev/$2" "$root/dev/$2"; shift 2 ;;
    folder) mkdir "$root/dev/$2"; shift 2 ;;
    tmpfs) "$mount" -t tmpfs -o "$3" tmpfs "$2"; shift 3 ;;
    bind) "$mount" --rbind "$3" "$2"; shift 3 ;;
    seal) "$mount" -o "remount,bind,ro,$3" "$2"; shift 3 ;;
  esac
done
shift
exec "$@"
"""
"""Runs as root of the outer namespace, from host tools; everything variable comes as an argument."""


@dataclass
class UsernsRunner(simple.OnDisk):
    """See the module."""

    name: str = "userns"

    def probe(self, tools: Tools) -> Probe:
        """Really makes the namespaces and mounts a proc in them."""
        missing = [t for t in ("unshare", "nsenter", "mount", "sh") if tools.which(t) is None]
        if missing:
            return Probe(False, reason=f"{missing[0]} is not installed (util-linux)")
        inner = () if _is_root() else ("unshare", "--user", "--map-user=1", "--map-group=1")
        done = tools.run(Process((*_outer(tools), "--mount-proc", *inner, "true"), timeout=10.0))
        if done.exit_code != 0:
            return Probe(
                False,
                reason=f"namespaces are refused here: {done.tail.splitlines()[-1] if done.tail else '?'}",
            )
        version = tools.run(Process(("unshare", "--version"), timeout=10.0)).stdout.strip()
        return Probe(True, "namespace", version)

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Unpack, enter the namespaces, mount, and become the agent."""
        simple.clear(request.state, tools)
        hold_against(self.name, request.instance, tools, refuses=REFUSES, notes=NOTES)
        ports = assign(request.instance.ports, request.instance.name, tools)
        try:
            write_record(request.state, {"state": str(request.state)})
            return self._begin(request, make_root(request, tools), ports, tools)
        except BaseException:
            release(ports.published, tools)
            simple.clear(request.state, tools)
            raise

    def _begin(self, request: RunRequest, root: Path, ports: Ports, tools: Tools) -> Instance:
        mounts = places(request.instance.mounts, tools)
        add_network_files(root, request.instance.name, request.instance.isolation.dns)
        launch = launch_of(request, root, ports.env)
        lend(mounts, launch.user)
        if _is_root() and launch.user.uid == 0:
            raise StepError(
                f"{request.instance.name}: its image runs as root, which runner userns as root can't confine",
                hint="set security.runAsUser, or use docker, crun or runc",
            )
        process = Process(_command(root, launch, mounts, request, tools), cwd=request.state, env=launch.env)
        started = simple.Started(request, ports, _handle(request, root, launch))
        instance = simple.launch(self.name, started, process, tools)
        simple.settle(instance, lambda pid: any(has_become(p, "exe", root) for p in children(pid)), tools)
        return instance

    def status(self, instance: Instance, tools: Tools) -> Status:
        """Is that very process running?"""
        return simple.status(instance, tools)

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        """See `enter`."""
        return simple.run_inside(self.enter(instance, argv, tools), tools, timeout)

    @contextmanager
    def enter(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, terminal: bool = False) -> Iterator[Process]:
        """Enter the namespaces of the running agent as its user, with its environment."""
        simple.process_of(instance, tools)
        outer, agent = self._pids(instance)
        env = environment_seen(agent, tools)
        demand_below(instance, Path(f"/proc/{agent}/root"), argv[0], env.get("PATH", ""), text_of(instance, "workdir"))
        enter: tuple[str, ...] = (
            _tool(tools, "nsenter"),
            "-t",
            str(outer),
            "-m",
            f"--pid=/proc/{agent}/ns/pid",
        )
        if not _is_root():
            enter = (*enter, "-U", "--preserve-credentials")
        yield Process((*enter, "--", *_become(instance.handle, tools), *argv), env=env)

    def attach(self, instance: Instance, tools: Tools) -> Process | None:
        """It has the user's streams from its birth."""
        return None

    def usage(self, instance: Instance, tools: Tools) -> Usage | None:
        """Of the agent and the processes below."""
        spawned = spawned_of(instance.handle)
        running = spawned is not None and tools.alive(spawned)
        return usage_of(self._pids(instance)[1]) if running else None

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """TERM, KILL, and the root removed."""
        simple.stop(instance, tools, grace=self._patience(instance, grace, tools))

    def _end(self, instance: Instance, grace: float, tools: Tools) -> None:
        simple.end(instance, tools, grace=self._patience(instance, grace, tools))

    def _patience(self, instance: Instance, grace: float, tools: Tools) -> float:
        spawned = spawned_of(instance.handle)
        agents = children(spawned.pid) if spawned and tools.alive(spawned) else []
        return grace if all(simple.heeds(pid, signal.SIGTERM) for pid in agents) else 0.0

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """To the agent itself."""
        simple.send(instance, number, self._pids(instance)[1], tools)

    def _pids(self, instance: Instance) -> tuple[int, int]:
        """The process that holds the outer namespaces, and the agent, its child."""
        spawned = spawned_of(instance.handle)
        agents = children(spawned.pid) if spawned else []
        if spawned is None or not agents:
            raise StepError(f"{instance.name} does not run")
        return spawned.pid, agents[0]


def _is_root() -> bool:
    return os.geteuid() == 0


def _tool(tools: Tools, program: str) -> str:
    """Full path: PATH in there is the image's."""
    found = tools.which(program)
    if found is None:
        raise StepError(f"{program} is not installed", hint="install util-linux")
    return str(found)


def _outer(tools: Tools) -> tuple[str, ...]:
    guard = tools.which("setpriv")
    no_new = (str(guard), "--no-new-privs") if guard else ()
    user = () if _is_root() else ("--user", "--map-root-user")
    spaces = ("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child=KILL")
    return (*no_new, _tool(tools, "unshare"), *user, *spaces)


def _command(root: Path, launch: Launch, mounts: tuple[Place, ...], request: RunRequest, tools: Tools) -> tuple[str, ...]:
    make_folder(root, "/proc")
    make_folder(root, "/dev")
    make_folder(root, launch.workdir)
    steps: list[str] = []
    for device in DEVICES:
        steps += ["device", device]
    steps += ["folder", "shm", "tmpfs", str(root / "dev" / "shm"), "mode=1777,nosuid,nodev,noexec"]
    for mount in mounts:
        steps += _mount(root, mount)
    if request.instance.isolation.read_only_root:
        steps += ["seal", str(root), "nosuid"]
    handle = _handle(request, root, launch)
    prlimit = tools.which("prlimit")
    memory = request.instance.limits.memory
    limit = (str(prlimit), f"--data={memory}", "--") if prlimit and memory else ()
    if memory and not limit:
        tools.note("prlimit is not installed, so the memory limit has no effect with runner userns")
    setup = (_tool(tools, "sh"), "-c", SETUP, "setup", str(root), _tool(tools, "mount"))
    return (*_outer(tools), *setup, *steps, "--", *limit, *_become(handle, tools), *launch.argv)


def _mount(root: Path, mount: Place) -> list[str]:
    target = str(make_target(root, mount))
    if mount.source is None:
        size = f",size={mount.size}" if mount.size else ""
        return ["tmpfs", target, f"mode=1777,nosuid,nodev{size}"]
    steps = ["bind", target, str(mount.source)]
    return [*steps, "seal", target, "nosuid,nodev"] if mount.read_only else steps


def _become(handle: object, tools: Tools) -> tuple[str, ...]:
    """Change root and become the image's user: on this machine as root, else in a namespace that maps it to us."""
    if not isinstance(handle, Mapping):
        raise TypeError("a handle is an object")
    uid, gid = handle["uid"], handle["gid"]
    who = (f"--setuid={uid}", f"--setgid={gid}") if _is_root() else ("--user", f"--map-user={uid}", f"--map-group={gid}")
    return (_tool(tools, "unshare"), *who, f"--root={handle['root']}", f"--wd={handle['workdir']}", "--")


def _handle(request: RunRequest, root: Path, launch: Launch) -> dict[str, Json]:
    return {
        "state": str(request.state),
        "root": str(root),
        "workdir": launch.workdir,
        "uid": launch.user.uid,
        "gid": launch.user.gid,
    }


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """One runner."""
    return (UsernsRunner(),)
