"""What a user set for a language's tools, as the commands of an engine get it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_plugins.builders.commandline import access_arguments
from aac_plugins.builders.stages import CONTEXTS, ONE_CONTEXT, Dialect, Work, stage_text
from aac_plugins.runtimes.go import GoRuntime
from aac_plugins.runtimes.java import JavaRuntime
from aac_plugins.runtimes.rust import RustRuntime
from aac_tasks.conformance.lending import Lent, lend
from aac_tasks.conformance.small_agent import recipe
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.recipe import Run, Stage


def lent(folder: Path, **environment: str) -> Lent:
    return lend(folder / "lent", {"HOME": str(folder), **environment})


def test_who_set_nothing_lends_nothing(tmp_path: Path) -> None:
    for runtime in (GoRuntime(), RustRuntime(), JavaRuntime()):
        assert runtime.settings(lent(tmp_path).tools) == {}


def test_of_go_only_where_modules_come_from_and_variables_prevail(tmp_path: Path) -> None:
    (tmp_path / ".config/go").mkdir(parents=True)
    (tmp_path / ".config/go/env").write_text("GOPROXY=https://file.example\nGOFLAGS=-mod=mod\nGOPRIVATE=a.example/x=y\n")
    (text,) = GoRuntime().settings(lent(tmp_path, GOPROXY="https://variable.example", GOOS="plan9").tools).values()
    assert text == "GOPROXY=https://variable.example\nGOPRIVATE=a.example/x=y\n"
    other = tmp_path / "other"
    other.write_text("GOSUMDB=off\n")
    assert list(GoRuntime().settings(lent(tmp_path, GOENV=str(other)).tools).values()) == ["GOSUMDB=off\n"]


def test_of_cargo_and_maven_the_files(tmp_path: Path) -> None:
    for name in (".cargo/config.toml", ".m2/settings.xml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    assert RustRuntime().settings(lent(tmp_path).tools) == {"/.cargo/config.toml": ".cargo/config.toml"}
    assert JavaRuntime().settings(lent(tmp_path).tools) == {"/root/.m2/settings.xml": ".m2/settings.xml"}


@pytest.mark.parametrize(("dialect", "mounts"), [(CONTEXTS, 2), (ONE_CONTEXT, 0)])
def test_each_command_has_them_mounted_where_the_engine_can(dialect: Dialect, mounts: int) -> None:
    settled = Dialect(dialect.lent, dialect.context, dialect.mounts, settings=("/a", "/b"))
    text = stage_text(Stage("build", (Run(("make",)),)), "base", recipe(Platform()), lambda files: "", settled)
    assert text.count("--mount=type=secret,id=aac-settings-") == mounts


def test_they_are_files_that_only_the_user_reads_and_what_opens_a_door_is_hidden(tmp_path: Path) -> None:
    texts = ("GOPROXY=https://ada:one@a.example,direct\n", "<password>two</password>", '[registries.x]\ntoken = "three"\n')
    work = Work("it", tmp_path, Platform(), settings={f"/{number}": text for number, text in enumerate(texts)})
    flags, hidden = access_arguments(work, lent(tmp_path).tools)
    files = [Path(flag.partition("src=")[2]) for flag in flags if "aac-settings" in flag]
    assert [file.read_text() for file in files] == list(texts)
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert hidden == ("one", "two", "three")
