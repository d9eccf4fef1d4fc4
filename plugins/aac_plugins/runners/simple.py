"""What the runners without an engine share: start with a clean folder, watch one process, leave nothing."""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from aac_plugins.runners.paths import remove
from aac_plugins.runners.ports import Ports, kept, release
from aac_plugins.runners.records import (
    FILE,
    kill_strays,
    read_record,
    spawned_of,
    text_of,
    with_process,
    write_record,
)
from aac_plugins.runners.rootfs import NAME, renew_root
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.roles import Instance, RunRequest, Status
from aac_tasks.contracts.running import Changes
from aac_tasks.contracts.tools import Process, Spawned, Tools
from aac_tasks.errors import ProgramError, StepError


@dataclass(frozen=True)
class Started:
    """One instance on its way: what was asked, and where it listens."""

    request: RunRequest
    ports: Ports
    handle: Mapping[str, Json]


class OnDisk(ABC):
    """An instance is an unpacked root and one process, so its files can be changed when that one has ended."""

    @abstractmethod
    def _begin(self, request: RunRequest, root: Path, ports: Ports, tools: Tools) -> Instance:
        """Start the agent in a root that there is."""

    @abstractmethod
    def _end(self, instance: Instance, grace: float, tools: Tools) -> None:
        """TERM to the agent, KILL after ``grace``; its files stay."""

    def reload(self, instance: Instance, request: RunRequest, changes: Changes, tools: Tools, *, grace: float) -> Instance:
        """End it, change its root, start it on the ports that it has."""
        self._end(instance, grace, tools)
        kill_strays(request.state, tools)
        root = request.state / NAME
        renew_root(root, changes)
        return self._begin(request, root, kept(instance), tools)


def clear(state: Path, tools: Tools) -> None:
    """End what an earlier start left in an instance's folder, and empty it."""
    left = spawned_of(read_record(state))
    if left is not None:
        tools.kill(left, grace=1.0)
    kill_strays(state, tools)
    for entry in state.iterdir() if state.is_dir() else ():
        if entry.name != FILE:  # last: who is killed here must find the way back
            remove(entry)
    (state / FILE).unlink(missing_ok=True)


def launch(runner: str, started: Started, process: Process, tools: Tools) -> Instance:
    """Start the process, keep its record, and say where it is.

    Raises:
        StepError: the program is missing, or ended at once because it could not be started.
    """
    request = started.request
    inherits = ("all" if request.terminal else "stdin") if request.interactive else ""
    spawned = tools.spawn(replace(process, inherits=inherits), log=request.log, errors=request.errors, session=request.detach)
    handle = with_process({**started.handle, "moved": bool(started.ports.env)}, spawned)
    write_record(request.state, handle)
    return Instance(
        runner=runner,
        name=request.instance.name,
        image=request.image.manifest.digest,
        ports=started.ports.published,
        handle=handle,
    )


def settle(instance: Instance, ready: Callable[[int], bool], tools: Tools) -> None:
    """Wait until the process has become the agent (``ready`` of its pid), or has ended; five seconds at most.

    Before that it is still the tool that sets things up: a signal would hit that one, and its environment is not
    yet the agent's.
    """
    spawned = spawned_of(instance.handle)
    if spawned is not None:
        tools.wait_until(lambda: ready(spawned.pid) or not tools.alive(spawned), timeout=5.0, every=0.002)


def status(instance: Instance, tools: Tools) -> Status:
    """Running while its process is that very one; gone when its folder is. Who started it also knows how it ended."""
    spawned = spawned_of(instance.handle)
    if spawned is not None and tools.alive(spawned):
        return Status("running")
    if not Path(text_of(instance, "state")).joinpath(FILE).exists():
        return Status("gone")
    return Status("exited", tools.exit_code(spawned) if spawned else None)


def end(instance: Instance, tools: Tools, *, grace: float) -> None:
    """TERM, KILL; its files stay."""
    spawned = spawned_of(instance.handle)
    if spawned is not None:
        tools.kill(spawned, grace=grace)


def stop(instance: Instance, tools: Tools, *, grace: float) -> None:
    """TERM, KILL, and everything below its folder removed."""
    end(instance, tools, grace=grace)
    clear(Path(text_of(instance, "state")), tools)
    release(instance.ports, tools)


def heeds(pid: int, number: int) -> bool:
    """Whether a process handles a signal. The first process of a pid namespace never gets one that it does not handle.

    Source: proc(5), SigCgt of /proc/PID/status; pid_namespaces(7). True when that can't be seen.
    """
    caught = int(_status(pid).get("SigCgt", "-1"), 16)
    return bool(caught >> (number - 1) & 1)


def sleeps(pid: int, program: str) -> bool:
    """Whether a process has become that program, and waits for something. Source: proc(5)."""
    status = _status(pid)
    return bool(status) and (status["Name"], status["State"][:1]) == (program, "S")


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def send(instance: Instance, number: int, pid: int, tools: Tools) -> None:
    """Signal one process of the instance; StepError when the instance does not run."""
    import os  # only here, beside the check that makes the number safe

    spawned = spawned_of(instance.handle)
    if spawned is None or not tools.alive(spawned):
        raise StepError(f"{instance.name} does not run, so it can't get {signal.Signals(number).name}")
    os.kill(pid, number)


def run_inside(entered: AbstractContextManager[Process], tools: Tools, timeout: float) -> tuple[int, str]:
    """Run what enters an instance to its end; exit code and combined output."""
    try:
        with entered as process:
            done = tools.run(replace(process, timeout=timeout))
    except ProgramError as error:
        return error.exit_code, f"{error.message}\n"
    return done.exit_code, done.stdout + done.stderr


def process_of(instance: Instance, tools: Tools) -> Spawned:
    """The process to enter; StepError when it does not run."""
    spawned = spawned_of(instance.handle)
    if spawned is None or not tools.alive(spawned):
        raise StepError(f"{instance.name} does not run", hint="start it first; its log says why it ended")
    return spawned
