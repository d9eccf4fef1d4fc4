"""One agent, built by different people on different machines: the same bytes, and the same keys."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aac_tasks.session import Options, Session, with_environment
from aac_tasks.testing import Project, clean_environment, need

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("same-everywhere")]

TREE = Path(__file__).resolve().parents[2]
PACKAGED = ("aac_tasks", "aac_agent", "plugins", "schemas", "pyproject.toml", "README.md")

FILES: Mapping[str, str] = {
    "agent.yaml": """
        apiVersion: agent.dev/v1
        kind: Agent
        metadata: {name: hello, version: 1.10, description: "grüßt: 你好"}
        spec:
          runtime: python
          model: {provider: openai, name: gpt-4o-mini}
          dependencies: [markupsafe==3.0.2, charset-normalizer==3.4.1, jaraco.context==6.0.1]
          image: {registry: "oci:dist"}
          tests:
            - {type: command, name: console script, command: [normalizer, --version]}
        """,
    "main.py": """
        import time
        import charset_normalizer, jaraco.context, markupsafe._speedups
        print("up", flush=True)
        time.sleep(600)
        """,
    "notes/ä.txt": "ä\n",
    "notes/Z.txt": "Z\n",
    "notes/a/b.txt": "b\n",
}
"""A C extension, a console script and a namespace package among the dependencies; names that locales sort differently."""


@dataclass(frozen=True)
class Place:
    """Somebody's machine. ``python`` is found in pyenv's folder or is an absolute path."""

    python: str
    folder: str
    umask: str
    env: Mapping[str, str]
    backwards: bool = False

    @property
    def interpreter(self) -> Path:
        return Path(self.python) if self.python.startswith("/") else PYENV / self.python / "bin/python3"


PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
PLACES = (
    Place("3.10.13", "one", "022", {"TZ": "UTC", "LANG": "C.UTF-8"}),
    Place("3.13.0", "another/much/deeper folder", "077", {"TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8"}, backwards=True),
    Place("/usr/bin/python3", "third", "002", {"TZ": "America/St_Johns", "LC_ALL": "C", "PYTHONHASHSEED": "7"}),
)


@dataclass(frozen=True)
class Built:
    """What one place made: its project, and each step's stamp."""

    place: Place
    project: Project
    prefix: Path
    runner: str

    def stamp(self, kind: str) -> dict[str, Any]:
        text = self.project.read(f".aac/agents/hello/steps/{kind}/stamp")
        stamp: dict[str, Any] = json.loads(text.partition("\n")[2])
        return stamp

    @property
    def kinds(self) -> list[str]:
        return sorted(p.parent.name for p in self.project.folder.glob(".aac/agents/hello/steps/*/stamp"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as a wheel, made from a copy: a build leaves its folders beside the sources."""
    top = tmp_path_factory.mktemp("wheel")
    for name in PACKAGED:
        source = TREE / name
        if source.is_dir():
            shutil.copytree(source, top / "copy" / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        elif source.exists():
            shutil.copy(source, top / "copy" / name)
    _user(top).run((*UV, "build", "--quiet", "--wheel", "--out-dir", "out", "copy")).ok()
    (made,) = (top / "out").glob("*.whl")
    return made


UV = (sys.executable, "-m", "uv")


def _user(folder: Path) -> Project:
    env = clean_environment(folder, folder / "cache")
    env.pop("PYTHONPATH", None)
    return Project(folder, env)


def _downloads(shared: Path, own: Path) -> None:
    """A cache with what was downloaded before, and with nothing that was made of it."""
    own.mkdir(parents=True)
    if (shared / "aac/blobs").is_dir():
        shutil.copytree(shared / "aac/blobs", own / "aac/blobs", copy_function=os.link)


def _write(project: Project, *, backwards: bool) -> None:
    """The files, in this order or the other, as a file system without an order of its own would list them."""
    project.folder.mkdir(parents=True)
    names = sorted(FILES, reverse=backwards)
    project.write({name: FILES[name] for name in names})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, wheel: Path, aac_cache: Path) -> Iterator[list[Built]]:
    """The agent, tested and pushed in every place."""
    found: list[Built] = []
    runner = ""
    for place in PLACES:
        need(place.interpreter.exists(), f"{place.python} is not installed")
        top = tmp_path_factory.mktemp("place")
        _downloads(aac_cache, top / "cache")
        user = _user(top)
        user.run((*UV, "venv", "--quiet", "--python", str(place.interpreter), "venv")).ok()
        user.run((*UV, "pip", "install", "--quiet", "--python", "venv/bin/python", str(wheel)), env=_uv_cache(aac_cache)).ok()
        project = Project(top / place.folder, {**user.env, **place.env})
        _write(project, backwards=place.backwards)
        runner = runner or _runner_of(project)
        script = f"umask {place.umask}; exec '{top}/venv/bin/agent' push --allow-host --runner {runner}"
        project.run(("/bin/sh", "-c", script)).ok()
        found.append(Built(place, project, top, runner))
    yield found


def _runner_of(project: Project) -> str:
    """The first that works here: all take this one, should an engine start or stop meanwhile."""
    session = Session(with_environment(Options(project.folder, allow_host=True), project.env), lambda event: None)
    try:
        return session.hands.runner_choice.name
    finally:
        session.close()


def _uv_cache(shared: Path) -> dict[str, str]:
    return {"UV_CACHE_DIR": str(shared / "uv-of-tests")}


def test_the_lock_is_the_same(built: list[Built]) -> None:
    assert len({b.project.read("agent.lock") for b in built}) == 1


def test_every_step_has_the_same_key_and_the_same_deep_key(built: list[Built]) -> None:
    for kind in ("parse", "lock", "dockerfile", "image", "test", "push"):
        stamps = [b.stamp(kind) for b in built]
        assert len({(s["key"], s["deep"]) for s in stamps}) == 1, kind
    assert len({tuple(b.kinds) for b in built}) == 1


def test_the_image_and_every_layer_have_the_same_digest(built: list[Built]) -> None:
    outputs = [b.stamp("image")["result"]["outputs"] for b in built]
    assert len({o["digest"] for o in outputs}) == 1
    assert len({o["content_digest"] for o in outputs}) == 1
    assert [x["name"] for x in outputs[0]["layers"]] == ["base", "dependencies", "files", "application"]
    assert all(o["layers"] == outputs[0]["layers"] for o in outputs)


def _files(project: Project) -> Iterator[tuple[str, bytes]]:
    """Every file of every layer in the layout that was pushed to, with its name, owner and link's target before its bytes."""
    folder = project.folder / "dist/blobs/sha256"
    for blob in folder.iterdir():
        if blob.open("rb").read(2) != b"\x1f\x8b":
            continue
        with gzip.open(blob) as unpacked, tarfile.open(fileobj=unpacked, mode="r|") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                said = f"{member.name}\n{member.linkname}\n{member.uname}\n".encode()
                yield member.name, said + (file.read() if file else b"")


def test_no_file_in_any_layer_holds_a_path_of_the_host(built: list[Built]) -> None:
    places = [str(p).encode() for b in built for p in (b.prefix, b.project.folder, b.place.interpreter.parents[1])]
    places = [p for p in places if p != b"/usr"]
    count = 0
    for name, content in _files(built[0].project):
        count += 1
        assert [p for p in places if p in content] == [], name
    assert count > 500


def test_the_dependencies_are_what_they_should_show(built: list[Built]) -> None:
    """A C extension, a console script whose first line names the image's Python, a namespace package."""
    files = dict(_files(built[0].project))
    assert any(name.endswith(".so") and "markupsafe" in name for name in files)
    script = next(content for name, content in files.items() if name.endswith("bin/normalizer"))
    assert b"#!/usr/bin/python3" in script
    assert any(name.endswith(("jaraco/context.py", "jaraco/context/__init__.py")) for name in files)
    assert not any(name.endswith("/jaraco/__init__.py") for name in files)
    assert not any(name.endswith(".pyc") for name in files)


def test_a_second_checkout_takes_image_and_test_from_the_action_cache(built: list[Built]) -> None:
    first = built[0]
    second = Project(first.prefix / "second checkout", first.project.env)
    _write(second, backwards=True)
    shutil.copy(first.project.folder / "agent.lock", second.folder)
    ran = second.run((f"{first.prefix}/venv/bin/agent", "test", "--allow-host", "--runner", first.runner, "--json")).ok()
    ended = {s["step"]: s["status"] for s in json.loads(ran.stdout)["steps"]}
    assert ended == {
        "parse:hello": "done",
        "lock:hello": "fresh",
        "dockerfile:hello": "done",
        "image:hello": "cached",
        "test:hello": "cached",
    }
