"""Builders that can't build say why, quickly, with real sockets and real programs in the way."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aac_plugins.builders.docker import DockerBuilder
from aac_plugins.builders.podman import PodmanBuilder
from aac_tasks.conformance.lending import Lent, lend

NEEDS: frozenset[str] = frozenset({"commands"})


@pytest.fixture
def lent(tmp_path: Path) -> Lent:
    (tmp_path / "bin").mkdir()
    env = {"DOCKER_HOST": f"unix://{tmp_path}/d.sock", "HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    return lend(tmp_path / "lent", env)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[list[bytes]]:
    """An engine that answers every question with what is in the list, and is silent while it is empty."""
    answers: list[bytes] = []
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "d.sock"))
    listening.listen()
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                asked, _ = listening.accept()
            except OSError:
                return
            held.append(asked)
            if answers:
                asked.recv(65536)
                asked.sendall(answers[0])
                asked.close()

    threading.Thread(target=serve, daemon=True).start()
    yield answers
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    for one in held:
        one.close()


def pong(version: str, system: str = "linux") -> bytes:
    return f"HTTP/1.1 200 OK\r\nApi-Version: {version}\r\nOstype: {system}\r\nContent-Length: 2\r\n\r\nOK".encode()


def test_an_absent_engine_is_told_with_its_socket(lent: Lent, tmp_path: Path) -> None:
    assert DockerBuilder().can_build(NEEDS, lent.tools) == f"no engine at {tmp_path}/d.sock"


def test_a_silent_engine_is_no_engine_and_costs_no_wait(lent: Lent, engine: list[bytes]) -> None:
    started = time.monotonic()
    assert DockerBuilder().can_build(NEEDS, lent.tools)
    assert time.monotonic() - started < 2


def test_an_engine_that_is_too_old_is_told_with_what_is_needed(lent: Lent, engine: list[bytes]) -> None:
    engine.append(pong("1.39"))
    refusal = DockerBuilder().can_build(NEEDS, lent.tools)
    assert "speaks API 1.39; 1.41 or newer is needed" in refusal


def test_an_engine_for_other_systems_is_refused(lent: Lent, engine: list[bytes]) -> None:
    engine.append(pong("1.45", "windows"))
    assert DockerBuilder().can_build(NEEDS, lent.tools) == "the engine runs windows containers"


def test_an_engine_that_answers_can_build_everything(lent: Lent, engine: list[bytes]) -> None:
    engine.append(pong("1.45"))
    assert DockerBuilder().can_build(frozenset({"commands", "dockerfile", "tool:go"}), lent.tools) == ""


@pytest.mark.parametrize(
    ("script", "refusal"),
    [
        ("", "podman is not installed"),
        ("echo 3.4.4", "podman 3.4.4 is too old; 4.2 or newer is needed"),
        (
            "echo cannot clone: Operation not permitted >&2; exit 125",
            "podman does not work: cannot clone: Operation not permitted",
        ),
        ("echo 4.3.1", ""),
    ],
)
def test_podman_says_why_it_can_not_build(lent: Lent, tmp_path: Path, script: str, refusal: str) -> None:
    if script:
        program = tmp_path / "bin/podman"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    assert PodmanBuilder().can_build(NEEDS, lent.tools) == refusal
