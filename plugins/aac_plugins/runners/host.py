"""Runner ``host``: no isolation, for machines that refuse everything else. Linux only.

The image's own program is started from its unpacked root by the image's own loader, never by the host's Python: so the
files and versions under test are those of the image. It gets the image's environment and nothing of the user's, a HOME
and TMPDIR of its own, and limits of setrlimit(2): memory as RLIMIT_DATA per process (RLIMIT_AS would count what Node, Go
or Java only reserve). As root it becomes the image's user if that one may enter the folder; otherwise, and for an image
that runs as root, it loses every capability instead.

What it can't do: hide the host's files and processes, map or hide ports (see `aac_plugins.runners.ports`), keep the root
or a mount read-only, give capabilities. An agent that opens ``/app/…`` by an absolute path finds the host's. A child
that it starts by path runs with the host's loader.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners import simple
from aac_plugins.runners.abilities import SHARED, hold_against
from aac_plugins.runners.launch import Launch, launch_of
from aac_plugins.runners.loader import home_of_python, load, map_value
from aac_plugins.runners.mounts import Place, lend, places
from aac_plugins.runners.paths import is_open_to_all, remove_tree, resolve_in
from aac_plugins.runners.ports import Ports, assign, release
from aac_plugins.runners.programs import demand_below
from aac_plugins.runners.records import environment_seen, has_become, spawned_of, text_of, write_record
from aac_plugins.runners.rootfs import make_folder, make_root
from aac_plugins.runners.usage import usage_of
from aac_tasks.contracts.running import Instance, Probe, Runner, RunRequest, Status, Usage
from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

REFUSES = ("restart", "gpu", "no-network", "capabilities")
NOTES = ("cpu", "read-only", "dns", *SHARED)

MACHINES = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "riscv64": "riscv64",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
}


@dataclass
class HostRunner(simple.OnDisk):
    """See the module."""

    name: str = "host"

    def probe(self, tools: Tools) -> Probe:
        """There is nothing to try: any Linux can start a program."""
        if platform.system() != "Linux":
            return Probe(False, reason=f"images hold Linux programs, this is {platform.system()}")
        return Probe(True, "process", platform.machine())

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Unpack, map paths, start."""
        self._refuse(request)
        hold_against(self.name, request.instance, tools, refuses=REFUSES, notes=NOTES)
        simple.clear(request.state, tools)
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
        launch = launch_of(request, root, ports.env)
        lend(mounts, launch.user)
        for mount in mounts:
            _link(root, mount, tools)
        env = environment(root, request.state, launch, request)
        loaded = load(root, launch.argv, launch.env)
        home = home_of_python(root, loaded.program)
        if home is not None and "PYTHONHOME" not in env:
            env["PYTHONHOME"] = str(home)
        argv = (*_guards(request, launch, tools), *loaded.argv)
        process = Process(argv, cwd=make_folder(root, launch.workdir), env=env)
        handle = {"state": str(request.state), "root": str(root), "workdir": launch.workdir}
        instance = simple.launch(self.name, simple.Started(request, ports, handle), process, tools)
        simple.settle(instance, lambda pid: has_become(pid, "exe", root), tools)
        return instance

    def status(self, instance: Instance, tools: Tools) -> Status:
        """Is that very process running?"""
        return simple.status(instance, tools)

    def execute(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0) -> tuple[int, str]:
        """See `enter`."""
        return simple.run_inside(self.enter(instance, argv, tools), tools, timeout)

    @contextmanager
    def enter(self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, terminal: bool = False) -> Iterator[Process]:
        """Another program of the image, with the environment of the one that runs."""
        pid = simple.process_of(instance, tools).pid
        root = Path(text_of(instance, "root"))
        env = environment_seen(pid, tools)
        path = env.get("PATH", "").replace(f"{root}/", "/")
        demand_below(instance, root, argv[0], path, "/")
        loaded = load(root, argv, {"PATH": path})
        if home_of_python(root, loaded.program) is None:
            env.pop("PYTHONHOME", None)
        folder = resolve_in(root, text_of(instance, "workdir"))
        yield Process((*_same_user(pid, tools), *loaded.argv), cwd=folder, env=env)

    def attach(self, instance: Instance, tools: Tools) -> Process | None:
        """It has the user's streams from its birth."""
        return None

    def usage(self, instance: Instance, tools: Tools) -> Usage | None:
        """Of its process and those below."""
        spawned = spawned_of(instance.handle)
        return usage_of(spawned.pid) if spawned and tools.alive(spawned) else None

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """TERM, KILL, and the root removed."""
        simple.stop(instance, tools, grace=grace)

    def _end(self, instance: Instance, grace: float, tools: Tools) -> None:
        simple.end(instance, tools, grace=grace)

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """To the agent itself."""
        spawned = spawned_of(instance.handle)
        simple.send(instance, number, spawned.pid if spawned else 0, tools)

    def _refuse(self, request: RunRequest) -> None:
        here = MACHINES.get(platform.machine(), platform.machine())
        if request.image.platform.architecture != here:
            raise StepError(
                f"{request.instance.name}: its image is for {request.image.platform}, this machine is {here}",
                hint="build for this platform, or use docker with emulation",
            )


