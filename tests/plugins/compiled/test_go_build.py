"""A Go program from its sources: the same bytes everywhere, and plain words where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import check_probe, compiled, run, tools_in, write

from aac_plugins.runtimes.compiled_probe import GO
from aac_plugins.runtimes.go import GoRuntime
from aac_plugins.runtimes.go_build import Go
from aac_plugins.runtimes.go_modules import resolve
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools

pytestmark = pytest.mark.real
RUNTIME = GoRuntime()
MAIN = 'package main\n\nimport "example.org/greeter"\n\nfunc main() { println(greeter.Hello()) }\n'
WANTED = DependencyRequest(("example.org/greeter@v1.0.0",), {"go.mod": "module hello\n"})


def test_a_program_is_the_same_on_two_machines_whatever_was_there_before(go: StepTools, tmp_path: Path) -> None:
    locked = resolve(WANTED, go)
    first = compiled(RUNTIME, write(tmp_path / "one", {"main.go": MAIN}), locked, go)
    assert compiled(RUNTIME, tmp_path / "one", locked, go) == first, "with warm caches"
    there = tmp_path / "somewhere/much deeper"
    settings = write(tmp_path, {"env": "GOFLAGS=-tags=x\nGOAMD64=v3\nCGO_ENABLED=1\n"}) / "env"
    other = tools_in(there / "user", GOPROXY=f"file://{tmp_path / 'proxy'}", GOSUMDB="off", HOME=str(there), TZ="Asia/Kolkata",
                     GOENV=str(settings), GOFLAGS="-race", GOAMD64="v2", GOGC="30", LANG="de_DE.UTF-8")  # fmt: skip
    before = os.umask(0o077)
    try:
        second = compiled(RUNTIME, write(there / "two", {"main.go": MAIN}), locked, other)
    finally:
        os.umask(before)
    assert second == first
    for place in (tmp_path, Path.home()):
        assert str(place).encode() not in first
    assert run(first, tmp_path).stderr == "hello\n"


def test_the_compiler_collects_garbage_seldom_unless_the_user_wants_it_otherwise(go: StepTools, tmp_path: Path) -> None:
    (tmp_path / "go").mkdir()
    assert Go.found(go, tmp_path / "go", "auto").env["GOGC"] == "400"
    assert Go.found(tools_in(tmp_path / "user", GOGC="30"), tmp_path / "go", "auto").env["GOGC"] == "30"


def test_a_folder_above_with_a_workspace_of_its_own_has_no_say(go: StepTools, tmp_path: Path) -> None:
    write(tmp_path, {"go.work": "go 1.21\n\nuse ./elsewhere\n", "elsewhere/go.mod": "module elsewhere\n"})
    assert compiled(RUNTIME, write(tmp_path / "one", {"main.go": MAIN}), resolve(WANTED, go), go)[:4] == b"\x7fELF"


def test_a_program_for_another_machine_needs_nothing_but_go(go: StepTools, tmp_path: Path) -> None:
    sources, arm = write(tmp_path / "one", {"main.go": MAIN}), Platform("linux", "arm64")
    program = compiled(RUNTIME, sources, resolve(WANTED, go), go, platform=arm)
    assert program[18] == 183, "EM_AARCH64 (elf.h)"


def test_a_package_in_a_folder_below_is_the_one_that_settings_name(go: StepTools, tmp_path: Path) -> None:
    sources = write(tmp_path / "one", {"cmd/serve/main.go": MAIN})
    assert compiled(RUNTIME, sources, resolve(WANTED, go), go, settings={"package": "./cmd/serve"})


@pytest.mark.parametrize(
    ("text", "message", "tail"),
    [
        ("package main\n\nfunc main() {\n\tnothing()\n}\n", "the agent does not compile", "./main.go:4:2: undefined: nothing"),
        ("package main\n\nfunc main() {\n", "the agent does not compile", "main.go:4:1: syntax error"),
        ('package main\n\nimport "example.org/other"\n\nfunc main() {}\n',
         "nothing that this agent depends on has the package example.org/other", "main.go:3:8: "),
        ('package main\n\nimport "hello/missing"\n\nfunc main() {}\n', "there is no package hello/missing", "main.go:3:8: "),
        ("package library\n", "the package . is no program", ""),
    ],
)  # fmt: skip
def test_what_does_not_compile_is_told_with_file_and_line(
    go: StepTools, tmp_path: Path, text: str, message: str, tail: str
) -> None:
    with pytest.raises(StepError) as caught:
        compiled(RUNTIME, write(tmp_path / "one", {"main.go": text}), resolve(WANTED, go), go)
    assert caught.value.message == message
    assert tail in caught.value.tail


def test_a_module_that_is_not_what_go_sum_says_is_not_compiled(go: StepTools, tmp_path: Path) -> None:
    locked = resolve(WANTED, go)
    forged = locked.texts["go.sum"].replace("v1.0.0 h1:", "v1.0.0 h1:AAAA", 1)
    line = forged.splitlines()[0]
    texts = {**locked.texts, "go.sum": forged.replace(line, line[: len(line) - 5] + "=", 1)}
    other = tools_in(tmp_path / "other", GOPROXY=f"file://{tmp_path / 'proxy'}", GOSUMDB="off", HOME=str(tmp_path))
    with pytest.raises(StepError, match=r"example.org/greeter@v1.0.0 is not what go.sum says it was"):
        compiled(RUNTIME, write(tmp_path / "one", {"main.go": MAIN}), LockedDependencies(texts=texts, tools=locked.tools), other)


def test_a_go_that_can_not_be_had_is_named_with_the_way_out(go: StepTools, tmp_path: Path) -> None:
    locked = LockedDependencies(texts={"go.mod": "module hello\n"}, tools={"go": "1.99.0"})
    with pytest.raises(StepError, match=r"there is no Go 1\.99\.0 to be fetched for this machine(.|\n)*agent lock --update"):
        compiled(RUNTIME, write(tmp_path / "one", {"main.go": MAIN}), locked, go)
    with pytest.raises(StepError, match=r"agent.lock names no Go to compile with"):
        compiled(RUNTIME, tmp_path / "one", LockedDependencies(), go)


def test_the_probe_answers_for_a_server_that_is_well_and_for_no_other(go: StepTools, tmp_path: Path) -> None:
    version = resolve(DependencyRequest(files={"go.mod": "module hello\n"}), go).tools
    program = compiled(RUNTIME, write(tmp_path / "probe", GO), LockedDependencies(tools=version), go, texts=GO)
    check_probe(program, tmp_path)
