"""Builders with an engine, typed as a user types it: the embedded builder's image, little sent, nothing left behind."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.dockerd import TREE, Engine, _mounts_below, _running
from real.image_trees import configuration
from real_registry import registry_server
from runner_stage import Stage, stage_of

from aac_plugins.bases.debian import DebianBase
from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import base_image, load_image
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.image import Digest, Platform, StoredImage
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

ROOM = 20_000
"""Bytes beside a changed layer that an edit may send to the engine."""


@pytest.fixture
def user(project: Project, docker_engine: Engine) -> Project:
    """Somebody whose engine is ours."""
    return replace(project, env={**project.env, **docker_engine.env})


def copied(example: str, project: Project) -> Project:
    source = TREE / "examples" / example
    files = [p for p in source.rglob("*") if p.is_file() and not {".aac", "dist"} & set(p.parts) and p.name != "agent.lock"]
    return project.write({p.relative_to(source).as_posix(): p.read_bytes() for p in files})


def image_of(project: Project) -> tuple[StoredImage, Mapping[str, object]]:
    shown = json.loads(project.agent("inspect", "--json").ok().stdout)
    return decode(StoredImage, shown["image"]), shown


def leftovers(engine: Engine) -> set[str]:
    """Containers, dangling images (not an agent whose name moved on), and images under a name that was to be taken away."""
    containers = engine.docker("ps", "--all", "--quiet").ok().stdout.split()
    dangling = engine.docker("images", "--quiet", "--filter", "dangling=true").ok().stdout.split()
    named = engine.docker("images", "--quiet", "localhost/aac/work").ok().stdout.split()
    agents = engine.docker("images", "--quiet", "--filter", "dangling=true", "--filter", "label=dev.agent.runtime").ok().stdout
    return {*containers, *dangling, *named} - set(agents.split())


def test_docker_builds_the_very_layers_of_the_embedded_builder_and_its_tests_hold(
    user: Project, docker_engine: Engine
) -> None:
    hello = copied("hello", user)
    before = leftovers(docker_engine)
    hello.agent("build", "--builder", "embedded").ok()
    embedded, _ = image_of(hello)
    hello.agent("lock", "--builder", "docker").ok()
    hello.agent("build", "--no-cache").ok()
    docker, shown = image_of(hello)
    assert shown["builder"] == "docker"
    assert docker.layers == embedded.layers
    assert docker.content_digest == embedded.content_digest
    assert docker.manifest != embedded.manifest, "its history says who made it"
    assert leftovers(docker_engine) == before


def test_a_one_line_edit_asks_no_engine_to_build_and_sends_one_layer(
    user: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    hello = copied("hello", user)
    hello.agent("build", "--builder", "docker").ok()
    stage, api = stage_of(tmp_path / "stage", aac_cache), Api(str(docker_engine.socket))
    load_image(api, image_of(hello)[0], ["edited:1"], stage.tools)
    hello.write({"main.py": f"{hello.read('main.py')}# {uuid4()}\n"})
    hello.agent("build", env={"DOCKER_HOST": "unix:///nowhere"}).ok()
    image, _ = image_of(hello)
    sent = load_image(api, image, ["edited:1"], stage.tools).sent
    assert 0 < sent <= image.layers[-1].blob.size + ROOM


def test_an_own_dockerfile_is_built_tested_pushed_and_pulled(
    user: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    custom = copied("custom", user)
    base = lent_python(docker_engine, stage_of(tmp_path / "stage", aac_cache))
    before = leftovers(docker_engine)
    text = custom.read("agent.yaml").replace("docker.io/library/python:3.13-slim", base)
    with registry_server(tmp_path / "registry") as address:
        never_built = f"{custom.read('main.py')}# {uuid4()}\n"
        custom.write({"agent.yaml": text.replace("oci:dist", f"{address}/team"), "main.py": never_built})
        done = custom.agent("test", "--builder", "docker", "--runner", "docker").ok()
        assert "✓ test:custom" in done.output
        image, _ = image_of(custom)
        config = docker_engine.docker("image", "inspect", "custom:0.1.0", "--format", "{{json .Config}}").ok().stdout
        shown = json.loads(config)
        assert (shown["User"], shown["WorkingDir"]) == ("10001:10001", "/app")
        assert shown["Entrypoint"] == ["python3", "-u", "main.py"]
        assert shown["Labels"]["dev.agent.runtime"] == "custom"
        assert "GREETING=Hello" in shown["Env"]
        custom.agent("push").ok()
        raw = custom.run(("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{address}/team/custom:0.1.0")).ok()
        assert json.loads(raw.stdout)["config"]["digest"] == image.config.digest
    assert leftovers(docker_engine) == before

    # What lies in the state folder is the same image, built by hand.
    dockerfile = custom.folder / ".aac/agents/custom/Dockerfile"
    by_hand = ("build", "--provenance=false", "-q", "-t", "by-hand", f"--build-arg=BASE={base}", f"--file={dockerfile}")
    docker_engine.docker(*by_hand, str(custom.folder)).ok()
    assert configuration(docker_engine, "by-hand") == configuration(docker_engine, "custom:0.1.0")

    custom.write({"main.py": f"{custom.read('main.py')}# {uuid4()}\n"})
    custom.agent("build").ok()
    after, _ = image_of(custom)
    assert sum(a != b for a, b in zip(after.layers, image.layers, strict=True)) == 1


def lent_python(engine: Engine, stage: Stage) -> str:
    """Debian's Python under a name that a Dockerfile may have behind FROM."""
    base = DebianBase()
    locked = base.resolve(BaseRequest("debian", "debian:trixie", runtime="python"), Platform(), stage.tools)
    image = base_image(base.fetch(locked, stage.tools), "python", Platform(), stage.blobs)
    load_image(Api(str(engine.socket)), image, ["localhost/python:here"], stage.tools)
    return "localhost/python:here"


