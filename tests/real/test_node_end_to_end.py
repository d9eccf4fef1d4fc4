"""examples/node, built without an engine, tested and pushed by different people on different machines: the same bytes."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from aac_tasks.testing import Project, clean_environment

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("node-end")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/node"
FILES = ("agent.yaml", "index.js", "package.json", "package-lock.json")
PLACES: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("one", "022", {"TZ": "UTC", "LANG": "C.UTF-8"}),
    ("another/much/deeper folder", "077", {"TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8"}),
)


@dataclass(frozen=True)
class Pushed:
    """What one place made."""

    project: Project

    def said(self, *words: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.project.agent(*words, "--json").ok().stdout)
        return found


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory, aac_cache: Path) -> list[Pushed]:
    """Two places, each with a cache of its own that holds downloads but nothing made of them."""
    found = []
    for folder, umask, env in PLACES:
        top = tmp_path_factory.mktemp("place")
        if (aac_cache / "aac/blobs").is_dir():
            shutil.copytree(aac_cache / "aac/blobs", top / "cache/aac/blobs", copy_function=os.link)
        project = Project(top / folder, {**clean_environment(top, top / "cache"), **env})
        project.folder.mkdir(parents=True)
        for name in FILES if umask == "022" else reversed(FILES):
            (project.folder / name).write_text((EXAMPLE / name).read_text())
        before = os.umask(int(umask, 8))
        try:
            project.agent("push", "--allow-host").ok()
        finally:
            os.umask(before)
        found.append(Pushed(project))
    return found


def test_the_lock_and_the_image_are_the_same_everywhere(pushed: list[Pushed]) -> None:
    assert len({p.project.read("agent.lock") for p in pushed}) == 1
    assert len({str(p.said("inspect")["digest"]) for p in pushed}) == 1


def test_dependencies_are_a_layer_of_their_own(pushed: list[Pushed]) -> None:
    layers = pushed[0].said("inspect")["layers"]
    assert isinstance(layers, list)
    assert [layer["name"] for layer in layers] == ["base", "dependencies", "files", "application"]


def test_what_was_pushed_lies_in_the_layout(pushed: list[Pushed]) -> None:
    digest = str(pushed[0].said("inspect")["digest"])
    index = json.loads(pushed[0].project.read("dist/index.json"))
    assert digest in [manifest["digest"] for manifest in index["manifests"]]
