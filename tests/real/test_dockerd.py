"""The engine fixtures themselves: what other tests rest on."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from real.dockerd import Engine

from aac_tasks.testing import need

BUSYBOX = Path("/bin/busybox")

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


def tar_of_a_shell() -> bytes:
    """The smallest image there is: one static program (Debian's busybox-static)."""
    need(BUSYBOX.exists(), "busybox-static is not installed")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.add(BUSYBOX, "bin/busybox")
        for name in ("sh", "wget", "httpd"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    return out.getvalue()


@pytest.mark.parametrize("fixture", ["docker_engine", "containerd_engine"])
def test_an_engine_of_our_own_imports_and_runs_an_image(fixture: str, request: pytest.FixtureRequest) -> None:
    engine: Engine = request.getfixturevalue(fixture)
    info = json.loads(engine.docker("info", "--format", "{{json .}}").ok().stdout)
    assert info["DockerRootDir"].startswith("/")
    assert int(info["ServerVersion"].split(".")[0]) >= 26
    assert ("overlay2" in info["Driver"]) == (engine.store == "overlay2")
    engine.docker("import", "-", "shell:1", stdin=tar_of_a_shell()).ok()
    ran = engine.docker("run", "--rm", "--network=none", "shell:1", "/bin/sh", "-c", "echo $((6 * 7))").ok()
    assert ran.stdout == "42\n"


def test_a_port_of_a_container_is_reached_from_the_machine(docker_engine: Engine) -> None:
    docker_engine.docker("import", "-", "shell:1", stdin=tar_of_a_shell()).ok()
    serve = ("/bin/sh", "-c", "echo hello > /tmp.txt && exec /bin/httpd -f -p 8080 -h /")
    name = docker_engine.docker("run", "-d", "--rm", "-p", "127.0.0.1::8080", "shell:1", *serve).ok().stdout.strip()
    address = docker_engine.docker("port", name, "8080").ok().stdout.strip()
    fetch = ("exec", name, "/bin/wget", "-qO-", "http://127.0.0.1:8080/tmp.txt")
    assert docker_engine.docker(*fetch).ok().stdout == "hello\n"
    assert _get(f"http://{address}/tmp.txt") == b"hello\n"
    docker_engine.docker("kill", name).ok()


def test_buildx_is_there(docker_engine: Engine) -> None:
    assert "buildx" in docker_engine.docker("buildx", "version").ok().stdout


def _get(url: str) -> bytes:
    import urllib.request

    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=10) as answer:
        data: bytes = answer.read()
        return data
