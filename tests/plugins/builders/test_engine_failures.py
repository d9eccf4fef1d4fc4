"""What engines say when a build fails, as they said it, and what we make of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_plugins.builders.commandline import Steps, failure
from aac_plugins.builders.stages import Work
from aac_tasks.contracts.image import Platform
from aac_tasks.errors import StepError

DOCKERFILE = 'FROM python:3\nCOPY . /app/\nRUN ["python3", "-c", "1/0"]\n'
BUILDKIT = """#7 [2/2] RUN ["python3", "-c", "1/0"]
#7 0.151 Traceback (most recent call last):
#7 0.151 ZeroDivisionError: division by zero
#7 ERROR: process "python3 -c 1/0" did not complete successfully: exit code: 1
------
 > [2/2] RUN ["python3", "-c", "1/0"]:
0.151 Traceback (most recent call last):
0.151 ZeroDivisionError: division by zero
------
Dockerfile:3
--------------------
   1 |     FROM python:3
   3 | >>> RUN ["python3", "-c", "1/0"]
--------------------
ERROR: failed to solve: process "python3 -c 1/0" did not complete successfully: exit code: 1
"""
PODMAN = """STEP 1/3: FROM python:3
STEP 3/3: RUN ["python3", "-c", "1/0"]
ZeroDivisionError: division by zero
Error: building at STEP "RUN ["python3", "-c", "1/0"]": while running runtime: exit status 1
"""
PODMAN_4 = """STEP 3/3: RUN --mount=type=cache,target=/c ["python3", "-c", "1/0"]
ZeroDivisionError: division by zero
Error: building at STEP "RUN --mount=type=cache,target=/c python3 -c 1/0": while running runtime: exit status 1
"""
CLASSIC = """Step 1/3 : FROM python:3
Step 3/3 : RUN ["python3", "-c", "1/0"]
ZeroDivisionError: division by zero
The command 'python3 -c 1/0' returned a non-zero code: 1
"""


def work(folder: Path, own: str = "") -> Work:
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return Work("stage dependencies of hello", folder, Platform("linux", "arm64"), own=own)


@pytest.mark.parametrize("said", [BUILDKIT, PODMAN, PODMAN_4, CLASSIC])
def test_a_failing_command_of_an_own_dockerfile_is_told_with_file_and_line(tmp_path: Path, said: str) -> None:
    error = failure(work(tmp_path, "docker/Dockerfile"), said, "docker")
    assert error.message.startswith("docker/Dockerfile:3: `")
    assert "1/0" in error.message
    assert "ZeroDivisionError: division by zero" in error.tail.splitlines()


def test_buildkits_last_lines_are_those_of_the_command_alone(tmp_path: Path) -> None:
    error = failure(work(tmp_path), BUILDKIT, "docker")
    assert error.message == "stage dependencies of hello: `python3 -c 1/0` ended with 1"
    assert error.tail == "Traceback (most recent call last):\nZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("write /x: no space left on device", "the disk of the engine is full", "`docker system prune` frees some"),
        ("ERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
         "the engine went away during the build", "start it again"),
        ("exec /bin/sh: exec format error", "this machine can't run programs for linux/arm64", "QEMU"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_machine_is_its_own_message(tmp_path: Path, said: str, message: str, hint: str) -> None:
    error: StepError = failure(work(tmp_path), said, "/usr/bin/docker")
    assert error.message == f"stage dependencies of hello: {message}"
    assert hint in error.hint


def test_what_is_not_known_is_told_in_the_engines_words(tmp_path: Path) -> None:
    error = failure(work(tmp_path), "#1 [internal] load\nERROR: no active session for x: context deadline exceeded\n", "docker")
    assert error.message == "stage dependencies of hello: no active session for x: context deadline exceeded"


def test_a_base_that_can_not_be_had_is_named(tmp_path: Path) -> None:
    said = "Dockerfile:1\nERROR: failed to solve: pythn:3: failed to resolve source metadata for docker.io/library/pythn:3: no"
    error = failure(work(tmp_path, "Dockerfile"), said, "docker")
    assert error.message == "Dockerfile:1: base docker.io/library/pythn:3 can't be had"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('#7 [build 2/3] RUN ["go"]', 'hello, 2 of 3: RUN ["go"]'),
        ("#12 [2/2] COPY . /", "hello, 2 of 2: COPY . /"),
        ("[1/2] STEP 2/4: USER 0:0", "hello, 2 of 4: USER 0:0"),
        ("STEP 1/3: FROM x", "hello, 1 of 3: FROM x"),
        ("Step 2/4 : RUN x", "hello, 2 of 4: RUN x"),
        ("#7 0.151 said", ""),
        ("#1 [internal] load build definition", ""),
    ],
)
def test_progress_is_told_per_step(line: str, told: str) -> None:
    assert Steps("hello").see(line) == told
