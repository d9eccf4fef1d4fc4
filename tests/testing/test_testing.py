"""The pytest plugin, used as an author of a plugin uses it: from a test suite of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from aac_tasks.testing import Project, Ran, clean_environment

SUITE = """
    import pytest
    from aac_tasks.testing import need

    @pytest.mark.real
    def test_with_a_tool_that_is_nowhere():
        need(False, "the tool is not installed")

    def test_with_a_tool_that_is_there():
        need("/bin/sh", "there is no shell")

    def test_a_project(project):
        project.write({"a/b.txt": "one\\n", "c.bin": b"\\xff"})
        assert project.read("a/b.txt") == "one\\n"
        ran = project.run(("/bin/sh", "-c", "echo $HOME; cat a/b.txt; echo wrong >&2; exit 3"))
        assert (ran.exit_code, ran.stderr) == (3, "wrong\\n")
        assert ran.stdout == f"{project.env['HOME']}\\none\\n"
        ran.exits(3)

    def test_two_projects_share_a_cache(project, aac_cache):
        assert project.env["XDG_CACHE_HOME"] == str(aac_cache)

    def test_a_lone_project_shares_nothing(lone_project, aac_cache):
        assert lone_project.env["XDG_CACHE_HOME"] != str(aac_cache)
    """


def suite(project: Project, **env: str) -> Ran:
    project.write({"test_mine.py": SUITE})
    command = (sys.executable, "-m", "pytest", "-p", "aac_tasks.testing", "-p", "no:cacheprovider")
    path = os.pathsep.join(p for p in sys.path if p)
    return project.run((*command, "--strict-markers", "-q", "test_mine.py"), env={"PYTHONPATH": path, **env})


def test_a_missing_tool_skips_a_test(lone_project: Project) -> None:
    assert "4 passed, 1 skipped" in suite(lone_project).ok().stdout


def test_a_missing_tool_fails_a_test_where_everything_must_be_there(lone_project: Project) -> None:
    said = suite(lone_project, AAC_REQUIRE_REAL="1").exits(1).stdout
    assert "AAC_REQUIRE_REAL is set, but the tool is not installed" in said
    assert "1 failed, 4 passed" in said


def test_downloads_are_kept_where_the_caller_says(lone_project: Project, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    assert "4 passed" in suite(lone_project, AAC_TEST_CACHE=str(kept)).ok().stdout
    assert kept.is_dir()


def test_a_wrong_exit_code_shows_what_was_said() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"false: exit code 1, expected 0\n  \| no such thing"):
        Ran(("false",), 1, "", "no such thing\n").ok()


def test_a_new_user_has_no_settings_of_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAC_PROFILE", "prod")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere:1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("CI", "true")
    env = clean_environment(tmp_path / "home", tmp_path / "cache")
    assert not {"AAC_PROFILE", "DOCKER_HOST", "CI"} & set(env)
    assert env["HTTPS_PROXY"] == "http://proxy:3128"
    assert all(env[f"XDG_{name}_HOME"].startswith(str(tmp_path)) for name in ("CACHE", "CONFIG", "DATA", "STATE"))


def test_the_plugin_costs_a_pytest_run_nothing_heavy() -> None:
    code = "import sys, pytest; before = set(sys.modules); import aac_tasks.testing; print(*(set(sys.modules) - before))"
    here = Project(Path.cwd(), {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)})
    assert set(here.run((sys.executable, "-c", code)).ok().stdout.split()) <= {"aac_tasks", "aac_tasks.testing"}
