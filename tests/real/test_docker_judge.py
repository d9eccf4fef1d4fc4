"""A real engine builds the Dockerfile that `agent build` wrote, on our own base: both renderings of a recipe are one image."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.dockerd import TREE, Engine
from real.image_trees import Tree, configuration, differences, exported, unpacked
from runner_stage import Stage

from aac_plugins.bases.debian import DebianBase
from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import base_image, load_image
from aac_plugins.oci.engine_context import context_folder
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.plan import TreeRequest
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.ignore import parse_ignore_file
from aac_tasks.state.lock_file import read_lock
from aac_tasks.state.tree import snapshot
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

VARIANT = {
    "agent.yaml": r"""
        apiVersion: agent.dev/v1
        kind: Agent
        metadata:
          name: variant
          version: "1.10"
          description: "says \"hi\" for $5, 100 %, é, C:\\new and `id`"
          labels: {team: "a b", "example.org/x-y": "#1"}
        spec:
          runtime: python
          model: {provider: openai, name: gpt-4o-mini}
          dependencies: [zope.interface==7.2, zope.event==5.0, uvicorn==0.34.0, h11==0.16.0, click==8.1.8]
          entrypoint: [python3, -u, main.py]
          command: [--greeting, "it's <<EOF $HOME"]
          environment:
            - {name: LANG, value: de_DE.UTF-8}
            - {name: ZZZ, value: '"quoted" $PATH \ \\ #x'}
            - {name: AAA, value: ""}
          ports:
            - container: 8080
            - {container: 53, protocol: udp}
          security: {runAsUser: 1234, runAsGroup: 4321}
          healthCheck: {command: [python3, -c, "print('<<EOF')"], interval: 1500ms, timeout: 2s, retries: 7, startPeriod: 1m}
    """,
    "main.py": "import zope.interface\n",
    ".dockerignore": "*.tmp\nlogs/*\n!logs/kept.txt\n",
    "left.tmp": "left out\n",
    "logs/one.txt": "left out\n",
    "logs/kept.txt": "kept\n",
    "only/left.tmp.d/x.tmp": "in\n",
    "cache/__pycache__/main.pyc": "left out\n",
    "deep/er/and/deeper/file": "x\n",
    "naïve ☃/spaced name.txt": "text\n",
    "data/binary": bytes(range(256)),
    "run.sh": "#!/bin/sh\n",
    "mine.sh": "#!/bin/sh\n",
    "group.txt": "executable for the group only\n",
    "private.txt": "readable by the owner only\n",
    "wide.txt": "writable by all\n",
}  # fmt: skip
MODES = {"run.sh": 0o755, "mine.sh": 0o700, "group.txt": 0o654, "private.txt": 0o600, "wide.txt": 0o666, "deep/er": 0o700}

IMPORTS = """
import subprocess, zope, zope.event, zope.interface._zope_interface_coptimizations
print(subprocess.check_output(["uvicorn", "--version"], text=True)[:22], end="")
"""
"""A C extension, a namespace with two distributions in it, a console script."""

BARE = {
    "agent.yaml": """
        apiVersion: agent.dev/v1
        kind: Agent
        metadata: {name: bare, version: 0.1.0}
        spec:
          runtime: python
          model: {provider: openai, name: gpt-4o-mini}
          entrypoint: [python3, -m, http.server]
    """,
}


NODE = {
    "agent.yaml": """
        apiVersion: agent.dev/v1
        kind: Agent
        metadata: {name: scripts, version: 0.1.0}
        spec:
          runtime: nodejs
          model: {provider: openai, name: gpt-4o-mini}
          dependencies: [express@4.18.2, debug@4.3.4, "@hapi/boom@10.0.1", mkdirp@3.0.1, esbuild@0.21.5]
          ports: [{container: 8080}]
          healthCheck: {path: /}
    """,
    "index.js": "require('express')().listen(8080)\n",
    "package.json": '{"name": "scripts"}\n',
}
REQUIRES = """
const bin = require("fs").readlinkSync("/app/node_modules/.bin/mkdirp");
const built = require("esbuild").transformSync("let x: number = 1", {loader: "ts"}).code.trim();
import("@hapi/boom").then((m) => console.log(require("express/package").version, typeof m.default.notFound, bin, built));
"""
"""Both ways to import, one package in two versions, a program's link, a native program out of an optional package."""


@dataclass(frozen=True)
class Built:
    """An agent that `agent build` has built: where, and its image in the user's store."""

    project: Project
    image: StoredImage
    stage: Stage

    @property
    def dockerfile(self) -> Path:
        (found,) = self.project.folder.glob(".aac/agents/*/Dockerfile")
        return found

    def lend_base(self, engine: Engine) -> str:
        """Load the base under the name that the Dockerfile has behind FROM; the name."""
        lock = read_lock(self.project.folder / "agent.lock")
        assert lock is not None
        locked, base = lock.platforms[0].base, DebianBase()
        name = base.dockerfile_from(locked)
        image = base_image(base.fetch(locked, self.stage.tools), name, locked.platform, self.stage.blobs)
        load_image(Api(str(engine.socket)), image, [name], self.stage.tools)
        return name

    def build_with(self, engine: Engine, tag: str, context: Path) -> None:
        """What a person would type; no command of the file needs a network (its ADDs are done by the engine itself)."""
        arguments = ("--network=none", "--provenance=false", "-q", "-t", tag, "-f", str(self.dockerfile))
        engine.docker("build", *arguments, str(context)).ok()

    def context(self, scratch: Path) -> Path:
        """The context as a builder with an engine lends it."""
        rules = parse_ignore_file(self.dockerfile.with_name("Dockerfile.dockerignore").read_text())
        files = snapshot(self.project.folder, TreeRequest("", rules), FileDigests(scratch / "digests.json")).files
        copy = scratch / "context"
        copy.mkdir()
        return context_folder(files, self.project.folder, copy)


