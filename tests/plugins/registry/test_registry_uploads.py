"""Blobs on their way: taken over from other repositories, sent whole, and in pieces once something broke."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_servers import Answer, Seen
from real_registry import registry_server
from registry_front import always, ask, at_first, front
from registry_workbench import AMD64, Bench, bench, image, log_in
from token_service import TokenService, guarded_registry

from aac_plugins.oci.auth import Access, Authority
from aac_plugins.oci.distribution import Client
from aac_plugins.oci.endpoint import find_endpoint
from aac_plugins.oci.upload import CHUNK, push_blob
from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Descriptor
from aac_tasks.errors import StepError

HANG_UP = Answer(0)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    return bench(tmp_path / "here")


def client(at: Bench, address: str, repository: str) -> Client:
    return Client(Access(find_endpoint(address, at.tools), repository, "pull,push"), Authority(), at.tools)


def blob(at: Bench, size: int = 2 * CHUNK + 1000) -> Descriptor:
    """Bytes that no registry has yet."""
    return at.blobs.put(os.urandom(size), media_type="application/octet-stream")


def uploads(method: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == method and "/uploads/" in seen.path


def ranges(seen: list[Seen]) -> list[str]:
    return [s.headers["content-range"] for s in seen]


def arrived(at: Bench, tmp_path: Path, address: str, repository: str, sent: Descriptor) -> bool:
    """Whether somebody else gets exactly these bytes."""
    there = bench(tmp_path / "there")
    client(there, address, repository).fetch_blob(sent)
    return there.blobs.path(sent.digest).read_bytes() == at.blobs.path(sent.digest).read_bytes()


# from one repository to another


def test_what_another_repository_of_the_registry_has_does_not_travel_again(here: Bench, real: str) -> None:
    made = image(here, "mounted")
    with front(real, lambda _, answer: answer()) as server:
        first = DistributionRegistry().push(made, f"{server.address}/mount/one:1", here.tools)
        second = DistributionRegistry().push(made, f"{server.address}/mount/two:1", here.tools)
    assert first.sent > 300 and second.sent == 0
    assert second.digest == made.manifest.digest
    mounts = [s.path for s in server.asked("POST", "/mount/two/blobs/uploads/?mount=")]
    assert len(mounts) == 3 and all("from=mount%2Fone" in path for path in mounts)


def test_layers_of_a_pulled_base_are_taken_over_where_they_came_from(here: Bench, real: str, tmp_path: Path) -> None:
    made = image(here, "a base")
    DistributionRegistry().push(made, f"{real}/library/base:1", here.tools)
    there = bench(tmp_path / "there")
    pulled = DistributionRegistry().pull(f"{real}/library/base:1", AMD64, there.tools)
    assert DistributionRegistry().push(pulled, f"{real}/mine:1", there.tools).sent == 0


@pytest.mark.parametrize("status", [0, 202, 403, 404])
def test_what_can_not_be_taken_over_travels(here: Bench, real: str, status: int) -> None:
    made = image(here, f"not mounted {status}")

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        if "mount=" not in seen.path:
            return answer()
        plain = Seen("POST", seen.path.partition("?")[0], seen.headers, b"")  # 202: a place to upload to, as if it knew no mounts
        return ask(real, plain) if status == 202 else Answer(status)

    with front(real, fault) as server:
        name = f"{server.address}/refused-{status}"
        first = DistributionRegistry().push(made, f"{name}/one:1", here.tools)
        second = DistributionRegistry().push(made, f"{name}/two:1", here.tools)
    assert second.sent == first.sent


def test_a_blob_of_another_registry_is_not_asked_for_here(here: Bench, real: str, tmp_path: Path) -> None:
    made = image(here, "two registries")
    with registry_server(tmp_path / "other") as other:
        DistributionRegistry().push(made, f"{other}/one:1", here.tools)
        with front(real, lambda _, answer: answer()) as server:
            DistributionRegistry().push(made, f"{server.address}/two:1", here.tools)
    assert server.asked("POST", "mount=") == []


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenService:
    users = {"ada": "correct-horse", "bot": "b0t"}
    return TokenService(tmp_path_factory.mktemp("tokens") / "keys", users, {"ada": "", "bot": "bots/"})


def test_a_token_to_mount_may_read_there_and_no_more(here: Bench, tokens: TokenService, tmp_path: Path) -> None:
    made = image(here, "mounted with a token")
    with guarded_registry(tmp_path / "guarded", tokens) as (address, _):
        log_in(here, address, "ada", "correct-horse")
        DistributionRegistry().push(made, f"{address}/team/one:1", here.tools)
        assert DistributionRegistry().push(made, f"{address}/team/two:1", here.tools).sent == 0
        log_in(here, address, "bot", "b0t")
        third = DistributionRegistry().push(made, f"{address}/bots/three:1", here.tools)
    assert "repository:team/two:pull,push repository:team/one:pull" in tokens.given
    assert third.sent == made.config.size + sum(layer.blob.size for layer in made.layers)  # bot may not read in team/


# what broke once is sent in pieces


def test_a_whole_upload_is_what_a_registry_gets_at_first(here: Bench, real: str) -> None:
    sent = blob(here)
    with front(real, lambda _, answer: answer()) as server:
        assert push_blob(client(here, server.address, "whole"), sent, here.tools) == sent.size
    assert [s.method for s in server.seen if "/uploads/" in s.path] == ["POST", "PUT"]


def test_an_upload_whose_connection_breaks_goes_on_where_the_registry_is(here: Bench, real: str, tmp_path: Path) -> None:
    sent = blob(here)
    broken = {"PUT": 1, "PATCH": 2}

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        if "/uploads/" in seen.path and seen.method in broken:
            broken[seen.method] -= 1
            if not broken[seen.method]:
                return HANG_UP
        return answer()

    with front(real, fault) as server:
        assert push_blob(client(here, server.address, "resumed"), sent, here.tools) == sent.size
    first, second = f"0-{CHUNK - 1}", f"{CHUNK}-{2 * CHUNK - 1}"
    assert ranges(server.asked("PATCH")) == [first, second, second, f"{2 * CHUNK}-{sent.size - 1}"]
    assert [s.method for s in server.asked("POST", "/uploads/")] == ["POST"]
    assert arrived(here, tmp_path, real, "resumed", sent)


def test_half_a_piece_that_arrived_is_not_sent_again(here: Bench, real: str, tmp_path: Path) -> None:
    sent, half = blob(here), 1_000_000
    kept: list[str] = []

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        """The registry keeps half of the first piece, and the client never hears of it."""
        if uploads("PUT")(seen) and not kept:
            part = Seen("PATCH", seen.path, {**seen.headers, "content-length": str(half)}, seen.body[:half])
            kept.append(ask(real, part).headers["Location"])
            return HANG_UP
        if uploads("GET")(seen):
            return ask(real, Seen("GET", kept[0].partition(server.address)[2], seen.headers, b""))
        return answer()

    with front(real, fault) as server:
        push_blob(client(here, server.address, "half"), sent, here.tools)
    assert ranges(server.asked("PATCH"))[0] == f"{half}-{half + CHUNK - 1}"
    assert arrived(here, tmp_path, real, "half", sent)


def test_a_session_that_the_registry_lost_is_begun_anew(here: Bench, real: str, tmp_path: Path) -> None:
    sent = blob(here)
    gone = at_first(1, uploads("GET"), lambda _: Answer(404))
    broken = at_first(1, uploads("PUT"), lambda _: HANG_UP)
    with front(real, lambda seen, answer: gone(seen, lambda: broken(seen, answer))) as server:
        push_blob(client(here, server.address, "anew"), sent, here.tools)
    assert len(server.asked("POST", "/uploads/")) == 2
    assert arrived(here, tmp_path, real, "anew", sent)


def test_a_registry_that_is_elsewhere_than_was_thought_is_asked(here: Bench, real: str, tmp_path: Path) -> None:
    sent, left = blob(here), [2]

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        left[0] -= uploads("PATCH")(seen)
        if uploads("PUT")(seen) and len(seen.body) > CHUNK:
            return HANG_UP
        return Answer(416) if uploads("PATCH")(seen) and left[0] == 0 else answer()

    with front(real, fault) as server:
        push_blob(client(here, server.address, "elsewhere"), sent, here.tools)
    asked = [s.method for s in server.seen if uploads(s.method)(s)]
    assert asked == ["POST", "PUT", "GET", "PATCH", "PATCH", "GET", "PATCH", "PATCH", "PUT"]
    assert arrived(here, tmp_path, real, "elsewhere", sent)


def test_a_proxy_that_takes_no_large_request_gets_small_ones(here: Bench, real: str, tmp_path: Path) -> None:
    sent = blob(here)
    with front(real, always(lambda s: len(s.body) > CHUNK, lambda _: Answer(413))) as server:
        push_blob(client(here, server.address, "small"), sent, here.tools)
    assert len(server.asked("PATCH")) == 3
    assert arrived(here, tmp_path, real, "small", sent)


def test_a_proxy_that_takes_not_even_those_is_told_with_what_to_change(here: Bench, real: str) -> None:
    with front(real, always(lambda s: len(s.body) > 1000, lambda _: Answer(413))) as server, pytest.raises(StepError) as caught:
        push_blob(client(here, server.address, "tiny"), blob(here), here.tools)
    assert "sent a piece of blob sha256:" in str(caught.value) and "answered 413" in str(caught.value)
    assert "client_max_body_size" in caught.value.hint


def test_a_registry_that_wants_larger_pieces_gets_them(here: Bench, real: str) -> None:
    sent, broken, least = blob(here), at_first(1, uploads("PUT"), lambda _: HANG_UP), CHUNK + 600

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        found = broken(seen, answer)
        return Answer(found.status, found.body, {**found.headers, "OCI-Chunk-Min-Length": str(least)}) if found.status else found

    with front(real, fault) as server:
        push_blob(client(here, server.address, "larger"), sent, here.tools)
    assert ranges(server.asked("PATCH")) == [f"0-{least - 1}", f"{least}-{sent.size - 1}"]


def test_a_registry_that_knows_no_pieces_gets_the_whole_again(here: Bench, real: str, tmp_path: Path) -> None:
    sent = blob(here)
    broken, no_patch = at_first(1, uploads("PUT"), lambda _: HANG_UP), always(uploads("PATCH"), lambda _: Answer(405))
    with front(real, lambda seen, answer: no_patch(seen, lambda: broken(seen, answer))) as server:
        push_blob(client(here, server.address, "nopatch"), sent, here.tools)
    assert [s.method for s in server.seen if uploads(s.method)(s)] == ["POST", "PUT", "GET", "PATCH", "POST", "PUT"]
    assert arrived(here, tmp_path, real, "nopatch", sent)


def test_a_line_that_breaks_every_time_is_an_error_in_the_end(here: Bench, real: str) -> None:
    with (
        front(real, always(lambda s: s.method in ("PUT", "PATCH"), lambda _: HANG_UP)) as server,
        pytest.raises(StepError, match=r"PATCH .*the connection to .* broke before an answer came"),
    ):
        push_blob(client(here, server.address, "never"), blob(here), here.tools)
    assert [len(server.asked(method)) for method in ("PUT", "PATCH")] == [1, 2]


def test_an_answer_that_was_lost_is_not_taken_for_a_failure(here: Bench, real: str) -> None:
    lost: list[Seen] = []

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        found = answer()
        if uploads("PUT")(seen) and not lost:
            lost.append(seen)
            return HANG_UP
        return found

    sent = blob(here)
    with front(real, fault) as server:
        assert push_blob(client(here, server.address, "lost"), sent, here.tools) == sent.size
    assert len(server.asked("PUT")) == 1 and server.asked("PATCH") == []


def test_a_registry_that_holds_less_and_less_is_not_sent_to_for_ever(here: Bench, real: str) -> None:
    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        if uploads("PUT")(seen):
            return HANG_UP
        found = answer()
        if uploads("PATCH")(seen):
            found.headers["Range"] = "0-0"
        return found

    with front(real, fault) as server, pytest.raises(StepError, match=r"took a piece of blob .* and holds no more"):
        push_blob(client(here, server.address, "less"), blob(here), here.tools)


def test_pieces_that_go_to_another_host_carry_no_credentials(tmp_path: Path) -> None:
    at, login = bench(tmp_path / "here"), {}
    with registry_server(tmp_path / "locked", {"ada": "correct-horse"}) as locked:

        def storage(seen: Seen, _: Callable[[], Answer]) -> Answer:
            return HANG_UP if seen.method == "PUT" and len(seen.body) > CHUNK else ask(locked, seen, login)

        def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
            login.update({k: v for k, v in seen.headers.items() if k == "authorization"})
            found = answer()
            if uploads("POST")(seen) and found.status == 202:
                found.headers["Location"] = found.headers["Location"].replace(server.address, second.address)
            return found

        with front(locked, storage) as second, front(locked, fault) as server:
            log_in(at, server.address, "ada", "correct-horse")
            push_blob(client(at, server.address, "elsewhere"), blob(at), at.tools)
    assert [s.method for s in second.seen] == ["PUT", "GET", "PATCH", "PATCH", "PATCH", "PUT"]
    assert [s.headers.get("authorization") for s in second.seen] == [None] * 6