def environment(root: Path, state: Path, launch: Launch, request: RunRequest) -> dict[str, str]:
    """The agent's environment with image paths turned into places on the host."""
    home, temporary = state / "home", state / "tmp"
    for folder in (home, temporary):
        folder.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            os.chown(folder, launch.user.uid, launch.user.gid)
    mapped: dict[str, str] = {name: map_value(root, value) for name, value in launch.env.items()}
    mapped["HOME"] = str(home)
    mapped.setdefault("TMPDIR", str(temporary))
    certificates = resolve_in(root, "/etc/ssl/certs/ca-certificates.crt")
    if certificates.is_file():  # OpenSSL's default is an absolute path, which here is the host's
        mapped.setdefault("SSL_CERT_FILE", str(certificates))
    return mapped


def _link(root: Path, mount: Place, tools: Tools) -> None:
    """Without a mount, a link: the paths that this runner maps lead there all the same."""
    if mount.source is None:
        remove_tree(resolve_in(root, mount.target))
        make_folder(root, mount.target).chmod(0o1777)
        return
    make_folder(root, str(Path(mount.target).parent))
    place = resolve_in(root, str(Path(mount.target).parent)) / Path(mount.target).name
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    elif place.is_symlink() or place.exists():
        place.unlink()
    place.symlink_to(mount.source)
    if mount.read_only:
        tools.note(f"runner host can't keep {mount.target} read-only")


def _guards(request: RunRequest, launch: Launch, tools: Tools) -> tuple[str, ...]:
    """Programs of the host that take rights away and then become the agent."""
    guards: tuple[str, ...] = ()
    memory = request.instance.limits.memory
    prlimit = tools.which("prlimit")
    if memory and prlimit:
        guards = (str(prlimit), f"--data={memory}", "--core=0", "--")
    elif memory:
        tools.note("prlimit is not installed, so the memory limit has no effect with runner host")
    return (*guards, *_lesser(request.state, launch, tools))


def _lesser(state: Path, launch: Launch, tools: Tools) -> tuple[str, ...]:
    setpriv = tools.which("setpriv")
    if setpriv is None:
        if os.geteuid() == 0:
            raise StepError("runner host as root needs setpriv to give rights away", hint="install util-linux")
        return ()
    if os.geteuid() != 0:
        return (str(setpriv), "--no-new-privs", "--")
    nothing = ("--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--")
    user = launch.user
    if user.uid and is_open_to_all(state.parent):
        _hand_over(state, user.uid, user.gid)
        return (str(setpriv), f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups", *nothing)
    why = "its image runs as root" if not user.uid else f"user {user.uid} can't enter {state}"
    tools.note(f"the agent keeps root's user id, without its capabilities: {why}")
    return (str(setpriv), *nothing)


def _hand_over(state: Path, uid: int, gid: int) -> None:
    state.chmod(0o700)
    os.chown(state, uid, gid)


def _same_user(pid: int, tools: Tools) -> tuple[str, ...]:
    """As root, what a second program needs to have the rights of the first."""
    setpriv = tools.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return ()
    owner = Path(f"/proc/{pid}").stat()
    who: Mapping[str, int] = {"--reuid": owner.st_uid, "--regid": owner.st_gid}
    nothing = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--")
    return (str(setpriv), *(f"{flag}={number}" for flag, number in who.items()), *nothing)


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """One runner, for when nothing else works and it was allowed."""
    return (HostRunner(),)
