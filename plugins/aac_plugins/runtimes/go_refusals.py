"""What the go command says when it refuses, in our words: what is wrong, and what to do."""

from __future__ import annotations

import re

from aac_plugins.runtimes.python_resolve import redact
from aac_tasks.errors import StepError

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"verifying (\S+?)(?:/go\.mod)?: checksum mismatch",
        "{0} is not what go.sum says it was",
        "somebody published that version anew: ask why, or take another version (`go get MODULE@VERSION`) and lock again",
    ),
    (
        r"download (?:go)?([\w.]+)[^\n]*: (?:toolchain not available|golang\.org/toolchain@)",
        "there is no Go {0} to be fetched for this machine",
        "https://go.dev/dl lists what there is; correct spec.runtime or go.mod, or take your own with `agent lock --update`",
    ),
    (
        r"requires go >= (\S+)[^\n]*running go (\S+?)[;)]",
        "something needs Go {0} or newer, and {1} compiles",
        "name a newer one in spec.runtime, or take an older version of what needs it",
    ),
    (
        r"missing go\.sum entry for (?:module providing package|go\.mod file) (\S+)",
        "go.sum lacks what {0} needs",
        "run `go mod tidy` and commit go.mod and go.sum",
    ),
    (
        r"(?:no required module provides package|cannot find module providing package) ([^\s;:]+)",
        "nothing that this agent depends on has the package {0}",
        "add its module to spec.dependencies, or to go.mod with `go get`",
    ),
    (
        r"package (\S+) is not in std",
        "there is no package {0}",
        "a package of the agent's own begins with the name of its module, the first line of go.mod; others have a host's name",
    ),
    (
        r"updates to go\.mod needed",
        "go.mod does not fit the sources",
        "run `go mod tidy` and commit go.mod and go.sum",
    ),
    (
        r"no (?:non-test )?Go files in|directory not found",
        "the main package is not where it is looked for",
        "write main.go, or name its folder: spec.config.go.package",
    ),
    (
        r"does not contain packages? (?:matching )?([^\s;]+?)(?:/\.\.\.)?(?:\n|$)",
        "there is no Go module {0}",
        "check its path in spec.dependencies: a new major version ends in /v2 and so on",
    ),
)
_UNREACHABLE = re.compile(r"dial tcp|i/o timeout|no such host|TLS handshake|connection re\w+|x509:|context deadline|proxyconnect")
_UNKNOWN = re.compile(
    r"([\w.~/-]+?)(?:/\.\.\.)?@([\w.+-]+): (?:\S+@\S+: |module \S+: )?"
    r"(?:reading |invalid version|unrecognized|no matching|unknown)"
)


def refused(tail: str, otherwise: str, *, offline: bool) -> StepError:
    """The error behind the last lines of a go that failed; ``otherwise`` says what it is where nothing better is known."""
    tail = redact(tail)
    if offline and ("GOPROXY=off" in tail or "toolchain not available" in tail):
        return StepError(
            "a Go module or release is not here yet, and none may be fetched", tail=tail, hint="build once without --offline"
        )
    if _UNREACHABLE.search(tail):
        return StepError(
            "the Go modules can't be fetched", tail=tail,
            hint="look at the network, HTTPS_PROXY and SSL_CERT_FILE; another proxy goes into GOPROXY",
        )  # fmt: skip
    for pattern, message, hint in _KNOWN:
        found = re.search(pattern, tail)
        if found:
            return StepError(message.format(*found.groups()), tail=tail, hint=hint)
    unknown = _UNKNOWN.search(tail)
    if unknown:
        what = unknown[1] if unknown[2] == "latest" else f"{unknown[1]}@{unknown[2]}"
        return StepError(
            f"there is no Go module {what}", tail=tail,
            hint="check path and version in spec.dependencies or go.mod; a private one needs GOPRIVATE",
        )  # fmt: skip
    return StepError(otherwise, tail=tail)
