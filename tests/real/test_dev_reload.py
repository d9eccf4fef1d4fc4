"""Hot reload by `agent dev`: an instance that goes on with other files, and what makes a new one of it all the same."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real.developer import Developer, developing, until
from real.kill_yard import package_index
from real.small_agent import small_agent

from aac_tasks.testing import need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("running")]


def needs(runner: str) -> None:
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    need(runner != "userns" or shutil.which("unshare"), "util-linux is not installed")


@pytest.fixture(params=["runc", "userns", "host"])
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Developer]:
    """Somebody who works on an agent that already answers."""
    needs(request.param)
    with at_work(tmp_path, request.param) as here:
        yield here


@pytest.fixture
def contained(tmp_path: Path) -> Iterator[Developer]:
    """The same with one runner, where it makes no difference which."""
    needs("runc")
    with at_work(tmp_path, "runc") as here:
        yield here


@contextlib.contextmanager
def at_work(top: Path, runner: str, **env: str) -> Iterator[Developer]:
    top.chmod(0o755)
    project, name, port = small_agent(top, runner)
    project = replace(project, env={**project.env, **env})
    project.write({"www/old": "old\n", "www/pages/a": "a\n", "notes.sh": "echo notes\n"})
    (project.folder / "www/now").symlink_to("index.html")
    with developing(project, name, f"http://127.0.0.1:{port}/", "--allow-host") as here:
        here.answers("well\n")
        yield here


def instance(here: Developer) -> dict[str, object]:
    """The one that there is, as `agent ps` tells of it."""
    (found,) = json.loads(here.project.agent("ps", "--json").ok().stdout)["instances"]
    return dict(found)


def root(here: Developer) -> Path:
    """Its files, where this machine has them."""
    return here.project.folder / ".aac/agents" / here.name / "run" / str(instance(here)["name"]) / "state/root"


def built(here: Developer) -> str:
    return str(json.loads(here.project.agent("inspect", "--json").ok().stdout)["digest"])


def agents(here: Developer) -> set[str]:
    """Processes of the agent itself, by pid."""
    return {line.partition(" ")[0] for line in here.left(pids=True) if "main.sh" in line}


def test_an_edit_of_files_reaches_the_instance_that_runs(here: Developer) -> None:
    before, place, processes = instance(here), root(here), agents(here)
    same = (place.stat().st_ino, (place / "bin/busybox").stat().st_ino)
    (place / "tmp-of-the-agent").write_text("kept")
    here.edit("www/index.html", "better\n")
    here.answers("better\n")
    here.says("reloaded 1 file in ")
    after = instance(here)
    assert after["name"] == before["name"]
    assert after["ports"] == before["ports"]
    assert after["image"] == built(here) != before["image"]
    assert (place.stat().st_ino, (place / "bin/busybox").stat().st_ino) == same
    assert (place / "tmp-of-the-agent").read_text() == "kept"
    assert not processes & agents(here)
    here.says("| ready", 2)  # both times that it started, in one log
    assert here.said.count("| args:") == 2


def test_files_come_and_go_with_the_image(here: Developer) -> None:
    folder, app = here.project.folder, root(here) / "app"
    edit = folder.parent / "edit"
    shutil.copytree(folder / "www", edit, symlinks=True)
    (edit / "old").rename(edit / "new")
    shutil.rmtree(edit / "pages")
    (edit / "pages").write_text("a file\n")
    (edit / "now").unlink()
    (edit / "now").symlink_to("new")
    (edit / "more").mkdir()
    (edit / "more/b").write_text("b\n")
    (edit / "new").chmod(0o755)
    (edit / "index.html").write_text("better\n")
    (folder / "www").rename(folder.parent / "www-before")
    edit.rename(folder / "www")
    here.answers("better\n")
    here.says(": reloaded ")
    assert not (app / "www/old").exists()
    assert (app / "www/new").read_text() == "old\n"
    assert (app / "www/new").stat().st_mode & 0o777 == 0o755
    assert (app / "www/pages").read_text() == "a file\n"
    assert (app / "www/now").readlink() == Path("new")
    assert (app / "www/more/b").read_text() == "b\n"
    assert "replaced" not in here.said
    here.signal(signal.SIGINT)
    assert here.ends() == 0
    until(lambda: not here.left(), lambda: str(here.left()))


def test_whatever_else_changed_makes_a_new_instance_and_says_why(tmp_path: Path) -> None:
    needs("runc")
    with package_index(tmp_path / "index") as index, at_work(tmp_path, "runc", UV_DEFAULT_INDEX=index) as here:
        agent = here.project.read("agent.yaml")
        agent = agent.replace('"${GREETING}"', "edited")
        here.edit("agent.yaml", agent)
        here.says("(runner runc): replaced, because its env changed")
        here.says("greeting: edited")
        assert instance(here)["name"] == f"{here.name}-dev-2"
        agent = agent.replace("interval: 1s", "interval: 2s")
        here.edit("agent.yaml", agent)
        here.says("(runner runc): replaced, because its probe changed")
        here.edit("agent.yaml", agent.replace("  entrypoint:", "  dependencies: [greeting==1.0]\n  entrypoint:"))
        here.says("(runner runc): replaced, because it has other layers")
        assert (root(here) / "opt/agent").is_dir()
        here.edit("www/index.html", "better\n")
        here.answers("better\n")
        here.says("(runner runc): reloaded 1 file in ")


def test_one_that_does_not_bear_the_edit_runs_again_as_it_was_and_the_next_edit_mends_it(contained: Developer) -> None:
    here = contained
    right = here.edit("main.sh", "echo oh no; exit 3\n")
    here.says(f"{here.name}-dev ended with exit code 3 before it was well; what ran before runs again")
    here.says("| oh no")
    assert here.asked() == "well\n"
    here.edit("main.sh", f"echo mended\n{right}")
    here.says("| mended")
    here.says(": reloaded 1 file in ")
    assert here.asked() == "well\n"


def test_a_root_that_does_not_take_the_files_is_thrown_away_for_a_new_one(contained: Developer) -> None:
    here = contained
    www = root(here) / "app/www"
    shutil.rmtree(www)
    www.write_text("in the way\n")
    here.edit("www/index.html", "better\n")
    here.answers("better\n")
    here.says("replaced, because reloading failed: ")
    assert (root(here) / "app/www/index.html").read_text() == "better\n"


def test_ctrl_c_while_its_files_have_changed_and_it_is_not_well_yet_leaves_nothing(contained: Developer) -> None:
    here = contained
    here.edit("main.sh", f"sleep 3600\n{here.project.read('main.sh')}")
    until(lambda: [line for line in here.left() if "sleep 3600" in line], lambda: here.said)
    here.signal(signal.SIGINT)
    assert here.ends() == 0
    until(lambda: not here.left(), lambda: str(here.left()))
    assert json.loads(here.project.agent("ps", "--json").ok().stdout)["instances"] == []
