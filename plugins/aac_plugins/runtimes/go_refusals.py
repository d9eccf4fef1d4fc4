"""What the go command says when it refuses, in our words: what is wrong, and what to do."""

from __future__ import annotations

import re

from aac_tasks.errors import StepError

_KNOWN: tuple[tuple[str, str, str], ...] = (
    (
        r"verifying (\S+?)(?:/go\.mod)?: checksum mismatch",
        "{0} is not what go.sum says it was",
        "somebody published that version anew: ask why, or take another version (`go get MODULE@VERSION`) and lock again",
    ),
    (
        r"download (go[\w.]+)(?: for \S+)?: toolchain not available|unable to download toolchain|golang\.org/toolchain@\S+: .*(?:404|410)",
        "there is no such release of Go to fetch",
        "https://go.dev/dl lists them; correct spec.runtime or the go line of go.mod, or take yours with `agent lock --update`",
    ),
    (
        r"requires go >= (\S+)[^\n]*running go (\S+?)[;)]",
        "something needs Go {0} or newer, and {1} compiles",
        "name a newer one in spec.runtime, or take an older version of what needs it",
    ),
    (
        r"missing go\.sum entry for (?:module providing package|go\.mod file) (\S+?)[;\s]",
        "go.sum lacks what {0} needs",
        "run `go mod tidy` and commit go.mod and go.sum",
    ),
    (
        r"no required module provides package (\S+?)[;:\s]",
        "nothing that this agent depends on has the package {0}",
        "add its module to spec.dependencies, or to go.mod with `go get`",
    ),
    (
        r"updates to go\.mod needed",
        "go.mod does not fit the sources",
        "run `go mod tidy` and commit go.mod and go.sum",
    ),
    (
        r"no Go files in|no non-test Go files in|directory not found|is not in std",
        "the main package is not where it is looked for",
        "write main.go, or name its folder: spec.config.go.package",
    ),
)
_UNREACHABLE = re.compile(r"dial tcp|i/o timeout|no such host|TLS handshake|connection re\w+|x509:|context deadline|proxyconnect")
_UNKNOWN = re.compile(
    r"(?:module |go: )(\S+?)(?:/\.\.\.)?(?:@(\S+?))?: (?:no matching versions|invalid version|reading \S+: 4(?:04|10)|unrecognized import path"
    r"|not a known dependency|no matching)|module (\S+?)(?:/\.\.\.)?@(\S+?)(?: found[^\n]*)?: (?:invalid version|not found)"
)


def refused(tail: str, otherwise: str, *, offline: bool) -> StepError:
    """The error behind the last lines of a go that failed; ``otherwise`` says what it is where nothing better is known."""
    if "GOPROXY=off" in tail and offline:
        return StepError("a Go module is not here yet, and none may be fetched", tail=tail, hint="build once without --offline")
    for pattern, message, hint in _KNOWN:
        found = re.search(pattern, tail)
        if found:
            return StepError(message.format(*found.groups()), tail=tail, hint=hint)
    if _UNREACHABLE.search(tail):
        return StepError(
            "the Go modules can't be fetched", tail=tail,
            hint="look at the network, HTTPS_PROXY and SSL_CERT_FILE; another proxy goes into GOPROXY",
        )  # fmt: skip
    unknown = _UNKNOWN.search(tail)
    if unknown:
        name, version = (unknown[1] or unknown[3]), (unknown[2] or unknown[4] or "")
        what = f"{name}@{version}" if version and version != "latest" else name
        return StepError(
            f"there is no Go module {what}", tail=tail,
            hint="check path and version in spec.dependencies or go.mod; a private one needs GOPRIVATE",
        )  # fmt: skip
    return StepError(otherwise, tail=tail)
