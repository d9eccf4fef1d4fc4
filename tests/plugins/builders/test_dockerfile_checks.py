"""What BuildKit answers when it is asked to check a Dockerfile, as it was heard, and what we make of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from aac_plugins.builders.docker_check import check
from aac_tasks.conformance.lending import Lent, lend
from aac_tasks.contracts.engines import Checked, Remark
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.recipe import DockerfileLayers, Recipe

OWN = DockerfileLayers("FROM scratch\nFOO x\n", "docker/Dockerfile", "last", {"A": "1"})
AT = {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]}
WARNINGS = {"warnings": [{"ruleName": "StageNameCasing", "detail": "Stage name 'One' should be lowercase", "location": AT}]}
FOO = "dockerfile parse error on line 2: unknown instruction: FOO"
ERROR = {"warnings": None, "buildError": {"message": FOO, "location": AT}}
NO_LINT = "ERROR: failed to solve: unsupported request frontend.lint: unsupported request frontend.lint"
PARSE = "ERROR: dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)"
NO_BASE = "ERROR: nobase:1: failed to resolve source metadata for docker.io/library/nobase:1: no such host"


@pytest.fixture
def lent(tmp_path: Path) -> Lent:
    (tmp_path / "bin").mkdir()
    return lend(tmp_path / "lent", {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"})


def answering(tmp_path: Path, script: str) -> None:
    """A docker command that says what a real one said; ``asked`` holds its arguments and the Dockerfile."""
    program = tmp_path / "bin/docker"
    told = 'echo "$*"; for word; do case $word in --file=*) cat "${word#--file=}";; esac; done'
    program.write_text(f"#!/bin/sh\n({told}) >> {tmp_path}/asked\n{script}\n")
    program.chmod(0o755)


def checked(lent: Lent, *layers: DockerfileLayers, text: str = "") -> Checked:
    recipe = Recipe("own", Platform(), LockedBase("scratch", "scratch", Platform()), layers)
    return check(recipe, text, lent.tools.shop.environment, lent.tools)


def says(value: object, code: int) -> str:
    return f"cat <<'JSON'\n{json.dumps(value)}\nJSON\nexit {code}"


def test_its_rules_are_remarks_at_their_lines(lent: Lent, tmp_path: Path) -> None:
    answering(tmp_path, says(WARNINGS, 1))
    assert checked(lent, OWN) == Checked(
        "BuildKit checked docker/Dockerfile", (Remark("Stage name 'One' should be lowercase (StageNameCasing)", 2),)
    )
    asked = (tmp_path / "asked").read_text()
    assert "--call=check,format=json" in asked
    assert {"--target=last", "--build-arg=A=1"} <= set(asked.split())


def test_what_can_not_be_built_is_wrong(lent: Lent, tmp_path: Path) -> None:
    answering(tmp_path, says(ERROR, 1))
    assert checked(lent, OWN).remarks == (Remark("unknown instruction: FOO", 2, wrong=True),)


def test_nothing_to_say_is_no_remark(lent: Lent, tmp_path: Path) -> None:
    answering(tmp_path, says({"warnings": None}, 0))
    assert checked(lent, OWN) == Checked("BuildKit checked docker/Dockerfile")


@pytest.mark.parametrize(("said", "wrong"), [
    (PARSE, Remark("unknown instruction: FOO (did you mean FROM?)", 2, wrong=True)),
    (f"nothing\ndocker/Dockerfile:1\n{NO_BASE}", Remark("base docker.io/library/nobase:1 can't be had", wrong=True)),
])  # fmt: skip
@pytest.mark.parametrize("older", ["unknown flag: --call", NO_LINT], ids=["command", "engine"])
def test_an_elder_one_is_asked_to_read_it(lent: Lent, tmp_path: Path, older: str, said: str, wrong: Remark) -> None:
    flag = "print" if older.startswith("unknown") else "call"
    answering(tmp_path, f"case \"$*\" in *--{flag}=outline*) echo '{said}' >&2; exit 1;; *) echo '{older}' >&2; exit 1;; esac")
    found = checked(lent, OWN)
    assert found.how == "BuildKit read docker/Dockerfile; that of Docker 27 or later would check it by its rules, too"
    assert found.remarks == (wrong,)


def test_bases_of_a_rendered_dockerfile_are_left_out(lent: Lent, tmp_path: Path) -> None:
    answering(tmp_path, says({"warnings": None}, 0))
    found = checked(lent, text="FROM docker.io/library/python@sha256:0 AS dependencies\nFROM scratch\n")
    assert found == Checked("BuildKit checked the rendered Dockerfile, its bases left out")
    assert "FROM scratch AS dependencies\nFROM scratch\n" in (tmp_path / "asked").read_text()
