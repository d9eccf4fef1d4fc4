"""A podman of our own: storage, settings and service in a private folder, gone afterwards.

Facts that this file rests on: podman 4.3 asks for limits of open files that a root without CAP_SYS_RESOURCE can't give, and
crun 1.8 refuses cgroup v1 beside v2, so ``containers.conf`` says lower limits and runc. Networks of podman's share the
machine's iptables chains with a dockerd's, hence the same xdist group.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from aac_tasks.testing import Ran, need

CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_config_dir = "{folder}/networks"
"""
STORAGE = """
[storage]
driver = "overlay"
runroot = "{folder}/run"
graphroot = "{folder}/storage"
"""


@dataclass(frozen=True)
class Podman:
    """One user's podman; ``folder`` holds all of its files."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        """What a client needs."""
        return {
            "CONTAINERS_CONF": str(self.folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.folder / "storage.conf"),
            "XDG_RUNTIME_DIR": str(self.folder),
            "DOCKER_HOST": f"unix://{self.folder}/no-docker.sock",
        }

    def run(self, *arguments: str, timeout: float = 120.0) -> Ran:
        """Run ``podman ARGUMENTS``."""
        argv = ("podman", *arguments)
        done = subprocess.run(argv, env={**os.environ, **self.env}, capture_output=True, timeout=timeout, check=False)
        return Ran(argv, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A podman that has nothing yet."""
    with own_podman() as made:
        yield made


@contextlib.contextmanager
def own_podman() -> Iterator[Podman]:
    """The same, for who is no test."""
    need(os.geteuid() == 0, "a podman of our own needs root")
    need(shutil.which("podman"), "podman is not installed")
    need(shutil.which("runc"), "runc is not installed")
    folder = Path(tempfile.mkdtemp(prefix="aacp"))  # a unix socket's path has at most 107 bytes
    for name, text in (("containers.conf", CONF), ("storage.conf", STORAGE)):
        (folder / name).write_text(text.format(folder=folder))
    made = Podman(folder)
    try:
        yield made
    finally:
        made.run("rm", "--all", "--force", "--time", "0")
        subprocess.run(("pkill", "-f", f"unix://{folder}/"), check=False)  # its service, which would end in a minute
        for mount in reversed([line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]):
            if mount.startswith(f"{folder}/"):
                subprocess.run(("umount", "--lazy", mount), check=False)
        shutil.rmtree(folder, ignore_errors=True)
