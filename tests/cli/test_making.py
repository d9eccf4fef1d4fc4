"""`agent init` and `agent cache`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cli.scene import Stage

from aac_tasks.contracts.template import Template
from aac_tasks.state.cleaning import parse_size

HELLO = Template("python", "a small web agent", {"agent.yaml": "metadata: {name: {name}}\n", "src/main.py": "NAME = '{name}'\n"})


@pytest.fixture
def templates(stage: Stage) -> Stage:
    stage.templates = (HELLO, Template("go", "", {"main.go": ""}))
    return stage


def test_init_writes_the_first_template_with_the_name_filled_in(templates: Stage) -> None:
    said = templates("init", "my-agent")
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "made my-agent from template python: agent.yaml, src/main.py"
    assert (templates.folder / "my-agent/agent.yaml").read_text() == "metadata: {name: my-agent}\n"
    assert (templates.folder / "my-agent/src/main.py").read_text() == "NAME = 'my-agent'\n"


def test_init_takes_a_path_and_another_template(templates: Stage) -> None:
    said = templates("init", "agents/greeter", "--template", "go", "--json")
    assert said.json == {
        "agent": "greeter",
        "folder": str(templates.folder / "agents/greeter"),
        "template": "go",
        "files": ["main.go"],
    }


def test_init_never_overwrites_and_then_writes_nothing(templates: Stage) -> None:
    (templates.folder / "mine/src").mkdir(parents=True)
    (templates.folder / "mine/src/main.py").write_text("mine")
    said = templates("init", "mine")
    assert said.code == 3
    assert said.err == "error: mine has src/main.py already; nothing was written\n"
    assert not (templates.folder / "mine/agent.yaml").exists()


def test_init_into_a_folder_that_has_other_files_is_fine(templates: Stage) -> None:
    (templates.folder / "mine").mkdir()
    (templates.folder / "mine/README.md").write_text("mine")
    assert templates("init", "mine").code == 0


@pytest.mark.parametrize("name", ["My_Agent", "-x", "x-", "a" * 64, "ü"])
def test_init_refuses_names_that_no_agent_can_have(templates: Stage, name: str) -> None:
    said = templates("init", f"./{name}")
    assert said.code == 3
    assert "can't be an agent's name" in said.err
    assert list(templates.folder.iterdir()) == []


def test_init_teaches_which_templates_there_are(templates: Stage) -> None:
    said = templates("init", "x", "--template", "pyton")
    assert said.code == 3
    assert "unknown template 'pyton'; did you mean 'python'? (installed: python, go" in said.err


@pytest.mark.parametrize("path", ["../evil", "/etc/evil", "a/../../evil", ""])
def test_a_template_can_not_write_outside_of_its_folder(stage: Stage, path: str) -> None:
    stage.templates = (Template("bad", "", {path: "x"}),)
    said = stage("init", "x")
    assert said.code == 3
    assert "outside of the agent's folder" in said.err
    assert list(stage.folder.iterdir()) == []


@pytest.fixture
def cache(stage: Stage) -> Path:
    folder = stage.folder / "cache"
    stage.environment["AAC_CACHE_DIR"] = str(folder)
    for number in range(4):
        blob = folder / "blobs" / "sha256" / f"0{number}" / "x"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(b"x" * 1000)
        os.utime(blob, (1_000_000 + number, 1_000_000 + number))
    (folder / "uv").mkdir()
    (folder / "uv" / "wheel").write_bytes(b"x" * 3000)
    return folder


def test_cache_stats_says_how_large_each_part_is(stage: Stage, cache: Path) -> None:
    assert stage("cache", "stats").out.splitlines() == [
        "PART   FILES  SIZE",
        "blobs  4      4.0 kB",
        "uv     1      3.0 kB",
        f"7.0 kB in {cache}",
    ]
    assert stage("cache", "stats", "--json").json["size"] == 7000


def test_cache_prune_removes_what_was_not_used_for_longest(stage: Stage, cache: Path) -> None:
    said = stage("cache", "prune", "--max-size", "5kB", "--json")
    assert said.json == {"folder": str(cache), "files": 2, "freed": 2000, "left": 5000}
    assert [p.parent.name for p in sorted(cache.glob("blobs/sha256/*/x"))] == ["02", "03"]


def test_cache_prune_that_removes_nothing_says_what_would(stage: Stage, cache: Path) -> None:
    assert stage("cache", "prune").out == f"removed nothing, for --max-size is 10.0 GB; 7.0 kB left in {cache}\n"


def test_cache_prune_takes_a_tools_cache_whole_when_blobs_are_not_enough(stage: Stage, cache: Path) -> None:
    assert stage("cache", "prune", "--max-size", "2kB", "--json").json["left"] == 0
    assert not (cache / "uv").exists()


def test_an_absent_cache_is_an_empty_one(stage: Stage) -> None:
    stage.environment["AAC_CACHE_DIR"] = str(stage.folder / "nowhere")
    assert stage("cache", "stats", "--json").json == {"folder": str(stage.folder / "nowhere"), "size": 0, "parts": []}
    assert stage("cache", "prune").code == 0


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("5GB", 5_000_000_000), ("1.5 MiB", 1_572_864), ("10k", 10_000), ("7b", 7), ("2TiB", 2 * 1024**4)],
)
def test_sizes_are_read_with_decimal_and_binary_units(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1", "5 apples"])
def test_what_is_no_size_is_refused_with_examples(stage: Stage, text: str) -> None:
    said = stage("cache", "prune", f"--max-size={text}")
    assert said.code == 3
    assert "is not a size; expected a number with kB, MB, GB" in said.err