def build(project: Project, files: Mapping[str, str | bytes], stage: Stage) -> Built:
    project.write(files)
    project.agent("build").ok()
    shown = json.loads(project.agent("inspect", "--json").ok().stdout)
    return Built(project, decode(StoredImage, shown["image"]), stage)


def variant(project: Project, stage: Stage) -> Built:
    """Whatever the two renderings could see differently."""
    project.write(VARIANT)
    for name, mode in MODES.items():
        (project.folder / name).chmod(mode)
    (project.folder / "empty").mkdir()
    (project.folder / "link").symlink_to("deep/er")
    (project.folder / "deep/up").symlink_to("../main.py")
    (project.folder / "dangling").symlink_to("nowhere")
    return build(project, {}, stage)


def hello() -> dict[str, bytes]:
    source = TREE / "examples/hello"
    return {p.relative_to(source).as_posix(): p.read_bytes() for p in source.rglob("*") if p.is_file() and ".aac" not in p.parts}


def assert_equal(built: Built, engine: Engine, tag: str, folder: Path) -> Tree:
    """The image that the engine built under ``tag`` is the embedded one; its files."""
    ours = f"{tag}-embedded"
    load_image(Api(str(engine.socket)), built.image, [ours], built.stage.tools, like=[built.lend_base(engine)])
    assert configuration(engine, tag) == configuration(engine, ours)
    theirs = exported(engine, tag, folder)
    assert len(theirs) > 1000
    assert differences(theirs, unpacked(built.image, built.stage.blobs, folder / "root")) == {}
    return theirs


@pytest.fixture
def stage(tmp_path: Path, aac_cache: Path) -> Stage:
    """A step's tools, with the store that the commands of `project` fill."""
    folder = tmp_path / "stage"
    folder.mkdir()
    (aac_cache / "aac").mkdir(exist_ok=True)
    (folder / "store").symlink_to(aac_cache / "aac")
    return Stage(folder)


def test_an_engine_builds_the_example_to_the_very_image_that_we_build(
    containerd_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    built = build(project, hello(), stage)
    built.lend_base(containerd_engine)
    context = built.context(tmp_path)
    assert context == project.folder, "a tree with ordinary modes is lent as it is"
    built.build_with(containerd_engine, "hello", context)
    theirs = assert_equal(built, containerd_engine, "hello", tmp_path)
    assert differences(theirs, exported(containerd_engine, "hello-embedded", tmp_path)) == {}, "as the engine itself unpacks it"


def test_hard_names_values_modes_and_wheels_are_the_same_in_both_images(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    built = variant(project, stage)
    built.lend_base(docker_engine)
    context = built.context(tmp_path)
    assert context != project.folder, "modes that an engine would keep are not lent"
    built.build_with(docker_engine, "variant", context)
    theirs = assert_equal(built, docker_engine, "variant", tmp_path)
    run = ("run", "--rm", "--network=none", "--entrypoint=python3", "variant", "-c", IMPORTS)
    assert docker_engine.docker(*run).ok().stdout == "Running uvicorn 0.34.0"

    # By hand, in a tree with such modes: COPY keeps them, and that is the only difference.
    built.build_with(docker_engine, "by-hand", project.folder)
    assert configuration(docker_engine, "by-hand") == configuration(docker_engine, "variant")
    kept = differences(exported(docker_engine, "by-hand", tmp_path), theirs)
    modes = {path: (here.mode, there.mode) for path, (here, there) in kept.items() if here and there}
    assert modes == {
        "app/deep/er": ("0o700", "0o755"),
        "app/group.txt": ("0o654", "0o644"),
        "app/mine.sh": ("0o700", "0o755"),
        "app/private.txt": ("0o600", "0o644"),
        "app/wide.txt": ("0o666", "0o644"),
    }
    assert set(kept) == set(modes)


def test_an_agent_in_javascript_is_the_same_in_both_images(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    """More tarballs than one stage may have, unpacked by our Python here and by the base's Node.js there."""
    built = build(project, NODE, stage)
    built.lend_base(docker_engine)
    built.build_with(docker_engine, "scripts", built.context(tmp_path))
    theirs = assert_equal(built, docker_engine, "scripts", tmp_path)
    assert "app/node_modules/express/node_modules/debug/package.json" in theirs
    run = ("run", "--rm", "--network=none", "--entrypoint=node", "scripts", "-e", REQUIRES)
    assert docker_engine.docker(*run).ok().stdout == "4.18.2 function ../mkdirp/dist/cjs/src/bin.js let x = 1;\n"


def test_an_agent_without_files_or_dependencies_is_the_same_in_both_images(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    built = build(project, BARE, stage)
    built.lend_base(docker_engine)
    built.build_with(docker_engine, "bare", built.context(tmp_path))
    assert_equal(built, docker_engine, "bare", tmp_path)