SECRET = "open-sesame-1001"
SEES = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: sees, version: 0.1.0}
spec:
  runtime: custom
  model: {provider: openai, name: m}
  build:
    dockerfile: Dockerfile
    secrets: [{name: TOKEN}]
    ssh: true
"""


def test_a_build_secret_is_read_and_left_nowhere(
    user: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    base = lent_python(docker_engine, stage_of(tmp_path / "stage", aac_cache))
    check = "import os, pathlib; print('SAID', pathlib.Path('/run/secrets/TOKEN').read_text()); open('/made', 'w').write('1')"
    run = f'RUN --mount=type=secret,id=TOKEN ["python3", "-c", "{check}"]'
    user.write({"agent.yaml": SEES.replace("    ssh: true\n", ""), "Dockerfile": f"FROM {base}\nUSER 0\n{run}\n"})
    done = user.agent("build", "--builder", "docker", "-v", env={"TOKEN": SECRET}).ok()
    assert SECRET not in done.output
    image, _ = image_of(user)
    blobs = [image.manifest.digest, image.config.digest, *(layer.blob.digest for layer in image.layers[1:])]
    store = aac_cache / "aac"
    found = [p for p in user.folder.rglob("*") if p.is_file() and SECRET in p.read_text(errors="replace")]
    assert found == []
    assert not any(SECRET.encode() in stage_blob(store, digest) for digest in blobs)

    failing = user.write({"Dockerfile": f"FROM {base}\nUSER 0\n{run.replace('SAID', 'AGAIN')[:-2]}; 1/0\"]\n"})
    failed = failing.agent("build", env={"TOKEN": SECRET}).exits(1)
    assert SECRET not in failed.output
    missing = failing.agent("build").exits(1)
    assert "secret 'env:TOKEN' has no value here" in missing.output


SSH = """import os, stat
assert stat.S_ISSOCK(os.stat(os.environ['SSH_AUTH_SOCK']).st_mode)
open('/made', 'w').write('1')
"""


def test_the_ssh_agent_is_lent_to_commands_and_caches_are_written_where_they_are_wanted(
    project: Project, containerd_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    base = lent_python(containerd_engine, stage_of(tmp_path / "stage", aac_cache))
    user = replace(project, env={**project.env, **containerd_engine.env, "AAC_BUILD_NETWORK": "host"})
    run = f"RUN --mount=type=ssh {json.dumps(['python3', '-c', f'{SSH}# {uuid4()}'])}"  # never built before
    text = SEES.replace("    secrets: [{name: TOKEN}]\n", "")
    user.write({"agent.yaml": text, "Dockerfile": f"FROM {base}\nUSER 0\n{run}\n"})
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(containerd_engine.folder / "ssh"))  # short: a socket's path has at most 107 bytes
        agent.listen()
        env = {
            "SSH_AUTH_SOCK": str(containerd_engine.folder / "ssh"),
            "AAC_BUILD_CACHE_TO": f"type=local,dest={tmp_path / 'cache-out'}",
        }
        user.agent("build", "--builder", "docker", env=env).ok()
        assert (tmp_path / "cache-out/index.json").is_file()
        again = {**env, "AAC_BUILD_CACHE_FROM": f"type=local,src={tmp_path / 'cache-out'}"}
        user.write({"more.txt": "not copied\n"})
        user.agent("build", env=again).ok()
    user.write({"more.txt": "again\n"})
    assert "there is none (SSH_AUTH_SOCK is not set)" in user.agent("build").exits(1).output


def stage_blob(store: Path, digest: Digest) -> bytes:
    path = store / "blobs/sha256" / digest.hex[:2] / digest.hex
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    return gzip.decompress(data)


def test_an_engine_that_dies_in_mid_build_is_its_own_error_and_leaves_no_image(
    project: Project, docker_binaries: Path, tmp_path: Path, aac_cache: Path
) -> None:
    stage = stage_of(tmp_path / "stage", aac_cache)
    folder = tmp_path / "engine"
    folder.mkdir()
    with _buried(folder), _running(docker_binaries, folder, "containerd") as engine:
        base = lent_python(engine, stage)
        user = replace(project, env={**project.env, **engine.env, "AAC_BUILD_NETWORK": "host"})
        run = 'RUN ["python3", "-c", "import time; time.sleep(60)"]'
        user.write({"agent.yaml": SEES.partition("    secrets")[0], "Dockerfile": f"FROM {base}\n{run}\n"})
        user.agent("lock", "--builder", "docker").ok()
        killer = threading.Thread(target=kill_when_busy, args=(engine,))
        killer.start()
        failed = user.agent("build").exits(1)
        killer.join()
    assert "Dockerfile of sees: the engine went away during the build" in failed.output
    assert user.agent("inspect").exits(1).output.count("has no image yet") == 1


@contextlib.contextmanager
def _buried(folder: Path) -> Iterator[None]:
    """What a killed daemon leaves: its containerd, containers, and mounts below ``folder``."""
    try:
        yield
    finally:
        for process in _processes():
            if str(folder) in words_of(process) or str(root_of(process)).startswith(str(folder)):
                os.kill(int(process.name), signal.SIGKILL)
        for mount in reversed(_mounts_below(folder)):
            subprocess.run(("umount", "--lazy", mount), check=False)


def kill_when_busy(engine: Engine) -> None:
    """SIGKILL to the daemon as soon as the build's command runs."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not _sleeping():
        time.sleep(0.1)
    os.kill(int((engine.folder / "pid").read_text()), signal.SIGKILL)


def _sleeping() -> bool:
    return any(words_of(process).startswith("python3\0-c\0import time; time.sleep(60)") for process in _processes())


def _processes() -> list[Path]:
    return [path for path in Path("/proc").iterdir() if path.name.isdigit()]


def words_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def root_of(process: Path) -> Path:
    try:
        return (process / "root").readlink()
    except OSError:
        return Path("/")
