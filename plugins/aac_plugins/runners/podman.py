"""Runner ``podman``: a container of the user's own podman (4.0 or newer), with root or without.

Podman has no daemon, but speaks the Docker engine's interface where somebody asks it to: ``podman system service`` is started
when it is needed, listens on a socket that only the user may open, and ends by itself when nobody has asked for a while.
So all of it is `DockerRunner`, image, rights and limits included; only how the engine is found differs.

Source: https://docs.podman.io/en/v4.3/markdown/podman-system-service.1.html
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aac_plugins.oci.docker_api import Engine
from aac_plugins.runners.docker import DockerRunner
from aac_tasks.contracts.engines import KeptImage
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.running import Instance, Probe, Runner
from aac_tasks.contracts.tools import HttpRequest, Process, Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

IDLE = 60
"""Seconds without a question after which the service ends."""

BELIEVED = 300.0

PATIENCE = 10.0
"""Seconds until a service that was started must answer."""

KEPT = ("PATH", "HOME", "TERM", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS")
SETTINGS = ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF")
PROBED = ("/bin", "/lib", "/lib64", "/usr")
"""Host folders that the probe's tiny container is made of."""


@dataclass
class PodmanRunner(DockerRunner):
    """See the module."""

    name: str = "podman"
    refuses: tuple[str, ...] = ("gpu",)  # its service passes over such a request in silence

    def probe(self, tools: Tools) -> Probe:
        """Really starts a container, unless it is known since this machine was started how that goes.

        A refusal is believed for `BELIEVED` seconds only: settings may have been mended.
        """
        program = tools.which(self.name)
        if program is None:
            return Probe(False, reason="podman is not installed")
        try:
            known = f"podman-{_fingerprint(tools, str(program.stat().st_mtime_ns))}"
            said = json.loads(tools.blobs.memo(known) or "{}")
            if not said or (said["reason"] and not 0 <= tools.now() - said["at"] < BELIEVED):
                version = tools.run(self._command(tools, "--version")).stdout.strip()
                said = {"version": version, "reason": self._try(tools), "at": tools.now()}
                tools.blobs.remember(known, json.dumps(said))
            return Probe(not said["reason"], "" if said["reason"] else "engine", said["version"], said["reason"])
        except (StepError, OSError) as error:
            return Probe(False, reason=str(error).splitlines()[0])

    def _try(self, tools: Tools) -> str:
        """Why a container can't be started; empty when it can. What it does is of no account, so nobody waits for it."""
        with tools.scratch() as root:
            places = [f"--volume={Path(place).resolve()}:{place}:ro" for place in PROBED if Path(place).exists()]
            flags = ("--detach", "--rm", "--network=none", "--log-driver=none", *places, "--rootfs", str(root))
            done = tools.run(self._command(tools, "run", *flags, "/bin/true", timeout=20.0))
            if done.exit_code == 0:
                tools.run(self._command(tools, "rm", "--force", "--ignore", done.stdout.strip(), timeout=20.0))
                return ""
            return f"podman can't start a container: {done.tail.splitlines()[-1] if done.tail else done.exit_code}"

    def engine(self, tools: Tools) -> Engine:
        """The service, started unless it answers."""
        folder = _folder(tools)
        engine = Engine(socket=str(folder / f"{_fingerprint(tools)}.sock"), name=self.name)
        if not _answers(engine, tools):
            Path(engine.socket).unlink(missing_ok=True)
            service = self._command(tools, "system", "service", f"--time={IDLE}", f"unix://{engine.socket}")
            # not in the user's folder: conmon leaves a file "oom" where it is started, when a container has no memory left
            tools.spawn(replace(service, cwd=folder), log=folder / "service.log")
            if not tools.wait_until(lambda: _answers(engine, tools), timeout=PATIENCE, every=0.02):
                raise StepError("podman's service does not answer", hint=f"its log: {folder / 'service.log'}")
        return engine

    def engine_of(self, instance: Instance, tools: Tools) -> Engine:
        """The same: what it started is in the user's storage, whoever serves it."""
        return self.engine(tools)

    def kept(self, images: Sequence[StoredImage], names: Sequence[str], tools: Tools) -> tuple[KeptImage, ...]:
        """Podman itself says whether it has any: for that no service has to be started."""
        if tools.which(self.name) is None:
            return ()
        shown = tools.run(self._command(tools, "image", "inspect", *names)).stdout
        return super().kept(images, names, tools) if shown.strip("[] \n") else ()

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """As any engine's; when the run was cancelled, and no service can be asked, by podman itself."""
        try:
            super().stop(instance, tools, grace=grace)
        except StepError:
            container = instance.handle.get("container")
            if isinstance(container, str):
                words = ("rm", "--force", "--volumes", "--ignore", "--time", "0", container)
                tools.run(self._command(tools, *words, timeout=20.0))
            raise

    def client(self, engine: Engine, tools: Tools) -> Process | None:
        """Podman itself, which needs no service for that."""
        return self._command(tools)

    def _command(self, tools: Tools, *words: str, timeout: float = 30.0) -> Process:
        env = {name: value for name in (*KEPT, *SETTINGS) if (value := tools.environment(name)) is not None}
        return Process((self.name, *words), env=env, timeout=timeout)


def _answers(engine: Engine, tools: Tools) -> bool:
    if not Path(engine.socket).exists():
        return False
    with contextlib.suppress(StepError):
        ping = HttpRequest("GET", f"{engine.url}/_ping", timeout=5.0, retries=0, unix=engine.socket)
        with tools.http(ping) as response:
            return response.status == 200
    return False


def _folder(tools: Tools) -> Path:
    """A short path, because a socket's has at most 107 bytes; the user's alone, because whoever opens the socket is the user."""
    top = tools.environment("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(top, f"aac-podman-{os.geteuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StepError(f"{folder} is not ours alone, so podman's socket can't lie there", hint="remove it")
    return folder


def _fingerprint(tools: Tools, *more: str) -> str:
    """Of what decides which storage and runtime podman uses, and of this start of the machine."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    words = [f"{name}={tools.environment(name)}" for name in (*KEPT, *SETTINGS) if name != "TERM"]
    text = "\0".join([boot.read_text() if boot.exists() else "", *words, *more])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@hookimpl
def aac_register_runners() -> tuple[Runner, ...]:
    """One runner."""
    return (PodmanRunner(),)
