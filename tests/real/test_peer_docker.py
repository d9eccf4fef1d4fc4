"""What `docker build` does anew for nothing, tried on a real engine; what we do then is in test_peers.py."""

from __future__ import annotations

from pathlib import Path

import pytest
from real.dockerd import Engine

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

PROVENANCE = "--provenance=mode=min"
"""What it is by default where the store can keep it."""


def built(engine: Engine, folder: Path, *flags: str) -> str:
    """The id of the image that `docker build` names."""
    engine.docker("build", *flags, "-q", "-t", "peer:1", str(folder)).ok()
    return engine.docker("image", "inspect", "--format={{.Id}}", "peer:1").ok().stdout.strip()


def context(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY main /main\n")
    (folder / "main").write_text("hello\n")
    (folder / "main").chmod(0o644)
    return folder


def test_docker_builds_anew_for_a_mode_that_a_checkout_does_not_keep(docker_engine: Engine, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    before = built(docker_engine, folder, "--provenance=false")
    assert built(docker_engine, folder, "--provenance=false") == before
    (folder / "main").chmod(0o664)  # another umask
    assert built(docker_engine, folder, "--provenance=false") != before


def test_docker_with_provenance_gives_what_did_not_change_another_id(containerd_engine: Engine, tmp_path: Path) -> None:
    folder = context(tmp_path / "context")
    before = built(containerd_engine, folder, PROVENANCE)
    assert built(containerd_engine, folder, PROVENANCE) != before
