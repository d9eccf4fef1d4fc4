"""A real engine compiles what `agent build` compiled with the host's tools, by the Dockerfile that it wrote beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from real.dockerd import TREE, Engine
from real.image_trees import Tree, configuration, differences, exported, unpacked
from real.test_docker_judge import Built, build, stage
from runner_stage import Stage

from aac_plugins.bases.debian import DebianBase
from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import base_image, load_image
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.testing import Project, need

__all__ = ["stage"]  # the fixture

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LEFT = (".aac", "dist", "target", "agent.lock")


def example(name: str) -> dict[str, bytes]:
    """The files of an example, without what was built there."""
    source = TREE / "examples" / name
    paths = (p for p in source.rglob("*") if p.is_file() and not set(LEFT) & set(p.relative_to(source).parts))
    return {p.relative_to(source).as_posix(): p.read_bytes() for p in paths}


def lend(engine: Engine, stage: Stage, locked: LockedBase) -> str:
    """Load a base of Debian packages; its name. It trusts whom this machine trusts, as a company's image would."""
    base = DebianBase()
    name = base.dockerfile_from(locked)
    image = base_image(base.fetch(locked, stage.tools), name, locked.platform, stage.blobs)
    load_image(Api(str(engine.socket)), image, [name], stage.tools)
    return name


def derive(engine: Engine, folder: Path, name: str, text: str, tag: str) -> None:
    """``FROM name`` and ``text``, as ``tag``; the context holds this machine's certificates."""
    folder.mkdir(exist_ok=True)
    shutil.copy(CERTIFICATES, folder)
    dockerfile = f"FROM {name}\nUSER 0:0\nCOPY {CERTIFICATES.name} {CERTIFICATES}\n{text}"
    (folder / "Dockerfile").write_text(dockerfile)
    engine.docker("build", "--provenance=false", "-q", "-t", tag, str(folder), timeout=300).ok()


def toolchain(stage: Stage, runtime: str, *packages: str) -> LockedBase:
    request = BaseRequest("debian", "debian:trixie", packages, runtime)
    return DebianBase().resolve(request, Platform(), stage.tools)


def compiled_by(engine: Engine, built: Built, folder: Path, tag: str) -> tuple[Tree, Tree]:
    """Both images' files: the engine's, which it compiles now, and ours. Their configurations are equal."""
    ours = f"{tag}-embedded"
    context = built.context(folder)
    file = str(built.dockerfile)
    engine.docker("build", "--provenance=false", "-q", "-t", tag, "-f", file, str(context), timeout=900).ok()
    load_image(Api(str(engine.socket)), built.image, [ours], built.stage.tools, like=[])
    assert configuration(engine, tag) == configuration(engine, ours)
    return exported(engine, tag, folder), unpacked(built.image, built.stage.blobs, folder / "root")


def answer(engine: Engine, tag: str, port: int, path: str) -> str:
    """What a container of the image says; and its probe says that it is well."""
    name = f"{tag}-running"
    engine.docker("run", "-d", "--rm", "--name", name, "-p", f"127.0.0.1:{port}:8080", tag).ok()
    try:
        said = _asked(f"http://127.0.0.1:{port}{path}")
        engine.docker("exec", name, "/opt/agent/probe", "8080", "5", "/health").ok()
        return said
    finally:
        engine.docker("stop", "-t", "2", name).ok()


def _asked(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(100):
        try:
            with opener.open(url, timeout=5) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")


def test_an_engine_with_the_same_go_compiles_the_very_image_that_the_host_s_go_makes(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    go = shutil.which("go")
    need(go, "Go is not installed")
    built = build(project, example("go"), stage)
    built.lend_base(docker_engine)
    locked = json.loads((project.folder / "agent.lock").read_text())["platforms"][0]["dependencies"]["tools"]["go"]
    root = subprocess.run(("go", "env", "GOROOT"), capture_output=True, text=True, check=True).stdout.strip()
    official = tmp_path / "official"
    official.mkdir()
    with tarfile.open(official / "go.tar", "w") as archive:
        archive.add(root, "usr/local/go")
    text = "ADD go.tar /\nENV PATH=/usr/local/go/bin:/usr/bin GOTOOLCHAIN=local\n"
    derive(docker_engine, official, lend(docker_engine, stage, toolchain(stage, "", "coreutils")), text, f"golang:{locked}")
    theirs, ours = compiled_by(docker_engine, built, tmp_path, "hello-go")
    assert differences(theirs, ours) == {}
    assert {"app/hello-go", "app/greetings/de.txt", "opt/agent/probe"} <= set(ours)
    assert answer(docker_engine, "hello-go", stage.tools.free_port(), "/greet/Ada?language=de") == "Guten Tag, Ada\n"


@pytest.fixture
def debian_rust(docker_engine: Engine, stage: Stage, tmp_path: Path) -> Iterator[LockedBase]:
    """Debian's own Rust and C compiler, loaded under the name that a Dockerfile has."""
    locked = toolchain(stage, "rust")
    name = lend(docker_engine, stage, locked)
    derive(docker_engine, tmp_path / "rust", name, "", name)
    yield locked


def test_an_engine_compiles_with_debian_s_rust_what_looks_and_works_like_ours(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path, debian_rust: LockedBase
) -> None:
    """Another Rust gives other bytes; everything else is equal."""
    need(shutil.which("cargo"), "Rust is not installed")
    project.write(example("rust"))
    project.agent("lock").ok()
    lock = json.loads(project.read("agent.lock"))
    lock["platforms"][0]["toolchain"] = encode(debian_rust)  # as a builder that compiles in an image locks it
    built = build(project, {"agent.lock": json.dumps(lock)}, stage)
    built.lend_base(docker_engine)
    theirs, ours = compiled_by(docker_engine, built, tmp_path, "hello-rust")
    programs = {"app/hello-rust", "opt/agent/probe"}
    assert set(differences(theirs, ours)) <= programs
    assert {(t.type, t.mode, t.owner) for name in programs for t in (theirs[name], ours[name])} == {("file", "0o755", (0, 0))}
    assert answer(docker_engine, "hello-rust", stage.tools.free_port(), "/greet/Ada") == '{"greeting":"Hello, Ada"}'


def test_debian_s_go_compiles_in_an_image_of_nothing_but_its_packages(
    docker_engine: Engine, stage: Stage, tmp_path: Path
) -> None:
    name = lend(docker_engine, stage, toolchain(stage, "go"))
    (tmp_path / "main.go").write_text('package main\n\nfunc main() { println("hello") }\n')
    words = ("env", "GOTOOLCHAIN=local", "CGO_ENABLED=0", "GOCACHE=/tmp/cache", "go", "run", "/src/main.go")
    ran = docker_engine.docker("run", "--rm", "--network=none", "-v", f"{tmp_path}:/src", name, *words, timeout=300).ok()
    assert ran.stderr.endswith("hello\n")
