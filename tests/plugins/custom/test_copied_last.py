"""The end of an own Dockerfile that copies files: what is told apart, what is left of the text, and when nothing is."""

from __future__ import annotations

import pytest

from aac_plugins.runtimes.copied_last import taken_apart
from aac_tasks.contracts.recipe import Copy, DockerfileLayers

USUAL = """# syntax=docker/dockerfile:1
ARG BASE=python:3
FROM ${BASE} AS build
COPY make.py data /build/
RUN --mount=type=bind,source=uv.lock,target=uv.lock --mount=type=cache,target=/c python make.py

FROM python:3
WORKDIR /app
COPY requirements*.txt ./
RUN pip install -r requirements.txt
COPY --from=build /build/words.txt .
COPY --chown=app:app main.py \\
  # and what it imports
  lib /app/
ENV MODE=fast
COPY . .
USER app
CMD ["python", "main.py"]
"""


def test_the_last_copies_are_told_apart_and_the_other_lines_keep_their_numbers() -> None:
    own = taken_apart(DockerfileLayers(USUAL))
    assert own.copies == (Copy(("main.py", "lib"), "/app/", "app:app"), Copy((".",), "."))
    assert own.reads == ("data", "make.py", "requirements*.txt", "uv.lock")
    rest, text = own.rest.split("\n"), USUAL.split("\n")
    assert len(rest) == len(text)
    changed = [number for number, line in enumerate(text) if rest[number] != line]
    assert (changed, {rest[number] for number in changed}) == ([11, 12, 13, 15], {""})
    assert own.text == USUAL


@pytest.mark.parametrize(
    ("target", "copies"), [("one", (Copy(("a",), "/a", mode="755"),)), ("ONE", (Copy(("a",), "/a", mode="755"),)), ("two", ())]
)
def test_it_is_the_stage_that_is_built(target: str, copies: tuple[Copy, ...]) -> None:
    text = "FROM x AS one\nRUN y\nCOPY --chmod=755 a /a\nFROM one AS two\nCOPY b /b\nRUN z\n"
    assert taken_apart(DockerfileLayers(text, target=target)).copies == copies


@pytest.mark.parametrize(
    "last",
    [
        "RUN true",
        "COPY a /a\nRUN true",
        "COPY a /a\nWORKDIR /b",
        "COPY a /a\nVOLUME /b",
        "COPY --from=x a /a",
        "COPY --link a /a",
        "COPY --parents a /a",
        "COPY --exclude=x a /a",
        "COPY --chmod=u+x a /a",
        "COPY --chown=$WHO a /a",
        "COPY $A /a",
        "COPY a ${B}/a",
        "COPY [\"a\", \"/a\"",
        "COPY a",
        "COPY <<E /a\ntext\nE",
        "COPY 'a b' /a",
        "COPY ../a /a",
        "COPY [ab] /a",
        "ADD a.tar /a",
        "COPY a /a\nONBUILD RUN true",
        "COPY a /a\nUNHEARD of",
        "COPY a /a\vb",
    ],
)
def test_what_only_an_engine_can_tell_leaves_the_file_whole(last: str) -> None:
    own = DockerfileLayers(f"FROM x\nRUN true\n{last}\n")
    assert taken_apart(own) == own


@pytest.mark.parametrize(
    "first",
    [
        "# syntax=somebody/else:1\nFROM x",
        "FROM scratch\nENV a=b",
        "FROM x\nCOPY . /all\nRUN true",
        "FROM x\nCOPY * /all/\nRUN true",
        "FROM x\nADD $WHAT /all/\nRUN true",
        "FROM x\nRUN --mount=target=/all true",
        "FROM x\nRUN --mount=type=bind,source=.,target=/all true",
        "FROM x AS y\nCOPY . /all\nFROM z",
    ],
)
def test_what_reads_all_of_the_context_leaves_the_file_whole(first: str) -> None:
    own = DockerfileLayers(f"{first}\nCOPY a /a\n")
    assert taken_apart(own) == own


def test_addresses_and_other_stages_are_not_of_the_context() -> None:
    text = "FROM x\nADD https://example.org/a.tgz /a\nRUN --mount=from=y,target=/y true\nCOPY a /a\n"
    own = taken_apart(DockerfileLayers(text))
    assert (own.reads, len(own.copies)) == ((), 1)
