"""The shared cache in a real registry: what CI built and tested, a fresh clone neither builds nor tests again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest
from http_servers import Answer, Seen, raw_server
from real.warm_cache import AGENTS, ALL, Warm, made
from real_registry import free_port
from registry_front import Fault

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("shared-cache")]


def test_a_fresh_clone_builds_nothing_tests_nothing_and_asks_once_per_agent(warm: Warm) -> None:
    clone = warm.clone()
    assert made(clone.outcomes(), "cached") == ALL
    assert len(warm.server.seen) == len(AGENTS)
    assert {s.method for s in warm.server.seen} == {"GET"}
    assert all("/manifests/" in s.path for s in warm.server.seen)
    assert clone.blobs() == []


def test_what_is_only_in_the_cache_is_up_to_date_and_asks_nobody(warm: Warm) -> None:
    clone = warm.clone()
    clone.doit().ok()
    warm.server.seen.clear()
    clone.doit().ok()
    assert set(clone.outcomes().values()) == {"fresh"}
    said = [clone.project.agent("build", "ada").ok().stdout for _ in range(3)]
    assert said[-1] == f"– image:ada  up to date  {warm.digests['ada'][:19]}\n", "stats alone answer"
    assert warm.server.seen == []


def test_bytes_travel_when_a_step_needs_them_and_only_those_of_its_agent(warm: Warm) -> None:
    clone = warm.clone()
    clone.doit().ok()
    warm.server.seen.clear()
    clone.project.agent("push", "bob").ok()
    index = json.loads((clone.project.folder / "dist/index.json").read_text())
    assert [m["digest"] for m in index["manifests"]] == [warm.digests["bob"]]
    assert {s.method for s in warm.server.seen} == {"GET"}
    assert len(clone.blobs()) == len(warm.server.seen) == 5  # three layers, configuration, manifest
    warm.server.seen.clear()
    clone.project.agent("save", "ada", "-o", "ada.tar").ok()
    assert len(warm.server.seen) == 4  # the base is bob's too, and here already
    names = {image["names"][0] for image in json.loads(clone.project.agent("images", "--json").ok().stdout)["images"]}
    assert names == {f"{name}:1.0.0" for name in AGENTS}
    assert len(warm.server.seen) == 5  # eve's configuration says when it was made
    assert clone.project.agent("load", "-i", "ada.tar", "--json").ok()


def test_another_door_and_two_jobs_find_the_same(warm: Warm) -> None:
    clone = warm.clone()
    said = clone.doit("-n", "2").ok().output
    assert sum(line.startswith("✓") and "from the cache" in line for line in said.splitlines()) == len(ALL)
    assert len(warm.server.seen) == len(AGENTS)


def test_an_edit_is_built_here_and_the_rest_comes_from_the_cache(warm: Warm) -> None:
    clone = warm.clone()
    clone.project.write({"agents/ada/www/index.html": "I am ada, again\n"})
    ran = clone.outcomes()
    assert made(ran, "done") == {"image:ada", "test:ada"}
    assert made(ran, "cached") == ALL - {"image:ada", "test:ada"}


def test_another_check_tests_again_and_builds_nothing(warm: Warm) -> None:
    clone = warm.clone()
    file = clone.project.folder / "agents/eve/agent.yaml"
    file.write_text(file.read_text().replace("serves its page", "serves a page"))
    ran = clone.outcomes("test", "eve")
    assert (ran["image:eve"], ran["test:eve"]) == ("cached", "done")
    assert warm.asked()[0].startswith("GET manifests/")
    assert len(clone.blobs()) == 5  # to be run it had to be brought


def test_a_step_that_was_forgotten_is_really_done(warm: Warm) -> None:
    clone = warm.clone()
    clone.doit("test:ada").ok()
    clone.doit("forget", "image:ada").ok()
    assert clone.outcomes("build", "ada")["image:ada"] == "done"


def is_a(method: str, part: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == method and part in seen.path


def instead(matches: Callable[[Seen], bool], answer: Answer) -> Fault:
    return lambda seen, real: answer if matches(seen) else real()


@pytest.mark.parametrize(
    "answer", [Answer(404), Answer(200, b"other bytes"), Answer(500)], ids=["gone", "other bytes", "broken"]
)
def test_a_blob_that_can_not_be_had_is_made_here_when_it_is_needed(warm: Warm, answer: Answer) -> None:
    clone = warm.clone()
    clone.doit().ok()
    warm.fault.append(instead(is_a("GET", "/blobs/"), answer))
    ran = clone.project.agent("push", "ada").ok()
    assert "can't be had from the shared cache" in ran.output
    assert "✓ image:ada  sha256:" in ran.output
    index = json.loads((clone.project.folder / "dist/index.json").read_text())
    assert [m["digest"] for m in index["manifests"]] == [warm.digests["ada"]]
    warm.server.seen.clear()
    assert clone.outcomes("test", "ada")["image:ada"] == "fresh"


def test_a_test_that_needs_a_lost_blob_does_not_look_like_a_failing_agent(warm: Warm) -> None:
    clone = warm.clone()
    clone.project.agent("build", "ada").ok()
    warm.fault.append(instead(is_a("GET", "/blobs/"), Answer(404)))
    clone.doit("forget", "test:ada").ok()
    assert clone.outcomes("test", "ada")["test:ada"] == "done"


def test_who_may_not_write_is_told_once_and_everything_is_done(warm: Warm) -> None:
    warm.fault.append(lambda seen, real: real() if seen.method in ("GET", "HEAD") else Answer(403))
    clone = warm.clone(AAC_SHARED_CACHE_WRITE="1", AAC_SHARED_CACHE_KEY=str(warm.key.file))
    for name in ("ada", "bob"):
        clone.project.write({f"agents/{name}/www/index.html": f"{name}, edited\n"})
    ran = clone.project.agent("test").ok()
    assert ran.output.count("can't be written: not allowed to push to") == 1
    assert ran.output.count("from the cache") >= 2  # reading goes on


@pytest.mark.parametrize("status", [401, 403, 500, 502])
def test_a_registry_that_refuses_is_told_once_and_left_alone(warm: Warm, status: int) -> None:
    warm.fault.append(lambda seen, real: Answer(status))
    ran = warm.clone(AAC_SHARED_CACHE_TIMEOUT="3").project.agent("build").ok()
    assert ran.output.count("is left alone: ") == 1
    assert {s.path for s in warm.server.seen if "/manifests/" in s.path} == {warm.server.seen[0].path}


def test_a_registry_that_is_not_there_is_told_once(warm: Warm) -> None:
    warm.team.settings(place=f"http://127.0.0.1:{free_port()}/team/cache", write=True)
    ran = warm.clone().project.agent("build").ok()
    assert ran.output.count("is left alone: ") == 1


def test_a_silent_registry_is_waited_for_once(warm: Warm) -> None:
    connections: list[int] = []
    over = threading.Event()
    with raw_server(lambda connection: over.wait(60) and None, count=connections) as address:
        warm.team.settings(place=f"http://{address}/team/cache", write=True)
        ran = warm.clone(AAC_SHARED_CACHE_TIMEOUT="1").project.agent("build").ok()
        over.set()
    assert ran.output.count("is left alone: ") == 1
    assert len(connections) == 1


def test_agent_cache_knows_a_cache_in_a_registry(warm: Warm) -> None:
    clone = warm.clone()
    assert f"{len(AGENTS)} entries in 127.0.0.1:" in clone.project.agent("cache", "stats", "--shared").ok().stdout
    assert "0 problems" in clone.project.agent("cache", "verify", "--shared").ok().stdout
    assert "tools of its own" in clone.project.agent("cache", "prune", "--shared").exits(3).output
    warm.fault.append(instead(is_a("HEAD", "/blobs/"), Answer(404)))
    assert "is not there" in clone.project.agent("cache", "verify", "--shared").exits(1).stdout
