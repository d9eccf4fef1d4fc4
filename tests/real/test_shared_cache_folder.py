"""The shared cache in a folder: the same promises without a server, and what `agent cache` says of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from team import Key, Team, make_key, make_team

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("shared-folder")]

NAMES = iter(f"clone-{number}" for number in range(100))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Team, Key]:
    top = tmp_path_factory.mktemp("folder")
    team, key = make_team(top, ("ada",)), make_key(top, "ci")
    team.settings(place=str(top / "shared"), keys=[key.public])
    team.member("ci", {"AAC_SHARED_CACHE_WRITE": "1", "AAC_SHARED_CACHE_KEY": str(key.file)}).outcomes()
    return team, key


@pytest.fixture
def team(filled: tuple[Team, Key]) -> Iterator[Team]:
    """The folder is as CI left it, before and after."""
    team = filled[0]
    before = {path: path.read_bytes() for path in (team.top / "shared").rglob("*") if path.is_file()}
    yield team
    for path, data in before.items():
        damage(path, data)


def damage(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def entry(team: Team) -> Path:
    (path,) = (team.top / "shared/actions").glob("??/*")
    return path


def layers(team: Team) -> list[Path]:
    return sorted(team.top.glob("shared/blobs/sha256/??/*"))


def test_a_fresh_clone_builds_and_tests_nothing_and_brings_nothing(team: Team) -> None:
    clone = team.member(next(NAMES))
    ran = clone.outcomes()
    assert (ran["image:ada"], ran["test:ada"]) == ("cached", "cached")
    assert clone.blobs() == []
    clone.project.agent("push").ok()
    assert len(clone.blobs()) == len(layers(team)) == 5


@pytest.mark.parametrize("data", [b"", b"torn", None], ids=["empty", "torn", "cut"])
def test_a_torn_entry_is_told_and_built_here(team: Team, data: bytes | None) -> None:
    path = entry(team)
    damage(path, path.read_bytes()[:-7] if data is None else data)
    ran = team.member(next(NAMES)).project.agent("build").ok()
    assert "is damaged (checksum does not fit)" in ran.output
    assert "from the cache" not in ran.output


def test_a_missing_blob_is_noticed_before_anything_rests_on_it(team: Team) -> None:
    layers(team)[0].unlink()
    ran = team.member(next(NAMES)).project.agent("build").ok()
    assert "lacks blobs that it promised" in ran.output
    assert "from the cache" not in ran.output


def test_poisoned_blobs_are_found_when_they_are_needed_and_made_here(team: Team) -> None:
    clone = team.member(next(NAMES))
    clone.project.agent("build").ok()
    for path in layers(team):
        damage(path, b"poison")
    ran = clone.project.agent("push").ok()
    assert "can't be had from the shared cache" in ran.output
    index = json.loads((clone.project.folder / "dist/index.json").read_text())
    assert index["manifests"][0]["digest"].removeprefix("sha256:") in clone.blobs()


def test_a_folder_that_can_not_be_written_is_told_once(team: Team, filled: tuple[Team, Key], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    env = {"AAC_SHARED_CACHE": str(tmp_path / "file"), "AAC_SHARED_CACHE_WRITE": "1"}
    clone = team.member(next(NAMES), {**env, "AAC_SHARED_CACHE_KEY": str(filled[1].file)})
    assert clone.project.agent("build").ok().output.count("is left alone: ") == 1


def test_a_key_that_is_none_is_refused(team: Team, tmp_path: Path) -> None:
    env = {"AAC_SHARED_CACHE_WRITE": "1", "AAC_SHARED_CACHE_KEY": str(tmp_path / "nowhere.pem")}
    clone = team.member(next(NAMES), {**env, "AAC_SHARED_CACHE": str(tmp_path / "new")})
    ran = clone.project.agent("build").exits(3)
    assert "AAC_SHARED_CACHE_KEY is neither a private key in PEM nor a file that can be read" in ran.output


def test_what_was_made_before_goes_to_the_cache_when_a_run_may_write(filled: tuple[Team, Key], tmp_path: Path) -> None:
    team, key = filled
    clone = team.member(next(NAMES), {"AAC_SHARED_CACHE": str(tmp_path / "later")})
    assert clone.outcomes()["image:ada"] == "done"
    for path in clone.project.folder.glob(".aac/agents/ada/steps/*/stamp"):
        path.unlink()
    ran = clone.outcomes("test", AAC_SHARED_CACHE_WRITE="1", AAC_SHARED_CACHE_KEY=str(key.file))
    assert ran["image:ada"] == "cached"
    second = team.member(next(NAMES), {"AAC_SHARED_CACHE": str(tmp_path / "later")}).outcomes()
    assert (second["image:ada"], second["test:ada"]) == ("cached", "cached")


def test_verify_names_every_damaged_entry_and_blob_and_removes_nothing(team: Team) -> None:
    clone = team.member(next(NAMES))
    assert "0 problems" in clone.project.agent("cache", "verify", "--shared").ok().stdout
    damage(layers(team)[0], b"poison")
    said = clone.project.agent("cache", "verify", "--shared", "--json").exits(1).stdout
    (problem,) = json.loads(said)["problems"]
    assert problem["entry"] == entry(team).name
    assert f"sha256:{layers(team)[0].name} has other bytes" in problem["problem"]
    damage(entry(team), b"torn")
    assert "it is damaged" in clone.project.agent("cache", "verify", "--shared").exits(1).stdout
    assert layers(team)[0].read_bytes() == b"poison"


def test_stats_and_prune_know_the_shared_folder(filled: tuple[Team, Key], tmp_path: Path) -> None:
    team, key = filled
    env = {"AAC_SHARED_CACHE": str(tmp_path / "own"), "AAC_SHARED_CACHE_KEY": str(key.file), "AAC_SHARED_CACHE_WRITE": "1"}
    clone = team.member(next(NAMES), env)
    clone.outcomes("build")
    parts = json.loads(clone.project.agent("cache", "stats", "--shared", "--json").ok().stdout)
    assert {part["name"]: part["files"] for part in parts["parts"]}["actions"] == 1
    clone.project.agent("cache", "prune", "--shared", "--max-size", "0").ok()
    assert [path for path in (tmp_path / "own").rglob("*") if path.is_file()] == []


def test_without_a_shared_cache_it_is_said_how_to_name_one(team: Team) -> None:
    clone = team.member(next(NAMES), {"AAC_SHARED_CACHE": "none"})
    ran = clone.project.agent("cache", "stats", "--shared").exits(3)
    assert "AAC_SHARED_CACHE" in ran.output
