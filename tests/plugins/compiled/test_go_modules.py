"""go.mod and go.sum, as a real go command makes them: from a proxy in a folder, and (network) from the real one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import module_proxy, tools_in

from aac_plugins.runtimes.go_modules import resolve
from aac_tasks.contracts.lock import DependencyRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools
from aac_tasks.testing import need

pytestmark = pytest.mark.real
BEGUN = {"go.mod": "module hello\n"}
MISSING = {"PATH": "/nowhere"}


def test_dependencies_become_go_mod_and_go_sum_and_the_host_s_go_is_locked(go: StepTools) -> None:
    locked = resolve(DependencyRequest(("example.org/greeter@v1.0.0",), BEGUN), go)
    minor = ".".join(locked.tools["go"].split(".")[:2])
    assert locked.texts["go.mod"].startswith(f"module hello\n\ngo {minor}\n")
    assert "example.org/greeter v1.0.0" in locked.texts["go.mod"]
    assert "example.org/greeter v1.0.0 h1:" in locked.texts["go.sum"]
    assert locked == resolve(DependencyRequest(("example.org/greeter@v1.0.0",), BEGUN), go)


def test_a_dependency_without_a_version_is_the_newest_there_is(go: StepTools) -> None:
    assert "greeter v1.0.0" in resolve(DependencyRequest(("example.org/greeter",), BEGUN), go).texts["go.mod"]


def test_a_go_mod_without_a_go_sum_gets_one(go: StepTools) -> None:
    text = "module hello\n\ngo 1.21\n\nrequire example.org/greeter v1.0.0\n"
    locked = resolve(DependencyRequest(files={"go.mod": text}), go)
    assert (locked.texts["go.mod"], locked.texts["go.sum"].count("\n")) == (text, 2)


def test_an_agent_without_dependencies_needs_no_proxy(tmp_path: Path, go: StepTools) -> None:
    tools = tools_in(tmp_path / "other", GOPROXY="off")
    assert set(resolve(DependencyRequest(files=BEGUN), tools).texts) == {"go.mod"}


def test_a_go_sum_beside_go_mod_is_taken_as_it_is(go: StepTools) -> None:
    files = {"go.mod": "module hello\n\ngo 1.21\n\nrequire example.org/gone v9.9.9\n", "go.sum": "example.org/gone v9.9.9 h1:=\n"}
    assert resolve(DependencyRequest(files=files), go).texts == files


def test_without_go_a_complete_lock_is_still_one_for_an_engine_and_anything_else_says_what_to_install(tmp_path: Path) -> None:
    tools = tools_in(tmp_path, **MISSING)
    files = {"go.mod": "module hello\n", "go.sum": ""}
    assert resolve(DependencyRequest(files=files), tools).tools == {}
    with pytest.raises(StepError, match=r"go is not installed, .*\n.*install Go 1\.21 or newer \(https://go\.dev/dl\)"):
        resolve(DependencyRequest(files=BEGUN), tools)


def test_a_version_that_the_host_has_is_the_host_s(go: StepTools) -> None:
    version = resolve(DependencyRequest(files=BEGUN), go).tools["go"]
    minor = ".".join(version.split(".")[:2])
    assert resolve(DependencyRequest((f"go@{minor}",), BEGUN), go).tools == {"go": version}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("example.org/nothing@v1.0.0", "there is no Go module example.org/nothing@v1.0.0"),
        ("example.org/greeter@v2.0.0", "there is no Go module example.org/greeter@v2.0.0"),
        ("example.org/greeter@v1.9.9", "there is no Go module example.org/greeter@v1.9.9"),
        ("example.org/nothing", "there is no Go module example.org/nothing"),
    ],
)
def test_a_module_that_can_not_be_had_is_named(go: StepTools, wanted: str, message: str) -> None:
    with pytest.raises(StepError) as caught:
        resolve(DependencyRequest((wanted,), BEGUN), go)
    assert caught.value.message == message
    assert "check path and version" in caught.value.hint


def test_a_proxy_that_does_not_answer_is_named_as_that(go: StepTools, tmp_path: Path) -> None:
    tools = tools_in(tmp_path / "other", GOPROXY="http://127.0.0.1:9", GOSUMDB="off", HOME=str(tmp_path))
    with pytest.raises(StepError, match="the Go modules can't be fetched"):
        resolve(DependencyRequest(("example.org/greeter@v1.0.0",), BEGUN), tools)


def test_a_setting_made_with_go_env_says_where_modules_come_from_and_nothing_else(go: StepTools, tmp_path: Path) -> None:
    proxy = module_proxy(tmp_path / "proxy")
    (tmp_path / "settings").write_text(f"GOPROXY={proxy}\nGOSUMDB=off\nGOFLAGS=-mod=vendor\nGOTOOLCHAIN=local\n")
    tools = tools_in(tmp_path / "other", GOENV=str(tmp_path / "settings"), HOME=str(tmp_path))
    locked = resolve(DependencyRequest(("example.org/greeter@v1.0.0",), BEGUN), tools)
    assert "example.org/greeter v1.0.0" in locked.texts["go.mod"]


@pytest.mark.network
def test_the_real_proxy_gives_a_framework_with_all_that_it_needs_and_the_newest_patch_of_an_older_go(tmp_path: Path) -> None:
    need(shutil.which("go"), "Go is not installed")
    tools = tools_in(tmp_path)
    locked = resolve(DependencyRequest(("go@1.23", "github.com/go-chi/chi/v5@v5.2.1"), BEGUN), tools)
    assert locked.tools["go"].startswith("1.23.")
    assert "go 1.23" in locked.texts["go.mod"] and "github.com/go-chi/chi/v5 v5.2.1 h1:" in locked.texts["go.sum"]
    with pytest.raises(StepError, match=r"there is no Go module github\.com/go-chi/no-such-module"):
        resolve(DependencyRequest(("github.com/go-chi/no-such-module@v1.0.0",), BEGUN), tools)


def test_a_proxy_s_password_is_not_in_the_message(tmp_path: Path) -> None:
    need(shutil.which("go"), "Go is not installed")
    tools = tools_in(tmp_path, GOPROXY="http://ada:s3cret@127.0.0.1:9", GOSUMDB="off")
    with pytest.raises(StepError) as caught:
        resolve(DependencyRequest(("example.org/greeter@v1.0.0",), BEGUN), tools)
    assert "s3cret" not in str(caught.value)
    assert "127.0.0.1:9" in str(caught.value)
