"""What a Go agent depends on → go.mod, go.sum and the version of Go, as the go command resolves them.

A go.sum beside go.mod is a lock already, and taken as it is. Without one, or from ``spec.dependencies`` alone, the go command
makes it. Sources are not looked at here, so for ``spec.dependencies`` every package of a module counts as needed.
"""

from __future__ import annotations

from pathlib import Path

from aac_plugins.runtimes.compiled import asked_version, is_version
from aac_plugins.runtimes.go_build import Go, version_of
from aac_plugins.runtimes.go_refusals import refused
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
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
            hint="install Go 1.21 or newer (https://go.dev/dl), or commit a go.sum made with `go mod tidy`",
        )
    with tools.scratch() as folder:
        for name, text in request.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        version = _version(asked, folder, tools)
        if not pinned:
            _pin(modules, Go.found(tools, folder, f"go{version}"), version, tools)
        texts = {name: (folder / name).read_text("utf-8") for name in FILES if (folder / name).exists()}
    return LockedDependencies(texts=texts, tools={"go": version})


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
    if len(mod.read_text("utf-8").split()) == 2:  # ours: a module's name and nothing else
        minor = ".".join(version.split(".")[:2])
        mod.write_text(f"{mod.read_text('utf-8')}\ngo {minor}\n", encoding="utf-8")
    tools.progress("resolving Go modules")
    # Every package of a module: only what the packages named here import gets into go.mod and go.sum.
    wanted = [f"{path}/...@{query or 'latest'}" for path, _, query in (m.partition("@") for m in modules)]
    words = ("get", *wanted) if wanted else ("mod", "download", "all")
    answer = go.run(words, go.folder, tools)
    if answer.exit_code != 0:
        raise refused(answer.tail, "the Go modules can't be resolved", offline=tools.offline)
