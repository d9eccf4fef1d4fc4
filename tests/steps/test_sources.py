"""The copy of a build context that compilers work in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from runner_stage import Stage

from aac_tasks.contracts.context import ContextFile
from aac_tasks.contracts.lock import LockedDependencies
from aac_tasks.contracts.plan import TreeRequest
from aac_tasks.contracts.recipe import CompiledLayer
from aac_tasks.contracts.recipe import Stage as BuildStage
from aac_tasks.errors import StepError
from aac_tasks.state.digests import FileDigests
from aac_tasks.state.tree import snapshot
from aac_tasks.steps.sources import kept_sources, sources_of


def context(folder: Path, files: Mapping[str, str]) -> tuple[ContextFile, ...]:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return snapshot(folder, TreeRequest(""), FileDigests(folder.parent / "digests.json")).files


def listed(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_only_what_changed_is_written_again_and_what_a_compiler_left_stays(tmp_path: Path) -> None:
    stage, project = Stage(tmp_path), tmp_path / "project"
    files = context(project, {"main.go": "1", "lib/one.go": "1", "lib/two.go": "1"})
    sources = kept_sources("agent", files, stage.tools)
    assert listed(sources) == ["lib", "lib/one.go", "lib/two.go", "main.go"]
    (sources / "target").mkdir()
    (sources / "target/object").write_text("left by a compiler")
    os.utime(sources / "main.go", (1, 1))
    os.utime(sources / "lib/one.go", (1, 1))
    (project / "lib/two.go").unlink()
    files = context(project, {"lib/one.go": "2", "new.go": "1"})
    assert kept_sources("agent", files, stage.tools) == sources
    assert listed(sources) == ["lib", "lib/one.go", "main.go", "new.go", "target", "target/object"]
    assert (sources / "main.go").stat().st_mtime == 1
    assert (sources / "lib/one.go").stat().st_mtime > 1
    assert (sources / "lib/one.go").read_text() == "2"


def test_a_copy_that_was_cut_short_is_made_whole(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    files = context(tmp_path / "project", {"main.go": "package main"})
    sources = kept_sources("agent", files, stage.tools)
    (sources / "main.go").write_text("pack")
    (sources.parent / "context.json").write_text("{")
    assert (kept_sources("agent", files, stage.tools) / "main.go").read_text() == "package main"


def test_a_file_that_changed_since_it_was_hashed_is_refused_and_copied_whole_the_next_time(tmp_path: Path) -> None:
    stage, project = Stage(tmp_path), tmp_path / "project"
    files = context(project, {"main.go": "package main", "other.go": "package main"})
    (project / "main.go").write_text("package edited")
    with pytest.raises(StepError, match=r"main\.go changed while the image was built"):
        kept_sources("agent", files, stage.tools)
    sources = kept_sources("agent", context(project, {}), stage.tools)
    assert (sources / "main.go").read_text() == "package edited"


def test_modes_links_and_empty_folders_are_those_of_the_image(tmp_path: Path) -> None:
    stage, project = Stage(tmp_path), tmp_path / "project"
    project.mkdir()
    (project / "empty").mkdir()
    (project / "link").symlink_to("run.sh")
    (project / "run.sh").write_text("#!/bin/sh")
    (project / "run.sh").chmod(0o700)
    sources = kept_sources("agent", context(project, {}), stage.tools)
    assert (sources / "run.sh").stat().st_mode & 0o777 == 0o755
    assert str((sources / "link").readlink()) == "run.sh"
    assert (sources / "empty").is_dir()


def test_texts_of_ours_are_compiled_in_a_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    files = context(tmp_path / "project", {"main.go": "theirs"})
    layer = CompiledLayer("go", "", LockedDependencies(), (), BuildStage("build", ()), texts={"src/main.go": "ours"})
    with sources_of(layer, "agent", files, stage.tools) as sources:
        assert listed(sources) == ["src", "src/main.go"]
    assert not sources.exists()
    with sources_of(replace(layer, texts={}), "agent", files, stage.tools) as sources:
        assert listed(sources) == ["main.go"]
    assert sources.exists()


def test_two_agents_and_two_workspaces_have_copies_of_their_own(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    assert kept_sources("one", (), stage.tools) != kept_sources("two", (), stage.tools)
