"""Where a shared cache is, as a workspace and an environment say it."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_tasks.errors import UsageError
from aac_tasks.settings import CacheSettings, SharedPlace, read_settings, shared_places

ROOT = Path("/root-of-it")


def places(cache: CacheSettings, **environment: str) -> list[SharedPlace]:
    return list(shared_places(cache, environment, ROOT))


def test_nothing_is_shared_unless_somebody_says_where() -> None:
    assert places(CacheSettings()) == []
    assert places(CacheSettings(write=True)) == []
    assert places(CacheSettings("ghcr.io/team/cache"), AAC_SHARED_CACHE="none") == []
    assert places(CacheSettings("ghcr.io/team/cache"), AAC_SHARED_CACHE="") == []


@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("ghcr.io/team/cache", SharedPlace("ghcr.io/team/cache")),
        ("https://ghcr.io/team/cache/", SharedPlace("ghcr.io/team/cache")),
        ("http://127.0.0.1:5000/cache", SharedPlace("127.0.0.1:5000/cache", plain_http=True)),
        ("localhost/cache", SharedPlace("localhost/cache")),
        ("/mnt/cache", SharedPlace("/mnt/cache", Path("/mnt/cache"))),
        ("./cache", SharedPlace("/root-of-it/cache", Path("/root-of-it/cache"))),
    ],
)
def test_a_place_is_a_folder_or_a_repository(said: str, place: SharedPlace) -> None:
    assert places(CacheSettings(said)) == places(CacheSettings(), AAC_SHARED_CACHE=said) == [place]


@pytest.mark.parametrize("said", ["cache", "team/cache", "ghcr.io", "ftp://ghcr.io/team", "http://"])
def test_anything_else_is_refused_with_what_would_do(said: str) -> None:
    with pytest.raises(UsageError, match=r"is no place; expected a folder .* or a registry's repository"):
        places(CacheSettings(said))


def test_reading_is_the_default_and_the_environment_has_the_last_word_on_writing() -> None:
    cache = CacheSettings("/mnt/cache", write=True)
    assert [p.write for p in places(CacheSettings("/mnt/cache"))] == [False]
    assert [p.write for p in places(cache)] == [True]
    assert [p.write for p in places(cache, AAC_SHARED_CACHE_WRITE="0")] == [False]
    assert [p.write for p in places(CacheSettings("/mnt/cache"), AAC_SHARED_CACHE_WRITE="1")] == [True]


def test_what_is_protected_is_one_place_and_not_whatever_the_environment_names() -> None:
    cache = CacheSettings("ghcr.io/team/cache", protected=("ghcr.io/team/cache",))
    assert [p.protected for p in places(cache)] == [True]
    assert [p.protected for p in places(cache, AAC_SHARED_CACHE="ghcr.io/other/cache")] == [False]


@pytest.mark.parametrize(
    ("environment", "namespace"),
    [
        ({"AAC_SHARED_CACHE_NAMESPACE": "forks"}, "forks"),
        ({"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/12/merge"}, "pull-12"),
        ({"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_REF": "refs/heads/main"}, "pull-requests"),
        ({"CI_MERGE_REQUEST_IID": "7"}, "merge-7"),
    ],
)
def test_a_run_that_nobody_vouches_for_reads_the_place_and_writes_to_a_namespace(
    environment: dict[str, str], namespace: str
) -> None:
    shared, own = places(CacheSettings("ghcr.io/team/cache", write=True), **environment)
    assert shared == SharedPlace("ghcr.io/team/cache")
    assert own == SharedPlace(f"ghcr.io/team/cache/{namespace}", write=True, own=True)


def test_a_namespace_can_not_lead_elsewhere() -> None:
    for said in ("../other", "a/b", "A", "-x", "x:tag"):
        with pytest.raises(UsageError, match="AAC_SHARED_CACHE_NAMESPACE"):
            places(CacheSettings("ghcr.io/team/cache"), AAC_SHARED_CACHE_NAMESPACE=said)


def settings(folder: Path, text: str) -> CacheSettings:
    (folder / "pyproject.toml").write_text(text)
    return read_settings(folder).cache


def test_the_table_and_its_short_form_are_read(tmp_path: Path) -> None:
    assert settings(tmp_path, '[tool.aac]\ncache = "/mnt/cache"\n') == CacheSettings("/mnt/cache")
    text = '[tool.aac.cache]\nplace = "ghcr.io/a/b"\nwrite = true\nkeys = ["k"]\nprotected = ["ghcr.io/a/b"]\n'
    assert settings(tmp_path, text) == CacheSettings("ghcr.io/a/b", True, ("k",), ("ghcr.io/a/b",))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.aac]\ncache = 3\n", "cache must be text or a table, not 3"),
        ('[tool.aac.cache]\nwhere = "x"\n', r"\[tool.aac.cache\] has no key 'where'; it knows place, write, keys, protected"),
        ('[tool.aac.cache]\nkeys = "x"\n', r"\[tool.aac.cache\] keys must be a list of text, not 'x'"),
        ("[tool.aac.cache]\nkeys = [1]\n", r"keys must be a list of text, not \[1\]"),
    ],
)
def test_settings_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        settings(tmp_path, text)
