"""What a Go agent depends on → go.mod, go.sum and the version of Go, as the go command resolves them.

A go.sum beside go.mod is a lock already, and taken as it is. Without one, or from ``spec.dependencies`` alone, the go command
makes it. Sources are not looked at here, so for ``spec.dependencies`` every package of a module counts as needed.
"""

from __future__ import annotations

import re
from pathlib import Path

from aac_plugins.runtimes.compiled import SOURCES, asked_version, is_version
from aac_plugins.runtimes.go_build import Go, in_stage, version_of
from aac_plugins.runtimes.go_refusals import refused
from aac_tasks.contracts.engines import ToolchainImage
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
from aac_tasks.contracts.recipe import Run, Write
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

MOD, SUM = "go.mod", "go.sum"
FILES = (MOD, SUM)


def resolve(request: DependencyRequest, tools: Tools) -> LockedDependencies:
    """Pinned texts, and the version of the host's Go (or of the one asked for, which it can fetch).

    Raises:
        StepError: Go is not installed, or a module can't be had.
    """
    asked, modules = asked_version(request.requirements, "go")
    pinned = SUM in request.files
    if tools.which("go") is None:
        if pinned:  # all that an engine needs, which brings its own Go
            return LockedDependencies(texts=request.files)
        raise StepError(
            "go is not installed, and without it go.sum can't be made",
            hint="install Go 1.21 or newer (https://go.dev/dl), use --builder docker, or commit a go.sum made with `go mod tidy`",
        )
    with tools.scratch() as folder:
        for name, text in request.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        version = _version(asked, folder, tools)
        if not pinned:
            _pin(modules, Go.found(tools, folder, f"go{version}"), version, tools)
        texts = {name: (folder / name).read_text("utf-8") for name in FILES if (folder / name).exists()}
    return LockedDependencies(texts=texts, tools={"go": version})


def resolve_in(request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
    """As `resolve`, by the go of a toolchain image, which is of the version that was asked for.

    Raises:
        StepError: a module can't be had.
    """
    if SUM in request.files:
        return LockedDependencies(texts=request.files)
    asked, modules = asked_version(request.requirements, "go")
    texts = {**request.files, MOD: _begun(request.files[MOD], image.locked.runtime_version)}
    toolchain = "local" if asked or modules else "auto"  # only a go.mod of the author's may name a newer one
    platform = image.locked.platform
    commands = (("env", "GOVERSION"), _words(modules))
    with tools.scratch() as folder:
        said = image.run(
            (
                *(Write(f"{SOURCES}/{name}", text) for name, text in texts.items()),
                *(Run(in_stage(platform, toolchain, *words, GOPATH="/go"), cache=("/go",)) for words in commands),
            ),
            (SOURCES,),
            folder,
            lambda tail: refused(tail, "the Go modules can't be resolved", offline=tools.offline),
        )
        made = folder / SOURCES.strip("/")
        texts = {name: (made / name).read_text("utf-8") for name in FILES if (made / name).exists()}
    version = re.search(r"^go\d.*$", said, re.MULTILINE)
    return LockedDependencies(texts=texts, tools={"go": version_of(version[0] if version else "")})


def _version(asked: str, folder: Path, tools: Tools) -> str:
    """The host's, if go.mod and agent.yaml agree to it; else the newest of those asked for."""
    if not asked:
        return Go.found(tools, folder, "auto").version
    local = Go.found(tools, folder.parent, "local")
    if is_version(local.version, asked):
        return local.version
    if len(asked.split(".")) > 2:
        return asked
    tools.progress(f"looking for the newest Go {asked}")
    answer = local.run(("list", "-m", "-mod=mod", "-f", "{{.Version}}", f"go@{asked}"), folder.parent, tools)
    if answer.exit_code != 0:
        raise refused(answer.tail, f"there is no Go {asked} to compile with", offline=tools.offline)
    return version_of(answer.stdout)


def _pin(modules: tuple[str, ...], go: Go, version: str, tools: Tools) -> None:
    mod = go.folder / MOD
    mod.write_text(_begun(mod.read_text("utf-8"), version), encoding="utf-8")
    tools.progress("resolving Go modules")
    answer = go.run(_words(modules), go.folder, tools)
    if answer.exit_code != 0:
        raise refused(answer.tail, "the Go modules can't be resolved", offline=tools.offline)


def _begun(text: str, version: str) -> str:
    """A go.mod of ours, a module's name and nothing else, gets the language's version; the author's stays."""
    return f"{text}\ngo {'.'.join(version.split('.')[:2])}\n" if len(text.split()) == 2 and version else text


def _words(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Every package of a module: only what the packages named here import gets into go.mod and go.sum."""
    wanted = [f"{path}/...@{query or 'latest'}" for path, _, query in (m.partition("@") for m in modules)]
    return ("get", *wanted) if wanted else ("mod", "download", "all")
