"""Whose results are believed: signed ones, those of a protected place, and nothing that anybody else wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from http_asking import get
from real.warm_cache import Warm, made
from team import make_key

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("shared-cache")]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def test_results_signed_by_a_key_that_is_not_listed_are_made_here(warm: Warm, tmp_path: Path) -> None:
    warm.team.settings(place=warm.place, keys=[make_key(tmp_path, "other").public])
    clone = warm.clone()
    ran = clone.project.agent("test", "ada").ok()
    assert "has a result of image, but no listed key signed it" in ran.output
    assert "✓ image:ada  sha256:" in ran.output
    assert len(warm.server.seen) == 1


def test_a_protected_place_is_believed_images_but_no_tests_without_a_signature(warm: Warm) -> None:
    place = f"{warm.server.url}/team/protected"
    warm.team.settings(place=place, protected=[place])
    warm.clone(AAC_SHARED_CACHE_WRITE="1").outcomes("test", "ada")
    clone = warm.clone()
    ran = clone.outcomes("test", "ada")
    assert (ran["image:ada"], ran["test:ada"]) == ("cached", "done")
    warm.team.settings(place=place)
    ran = warm.clone().outcomes("test", "ada")
    assert (ran["image:ada"], ran["test:ada"]) == ("done", "done")


def test_without_a_key_nothing_is_written_that_nobody_would_believe(warm: Warm) -> None:
    warm.team.settings(place=f"{warm.server.url}/team/unsigned", write=True)
    ran = warm.clone().project.agent("test", "ada").ok()
    assert "without AAC_SHARED_CACHE_KEY nobody would believe it" in ran.output
    assert {s.method for s in warm.server.seen} == {"GET"}


def test_who_signs_with_a_key_that_is_not_listed_is_told_and_writes_nothing(warm: Warm, tmp_path: Path) -> None:
    env = {"AAC_SHARED_CACHE": f"{warm.server.url}/team/unlisted", "AAC_SHARED_CACHE_WRITE": "1"}
    clone = warm.clone(**env, AAC_SHARED_CACHE_KEY=str(make_key(tmp_path, "mine").file))
    said = clone.project.agent("build", "ada").ok().output
    assert "signed by a key that [tool.aac.cache] keys does not list nobody would believe it" in said
    assert {s.method for s in warm.server.seen} == {"GET"}


def test_an_untrusted_run_writes_to_a_namespace_of_its_own_and_signs_nothing(warm: Warm) -> None:
    request = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/7/merge", "AAC_SHARED_CACHE_WRITE": "1"}
    request["AAC_SHARED_CACHE_KEY"] = str(warm.key.file)
    runs = [warm.clone(**request), warm.clone(**request), warm.clone()]
    for run in runs:
        run.project.write({"agents/bob/www/index.html": "bob, by a stranger\n"})
    first = runs[0].outcomes()
    assert made(first, "done") == {"image:bob", "test:bob"}  # what is trusted is read as by anybody
    written = {s.path.partition("/manifests/")[0] for s in warm.server.seen if s.method == "PUT" and "/manifests/" in s.path}
    assert written == {"/v2/team/cache/pull-7"}
    again = runs[1].outcomes("test", "bob")
    assert (again["image:bob"], again["test:bob"]) == ("cached", "done")
    trusted = runs[2].outcomes("test", "bob")
    assert (trusted["image:bob"], trusted["test:bob"]) == ("done", "done")


def rewrite(warm: Warm, repository: str, change: Callable[[str], str]) -> None:
    """Somebody with write access changes every entry of the cache, and stores the result in another repository."""
    cache, other = (f"http://{warm.real}/v2/{name}" for name in ("team/cache", repository))
    for tag in json.loads(get(f"{cache}/tags/list")[1])["tags"]:
        manifest = get(f"{cache}/manifests/{tag}", headers={"accept": MANIFEST})[1].decode()
        for layer in {x["digest"] for x in [*json.loads(manifest)["layers"], json.loads(manifest)["config"]]}:
            mount = f"{other}/blobs/uploads/?mount={layer}&from=team/cache"
            assert get(mount, method="POST", body=b"")[0] == 201
        put = {"method": "PUT", "body": change(manifest).encode(), "headers": {"content-type": MANIFEST}}
        assert get(f"{other}/manifests/{tag}", **put)[0] == 201


def reseal(manifest: str, change: Callable[[str], str]) -> str:
    """The manifest with a changed entry behind a checksum that fits."""
    document = json.loads(manifest)
    body = change(document["annotations"]["dev.agent.cache.entry"].partition("\n")[2])
    document["annotations"]["dev.agent.cache.entry"] = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}"
    return json.dumps(document)


def unsigned(body: str) -> str:
    entry = json.loads(body)
    for record in entry["records"].values():
        record.update(key="", signature="")
    return json.dumps(entry)


def passing(body: str) -> str:
    """A test's result instead of an image's, under the image's key."""
    entry = json.loads(body)
    tested = next(r for r in entry["records"].values() if r["kind"] == "test")
    entry["records"] = dict.fromkeys(entry["records"], tested)
    return json.dumps(entry)


POISON: dict[str, tuple[Callable[[str], str], str]] = {
    "another image": (lambda m: reseal(m, lambda b: b.replace('"size":', '"size":1')), "no listed key signed it"),
    "no signature": (lambda m: reseal(m, unsigned), "it is not signed"),
    "a pass moved to another key": (lambda m: reseal(m, passing), "it is told of a step test"),
    "another agent's entry": (lambda m: reseal(m, lambda b: b.replace('"name":"', '"name":"0', 1)), "it belongs elsewhere"),
    "a torn entry": (lambda m: m.replace('\\"kind\\"', '\\"kin\\"', 1), "checksum does not fit"),
    "no entry at all": (lambda m: m.replace("cache.entry", "cache.other"), "checksum does not fit"),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_poisoned_entry_is_ignored_and_built_here(warm: Warm, poison: str) -> None:
    change, said = POISON[poison]
    repository = f"team/poisoned-{list(POISON).index(poison)}"
    rewrite(warm, repository, change)
    warm.team.settings(place=f"{warm.server.url}/{repository}", keys=[warm.key.public])
    clone = warm.clone()
    ran = clone.project.agent("build", "ada").ok()
    assert said in ran.output
    assert "from the cache" not in ran.output
    assert warm.digests["ada"][:19] in ran.output
