"""A Podman with a storage of its own; nothing of the machine's settings."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from aac_tasks.testing import need

CONF = """
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
[containers]
default_ulimits = ["nofile=1024:1024"]
"""
"""Where CAP_SYS_RESOURCE is missing, as on many CI machines, limits can't be raised; crun wants a pure cgroup v2 or v1."""


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Variables for ``podman`` with an empty storage, which is unmounted at the end."""
    folder = tmp_path_factory.mktemp("podman")
    need(os.geteuid() == 0, "Podman with a storage of its own needs root")
    need(shutil.which("podman") and shutil.which("runc"), "podman or runc is not installed")
    storage = f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/storage"\nrunroot = "{folder}/run"\n'
    (folder / "containers.conf").write_text(CONF, encoding="utf-8")
    (folder / "storage.conf").write_text(storage, encoding="utf-8")
    env = {
        "CONTAINERS_CONF": str(folder / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        "AAC_BUILD_NETWORK": "host",  # no bridge of a second tool's on a machine where engines come and go
    }
    try:
        yield env
    finally:
        subprocess.run(("podman", "system", "reset", "--force"), env={**os.environ, **env}, capture_output=True, check=False)
