"""Values that look like Dockerfile syntax, read by a real BuildKit: nothing changes, nothing becomes an instruction."""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from real.dockerd import Engine

from aac_tasks.contracts.image import HealthProbe, Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.recipe import ApplicationLayer, FileLayer, Recipe
from aac_tasks.plan.dockerfile import render, render_ignore

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

HOSTILE = (
    "", " ", "  lead and trail  ", "a\tb",
    '"', "'", "\\", "\\\\", "x\\", '\\"', "$HOME", "${HOME:-x}", "$$", "\\$HOME", "`id`",
    "$(id)", "# comment", "a=b c=d", '" RUN evil="', "<<EOF", '<<"EOF"', "<<-EOF x", "[1]",
    '["a"]', "%PATH%", "^", "é☃\U0001f600",
    "\u200b", "&& rm", "--from=x", "{{.Env}}", "\\n", "\\u003c", "%s",
)  # fmt: skip
TEXT = 'EOF\n"EOF"\n$HOME ${x} \\\n\\\n`id`\n# comment\nRUN evil\n\ttab\n\nend\\\n'


@pytest.fixture(scope="module")
def docker(docker_engine: Engine) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in docker_engine.env.items():
            patch.setenv(name, value)
        yield str(docker_engine.binaries / "bin" / "docker")


def run(*argv: str, **options: object) -> bytes:
    done = subprocess.run(argv, capture_output=True, timeout=300, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr.decode()
    return bytes(done.stdout)


@pytest.fixture(scope="module")
def tag(docker: str) -> Iterator[str]:
    name = f"aac-test-{uuid4().hex[:12]}"
    yield name
    subprocess.run([docker, "rmi", "-f", name], capture_output=True, timeout=60)


def test_buildkit_reads_back_every_value_and_every_byte(docker: str, tag: str, tmp_path: Path) -> None:
    env = {f"V{i}": value for i, value in enumerate(HOSTILE)}
    labels = {f"l{i}": value for i, value in enumerate(HOSTILE)}
    recipe = Recipe(
        "hostile", Platform(), LockedBase("scratch", "scratch", Platform()),
        (FileLayer({"/etc/agent/config.json": TEXT}), ApplicationLayer()),
        env=env, labels=labels, entrypoint=HOSTILE, command=HOSTILE, ports=("8080/tcp", "53/udp"), stop_signal="SIGINT",
        probe=HealthProbe("command", command=HOSTILE, interval=0.5, timeout=90.0, retries=2, start_period=1.5),
    )  # fmt: skip
    context = tmp_path / "context"
    context.mkdir()
    for name in ("kept", "#left-out", "left-out "):
        (context / name).write_text(name)
    (tmp_path / "Dockerfile").write_text(render(recipe, lambda _: "scratch"), "utf-8")
    (tmp_path / "Dockerfile.dockerignore").write_text(render_ignore(("#left-out", "left-out ")), "utf-8")
    run(docker, "build", "--provenance=false", "-q", "-t", tag, "-f", str(tmp_path / "Dockerfile"), str(context))
    config = json.loads(run(docker, "image", "inspect", tag))[0]["Config"]
    given = dict(line.split("=", 1) for line in config["Env"])
    assert {name: given[name] for name in env} == env
    assert set(given) - set(env) <= {"PATH"}
    assert config["Labels"] == labels
    assert config["Entrypoint"] == config["Cmd"] == list(HOSTILE)
    assert config["Healthcheck"] == {
        "Test": ["CMD", *HOSTILE], "Interval": 500_000_000, "Timeout": 90_000_000_000, "StartPeriod": 1_500_000_000, "Retries": 2,
    }  # fmt: skip
    assert set(config["ExposedPorts"]) == {"8080/tcp", "53/udp"}
    assert (config["User"], config["WorkingDir"], config["StopSignal"]) == ("10001:10001", "/app", "SIGINT")
    assert files_of(docker, tag) == {"app/kept": b"kept", "etc/agent/config.json": TEXT.encode()}


def files_of(docker: str, tag: str) -> dict[str, bytes]:
    """The regular files of an image's layers, by name."""
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(run(docker, "save", tag))) as saved:
        for layer in json.load(saved.extractfile("manifest.json") or io.BytesIO())[0]["Layers"]:
            found.update(regular_files(saved, layer))
    return found


def regular_files(saved: tarfile.TarFile, layer: str) -> dict[str, bytes]:
    with tarfile.open(fileobj=saved.extractfile(layer)) as files:
        contents = ((m.name, files.extractfile(m)) for m in files if m.isfile())
        return {name: content.read() for name, content in contents if content is not None}
