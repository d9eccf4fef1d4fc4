"""A real Docker engine of our own: private socket, data and bridge; started for the tests that ask, then gone.

Facts that this file rests on: one dockerd with a network per network namespace (they share iptables chains), hence
the machine-wide lock; a dockerd with ``bridge: none`` deletes ``docker0``, hence a bridge of our own; the MTU must be
that of the machine's own interface, or large packets vanish.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from aac_tasks.testing import Ran, need

TREE = Path(__file__).resolve().parents[2]
LOCK = Path(tempfile.gettempdir(), "aac-tests-dockerd.lock")
BRIDGE = "aac-tests"
SUBNET = "172.31.250.1/24"
START_SECONDS = 30.0
STOP_SECONDS = 15.0


@dataclass(frozen=True)
class Engine:
    """A running engine. ``folder`` holds all of its files, ``binaries`` the programs it came with."""

    folder: Path
    binaries: Path
    store: str

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / "docker.sock"

    @property
    def env(self) -> dict[str, str]:
        """What a client needs: its address, an empty configuration with buildx, the right `docker` on PATH."""
        return {
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.folder / "config"),
            "PATH": f"{self.binaries / 'bin'}:{os.environ['PATH']}",
        }

    def docker(self, *arguments: str, stdin: bytes = b"", timeout: float = 120.0) -> Ran:
        """Run ``docker ARGUMENTS`` against it."""
        argv = (str(self.binaries / "bin/docker"), *arguments)
        env = {**os.environ, **self.env}
        done = subprocess.run(argv, input=stdin, env=env, capture_output=True, timeout=timeout, check=False)
        return Ran(argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@pytest.fixture(scope="session")
def docker_binaries() -> Path:
    """The unpacked engine of ``.ci/docker-engine``; made on first use and kept in the user's cache."""
    return unpacked_engine()


def unpacked_engine() -> Path:
    """The same, for who is no test."""
    need(os.geteuid() == 0, "a Docker engine of our own needs root")
    made = subprocess.run((TREE / ".ci/docker-engine",), capture_output=True, text=True, timeout=300, check=False)
    need(made.returncode == 0, f"the Docker engine can't be had: {made.stderr.strip()}")
    return Path(made.stdout.strip())


@pytest.fixture(scope="session")
def docker_engine(docker_binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the overlay2 store and a bridge network: containers reach the world, ports are published."""
    with networked_engine(docker_binaries, tmp_path_factory.mktemp("dockerd")) as engine:
        yield engine


@pytest.fixture(scope="session")
def containerd_engine(docker_binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine with the containerd image store, the default of new installations; it has no network."""
    with quiet_engine(docker_binaries, tmp_path_factory.mktemp("dockerd")) as engine:
        yield engine


@contextlib.contextmanager
def quiet_engine(binaries: Path, folder: Path) -> Iterator[Engine]:
    """The same, for who is no test: many may run at once, and builds may have the network of the machine."""
    with _running(binaries, folder, "containerd") as engine:
        yield engine


@contextlib.contextmanager
def networked_engine(binaries: Path, folder: Path) -> Iterator[Engine]:
    """Run one; nobody else on this machine runs one meanwhile."""
    with _alone(), _bridge(), _running(binaries, folder, "overlay2") as engine:
        yield engine


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _bridge() -> Iterator[None]:
    subprocess.run(("ip", "link", "delete", BRIDGE), check=False, stderr=subprocess.DEVNULL)  # of a killed run
    subprocess.run(("ip", "link", "add", BRIDGE, "type", "bridge"), check=True)
    try:
        subprocess.run(("ip", "address", "add", SUBNET, "dev", BRIDGE), check=True)
        subprocess.run(("ip", "link", "set", BRIDGE, "up"), check=True)
        yield
    finally:
        subprocess.run(("ip", "link", "delete", BRIDGE), check=False)


@contextlib.contextmanager
def _running(binaries: Path, folder: Path, store: str) -> Iterator[Engine]:
    short = Path(tempfile.mkdtemp(prefix="aacd"))  # a unix socket's path has at most 107 bytes
    engine = Engine(short, binaries, store)
    plugins = short / "config/cli-plugins"
    plugins.parent.mkdir()
    plugins.symlink_to(binaries / "cli-plugins")
    (short / "daemon.json").write_text(json.dumps(_settings(engine, folder)))
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            (binaries / "bin/dockerd", "--config-file", short / "daemon.json"),
            env={**os.environ, "PATH": engine.env["PATH"]},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(engine, daemon, folder / "log")
        yield engine
    finally:
        _stop(daemon)
        _remove(short)


def _settings(engine: Engine, folder: Path) -> dict[str, object]:
    """https://docs.docker.com/reference/cli/dockerd/#daemon-configuration-file."""
    networked = engine.store == "overlay2"
    alone = {"bridge": "none", "iptables": False, "ip6tables": False}
    network = {"bridge": BRIDGE, "mtu": _mtu()} if networked else alone
    driver = {"storage-driver": "overlay2"} if networked else {"features": {"containerd-snapshotter": True}}
    return {
        "hosts": [f"unix://{engine.socket}"],
        "data-root": str(folder / "data"),
        "exec-root": str(engine.folder / "run"),
        "pidfile": str(engine.folder / "pid"),
        "runtimes": {"clamped": {"path": str(engine.binaries / "runc")}},
        "default-runtime": "clamped",
        **network,
        **driver,
    }


def _mtu() -> int:
    """That of the interface with the default route, 1500 when there is none."""
    for line in Path("/proc/net/route").read_text().splitlines()[1:]:
        name, destination = line.split()[:2]
        if destination == "00000000":
            return int(Path("/sys/class/net", name, "mtu").read_text())
    return 1500


def _wait_until_it_answers(engine: Engine, daemon: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        if engine.socket.exists() and engine.docker("version").exit_code == 0:
            return
        time.sleep(0.05)
    last = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    need(False, f"dockerd ({engine.store}) does not start here:\n{last}")


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    """SIGTERM stops its containers and its containerd; only when that hangs is the session killed."""
    daemon.terminate()
    try:
        daemon.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


def _remove(folder: Path) -> None:
    """Its sockets and what it may have left mounted below them."""
    for mount in reversed(_mounts_below(folder)):
        subprocess.run(("umount", "--lazy", mount), check=False)
    subprocess.run(("rm", "-rf", "--one-file-system", folder), check=False)


def _mounts_below(folder: Path) -> Sequence[str]:
    points = (line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines())
    return [point for point in points if point.startswith(f"{folder}/")]
