"""What cargo says when it refuses, in our words: what is wrong, and what to do."""

from __future__ import annotations

import re

from aac_plugins.runtimes.python_resolve import redact
from aac_tasks.errors import StepError

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"no matching package (?:named `([^`]+)` found|found\nsearched package name: `([^`]+)`)",
        "there is no crate {0}",
        "check its spelling in spec.dependencies or Cargo.toml",
    ),
    (
        r"failed to select a version for the requirement `([^`]+)`",
        "there is no version that satisfies {0}",
        "ask for one that is there: https://crates.io lists them",
    ),
    (
        r"checksum for `([^`]+)` changed between lock files|failed to verify the checksum of `([^`]+)`",
        "{0} is not what Cargo.lock says it was",
        "its registry has other bytes than before: ask why, or write Cargo.lock anew with `cargo update`",
    ),
    (
        r"cannot update the lock file|lock file [^\n]*needs to be updated|--locked",
        "Cargo.lock does not fit Cargo.toml",
        "run `cargo generate-lockfile` and commit Cargo.lock",
    ),
    (
        r"requires rustc (\S+) or newer|requires rustc (\S+)",
        "something needs Rust {0} or newer",
        "name a newer one in spec.runtime, or take an older version of what needs it",
    ),
    (
        r"the `(\S+)` target may not be installed|can't find crate for `(?:std|core)`",
        "Rust can't compile for this platform yet",
        "run `rustup target add` with the target named above",
    ),
    (
        r"failed to load manifest for (?:workspace member|dependency) `([^`]+)`|failed to read `([^`]+Cargo\.toml)`",
        "Cargo.lock can't be made without {0}, which lies beside this package",
        "make it with `cargo generate-lockfile` and commit it",
    ),
    (
        r"no bin target named `([^`]+)`",
        "the package has no program {0}",
        "name one of those it has: spec.config.rust.bin",
    ),
)
_UNREACHABLE = re.compile(
    r"spurious network error|could not resolve host|failed to download|network failure|Connection refused|SSL", re.I
)


def refused(tail: str, otherwise: str, *, offline: bool) -> StepError:
    """The error behind the last lines of a cargo that failed; ``otherwise`` says what it is where nothing better is known."""
    tail = redact(tail)
    if offline and ("--offline" in tail or "offline mode" in tail or "offline was specified" in tail):
        return StepError("a crate is not here yet, and none may be fetched", tail=tail, hint="build once without --offline")
    for pattern, message, hint in _KNOWN:
        found = re.search(pattern, tail)
        if found:
            return StepError(message.format(*(g for g in (*found.groups(), "") if g is not None)), tail=tail, hint=hint)
    if _UNREACHABLE.search(tail):
        return StepError(
            "the crates can't be fetched", tail=tail,
            hint="look at the network, HTTPS_PROXY and CARGO_HTTP_CAINFO; another registry goes into ~/.cargo/config.toml",
        )  # fmt: skip
    return StepError(otherwise, tail=tail)
