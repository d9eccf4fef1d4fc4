"""Images in an own Dockerfile: which are found, which are left alone, and the text with digests in their place."""

from __future__ import annotations

import pytest

from aac_plugins.runtimes.own_dockerfile import OwnDockerfile

HUB = "docker.io/library"


def found(text: str, **args: str) -> tuple[str, ...]:
    own = OwnDockerfile(text, args)
    assert own.problems == []
    return own.references


@pytest.mark.parametrize(
    ("text", "references"),
    [
        ("FROM python:3.13-slim\n", (f"{HUB}/python:3.13-slim",)),
        ("from --platform=$BUILDPLATFORM golang AS build\n", (f"{HUB}/golang",)),
        ("FROM ghcr.io/me/base:1 AS a\nFROM a\n", ("ghcr.io/me/base:1",)),
        ("FROM python AS Build\nFROM build\n", (f"{HUB}/python",)),
        ("ARG TAG=3\nFROM python:${TAG}\n", (f"{HUB}/python:3",)),
        ("ARG TAG=3 KIND=slim\nARG WHOLE=python:$TAG-$KIND\nFROM $WHOLE\n", (f"{HUB}/python:3-slim",)),
        ("FROM python:${TAG:-3}\n", (f"{HUB}/python:3",)),
        ("ARG SLIM=yes\nFROM python:3${SLIM:+-slim}\n", (f"{HUB}/python:3-slim",)),
        ("FROM \\\n  # which\n  python:3 \\\n  AS a\n", (f"{HUB}/python:3",)),
        ("# escape=`\nFROM `\npython:3\n", (f"{HUB}/python:3",)),
        ("# escape=`\n#syntax = docker/dockerfile:1\nFROM python\n", ("docker.io/docker/dockerfile:1", f"{HUB}/python")),
        ("FROM scratch\nCOPY --chown=1:1 --from=golang:1 /x /\nCOPY --from=0 / /\n", (f"{HUB}/golang:1",)),
        ("FROM scratch AS s\nRUN --mount=type=bind,from=node:20,target=/n --mount=from=s,target=/s x\n", (f"{HUB}/node:20",)),
    ],
)
def test_names_are_found_as_buildkit_reads_them(text: str, references: tuple[str, ...]) -> None:
    assert found(text) == references


@pytest.mark.parametrize(
    "text",
    [
        "FROM scratch\n",
        f"FROM python@sha256:{'0' * 64}\n",
        "FROM localhost/mine:1\n",
        "FROM scratch\nRUN <<EOF cat\nFROM python:3\nEOF\n",
        "FROM scratch\nCOPY <<-'A' <<B /\n\tFROM python\n\tA\nFROM python\nB\n",
        "FROM scratch\nRUN echo --mount=from=python\n",
        "# FROM python\nFROM scratch\nRUN x \\\nFROM python\n",
        "# a comment ends directives\n# syntax=docker/dockerfile:1\nFROM scratch\n",
        f"# syntax=docker/dockerfile@sha256:{'0' * 64}\nFROM scratch\n",
        "FROM scratch AS base-amd64\nFROM base-${TARGETARCH}\n",
    ],
)
def test_what_is_no_tag_of_a_registry_is_left_alone(text: str) -> None:
    assert found(text) == ()
    assert OwnDockerfile(text, {}).pinned({f"{HUB}/python": "never"}) == text


def test_what_only_looks_like_a_here_document_hides_nothing() -> None:
    assert found('FROM scratch AS a\nRUN ["cat", "<<EOF"]\nRUN cat <<EOF\nFROM python:3\n') == (f"{HUB}/python:3",)


def test_a_build_argument_goes_before_the_default() -> None:
    assert found("ARG BASE=python:3\nFROM ${BASE}\n", BASE="python:4") == (f"{HUB}/python:4",)
    assert found("ARG BASE\nFROM ${BASE}\n", BASE="python:4") == (f"{HUB}/python:4",)
    late = OwnDockerfile("FROM scratch\nARG BASE=python:3\nFROM ${BASE}\n", {"BASE": "python:4"})
    assert late.problems, "BuildKit does not see an argument of a stage there"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("FROM ${BASE}", "FROM ${BASE}: the build argument BASE has no value; name it in build.args"),
        ("FROM python-${TARGETARCH}", "depends on TARGETARCH, so it can't be locked"),
        ("FROM ${BASE%%x}", "can't be read"),
        ("FROM Not:A:Name", "expected as in python:3.13-slim"),
    ],
)
def test_a_name_that_can_not_be_known_is_told_with_its_line(line: str, message: str) -> None:
    ((number, said),) = OwnDockerfile(f"# one\nFROM scratch AS other\n{line}\n", {}).problems
    assert number == 3
    assert message in said


ARGUMENTS = 'ARG BASE=x\nFROM ${BASE}\nARG VERSION=1 OTHER \\\n  THIRD="a b"\nRUN <<END\nARG INSIDE\nEND\n'


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("VERSOIN", "no ARG VERSOIN; did you mean 'VERSION'? (it declares BASE, OTHER, THIRD, VERSION)"),
        ("INSIDE", "no ARG INSIDE (it declares BASE, OTHER, THIRD, VERSION)"),
        *((name, "") for name in ("BASE", "VERSION", "OTHER", "THIRD")),
        *((name, "") for name in ("http_proxy", "SOURCE_DATE_EPOCH", "BUILDKIT_INLINE_CACHE")),
    ],
)
def test_an_argument_that_no_line_declares_is_told(name: str, message: str) -> None:
    assert list(OwnDockerfile(ARGUMENTS, {name: "1"}).unread()) == ([(name, message)] if message else [])


def test_what_another_syntax_declares_is_not_known() -> None:
    assert list(OwnDockerfile(f"# syntax=example/mine:1\n{ARGUMENTS}", {"X": ""}).unread()) == []
    assert list(OwnDockerfile("# syntax=docker/dockerfile:1\nFROM scratch\n", {"X": ""}).unread()) == [
        ("X", "no ARG X (it declares none)")
    ]


def test_only_the_names_change_in_the_text() -> None:
    text = (
        "# check=skip=all\n# Syntax=docker/dockerfile:1 \nARG BASE=python:3\nFROM $BASE AS a  \nRUN x\n"
        "FROM --platform=linux/amd64 \\\n python:3\nCOPY --from=node /n /\n"
    )
    expected = (
        "# check=skip=all\n# Syntax=S@sha256:3 \nARG BASE=python:3\nFROM P@sha256:1 AS a  \nRUN x\n"
        "FROM --platform=linux/amd64 \\\n P@sha256:1\nCOPY --from=N@sha256:2 /n /\n"
    )
    pins = {f"{HUB}/python:3": "P@sha256:1", f"{HUB}/node": "N@sha256:2", "docker.io/docker/dockerfile:1": "S@sha256:3"}
    assert OwnDockerfile(text, {}).pinned(pins) == expected
    assert OwnDockerfile(text.replace("\n", "\r\n"), {}).pinned(pins) == expected.replace("\n", "\r\n")
