"""What uv says when it can't resolve, in our words: what is wrong, and what would be accepted."""

from __future__ import annotations

import re

from aac_tasks.errors import StepError

UNREACHABLE = re.compile(r"Failed to fetch|error sending request|client error|dns error|timed out|Request failed", re.I)
UNKNOWN = re.compile(r"Because (\S+) was not found in the package registry")
NO_VERSION = re.compile(r"Because there is no version of ([\w.-]+?)((?:[=<>!~]=?|===)\S+?)[ ,]")


def refused(tail: str, *, offline: bool) -> StepError:
    """The error behind the last lines of a uv that failed; ``tail`` holds no credentials."""
    wheels = re.search(r"Wheels are required for `([^`]+)`", tail)
    if wheels:
        return StepError(
            f"no wheel of {wheels.group(1)} fits this image, and source distributions are not built",
            tail=tail,
            hint="take a version that has a wheel, publish one, or write your own image with build.dockerfile",
        )
    return _unknown(tail) or _unreachable(tail, offline) or _unsolvable(tail)


def _unknown(tail: str) -> StepError | None:
    unknown = UNKNOWN.search(tail)
    if unknown:
        return StepError(
            f"the index has no Python package {unknown.group(1)!r}",
            tail=tail,
            hint="check its spelling in spec.dependencies or requirements.txt; another index goes into UV_DEFAULT_INDEX",
        )
    version = NO_VERSION.search(tail)
    if version:
        return StepError(
            f"the index has no version of {version.group(1)} that is {version.group(2)}",
            tail=tail,
            hint="ask for one that is there, or leave the version out and have `agent lock` take the newest",
        )
    return None


def _unreachable(tail: str, offline: bool) -> StepError | None:
    if "network was disabled" in tail or (offline and UNREACHABLE.search(tail)):
        return StepError(
            "the Python dependencies can't be resolved offline: the index was never read", tail=tail,
            hint="run `agent lock` once without --offline",
        )  # fmt: skip
    if UNREACHABLE.search(tail):
        return StepError(
            "the Python package index can't be reached", tail=tail,
            hint="look at the network, HTTPS_PROXY and SSL_CERT_FILE; another index goes into UV_DEFAULT_INDEX",
        )  # fmt: skip
    return None


def _unsolvable(tail: str) -> StepError:
    if "uv.lock" in tail or "lockfile" in tail:
        return StepError("uv.lock can't be used", tail=tail, hint="write it anew with `uv lock` beside pyproject.toml")
    return StepError(
        "the Python dependencies can't be resolved", tail=tail,
        hint="change spec.dependencies or requirements.txt so that one set of versions satisfies all of them",
    )  # fmt: skip
