"""Registries that are slow, broken, careless or lying: a real one behind a front that spoils one thing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from http_servers import Answer, Seen, http_server, raw_server
from real_registry import registry_server
from registry_front import always, ask, at_first, front
from registry_workbench import AMD64, Bench, bench, image, log_in

from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Digest
from aac_tasks.errors import StepError


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    return bench(tmp_path / "here", {"AAC_REGISTRY_TIMEOUT": "0.5"})


def is_a(method: str, part: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.method == method and part in seen.path


def error(status: int, code: str, message: str) -> Callable[[Seen], Answer]:
    body = f'{{"errors": [{{"code": "{code}", "message": "{message}"}}]}}'.encode()
    return lambda _: Answer(status, body, {"Content-Type": "application/json"})


def test_a_silent_registry_is_an_error_in_time(here: Bench) -> None:
    with raw_server(lambda _: time.sleep(3)) as address, pytest.raises(StepError) as caught:
        DistributionRegistry().resolve(f"{address}/x:1", here.tools)
    assert caught.value.message == f"GET http://{address}/v2/: did not answer within 0.5 s"


def test_a_manifest_that_drips_is_an_error_in_time(here: Bench, real: str) -> None:
    def talk(connection: socket.socket) -> None:
        asked = connection.recv(4096)
        if b"/manifests/" not in asked:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
        for _ in range(100):
            connection.sendall(b"{")
            time.sleep(0.05)

    with (
        raw_server(talk) as address,
        pytest.raises(StepError, match=r"did not answer within 0\.5 s; it was still"),
    ):
        DistributionRegistry().pull(f"{address}/x:1", AMD64, here.tools)


def test_a_registry_that_is_busy_at_first_gets_the_image(here: Bench, real: str) -> None:
    made = image(here, "busy")
    for method, part in (
        ("HEAD", "/blobs/"),
        ("POST", "/uploads/"),
        ("PUT", "/uploads/"),
        ("PUT", "/manifests/"),
    ):
        fault = at_first(1, is_a(method, part), lambda _: Answer(503))
        with front(real, fault) as server:
            name = f"{server.address}/busy-{method.lower()}-{part.strip('/')}:1"
            patient = bench(Path(here.environment["HOME"]).parent)
            assert DistributionRegistry().push(made, name, patient.tools).digest == made.manifest.digest


def test_an_upload_whose_session_is_lost_begins_anew(here: Bench, real: str) -> None:
    made = image(here, "lost session")
    lost = error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
    with front(real, at_first(1, is_a("PUT", "/uploads/"), lost)) as server:
        pushed = DistributionRegistry().push(made, f"{server.address}/lost:1", here.tools)
    assert pushed.sent == made.config.size + sum(layer.blob.size for layer in made.layers)


def test_a_registry_that_refuses_what_was_uploaded_is_quoted(here: Bench, real: str) -> None:
    refuse = error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
    with front(real, always(is_a("PUT", "/uploads/"), refuse)) as server, pytest.raises(StepError) as caught:
        DistributionRegistry().push(image(here, "refused"), f"{server.address}/refused:1", here.tools)
    assert f"{server.address}/refused: sent blob sha256:" in str(caught.value)
    assert "the registry answered 400: DIGEST_INVALID provided digest did not match" in str(caught.value)


def test_a_registry_that_breaks_after_the_upload_pushes_no_tag(here: Bench, real: str) -> None:
    with (
        front(real, always(is_a("PUT", "/uploads/"), lambda _: Answer(500))) as server,
        pytest.raises(StepError, match="the registry answered 500"),
    ):
        DistributionRegistry().push(image(here, "breaks"), f"{server.address}/breaks:1", here.tools)
    assert server.asked("PUT", "/manifests/") == []


def test_a_forbidden_push_quotes_the_registry_and_says_how_to_log_in(here: Bench, real: str) -> None:
    denied = error(403, "DENIED", "requested access to the resource is denied")
    with front(real, always(is_a("POST", "/uploads/"), denied)) as server, pytest.raises(StepError) as caught:
        DistributionRegistry().push(image(here, "denied"), f"{server.address}/denied:1", here.tools)
    assert "not allowed to push to" in str(caught.value)
    assert "answered 403, DENIED requested access to the resource is denied" in str(caught.value)
    assert f"agent login {server.address} -u USER" in str(caught.value)


def test_a_registry_that_refuses_the_tag_after_the_upload_says_why_and_nothing_is_tagged(here: Bench, real: str) -> None:
    refuse = error(400, "TAG_INVALID", "The image tag '1' already exists and cannot be overwritten: the repository is immutable")
    with front(real, always(is_a("PUT", "/manifests/"), refuse)) as server, pytest.raises(StepError) as caught:
        DistributionRegistry().push(image(here, "immutable"), f"{server.address}/immutable:1", here.tools)
    assert "sent manifest 1, the registry answered 400: TAG_INVALID The image tag '1' already exists" in str(caught.value)
    assert caught.value.hint == "tags can't be moved there: raise metadata.version, or write another tag into image.tags"
    assert DistributionRegistry().resolve(f"{real}/immutable:1", here.tools) is None


def test_a_project_that_is_not_there_is_said_with_what_to_do(here: Bench, real: str) -> None:
    missing = error(404, "NOT_FOUND", "project nowhere not found")
    with front(real, always(is_a("POST", "/uploads/"), missing)) as server, pytest.raises(StepError) as caught:
        DistributionRegistry().push(image(here, "nowhere"), f"{server.address}/nowhere/x:1", here.tools)
    assert "asked to upload, the registry answered 404: NOT_FOUND project nowhere not found" in str(caught.value)
    assert "the project made before the first push" in caught.value.hint


def test_a_registry_that_limits_requests_says_how_long_it_wants_to_be_left_alone(here: Bench, real: str) -> None:
    body = b'{"errors": [{"code": "TOOMANYREQUESTS", "message": "You have reached your pull rate limit"}]}'
    limited = Answer(429, body, {"Retry-After": "3600"})
    with front(real, always(is_a("GET", "/manifests/"), lambda _: limited)) as server, pytest.raises(StepError) as caught:
        DistributionRegistry().pull(f"{server.address}/x:1", AMD64, here.tools)
    assert "answered 429: TOOMANYREQUESTS You have reached your pull rate limit" in str(caught.value)
    assert "wants to be left alone for 3600 s: log in, or try again later" in caught.value.hint


def test_a_push_is_not_believed_when_the_tag_has_other_bytes(here: Bench, real: str) -> None:
    other = image(here, "what somebody else pushed")
    with here.blobs.open(other.manifest.digest) as file:
        headers = {"Content-Type": other.manifest.media_type, "Docker-Content-Digest": other.manifest.digest}
        lie = Answer(200, file.read(), headers)
    made = image(here, "mine")
    with (
        front(real, always(is_a("GET", "/manifests/"), lambda _: lie)) as server,
        pytest.raises(StepError) as caught,
    ):
        DistributionRegistry().push(made, f"{server.address}/lie:1", here.tools)
    said = f"the registry answered another digest: {other.manifest.digest} instead of {made.manifest.digest}"
    assert said in str(caught.value)


def test_a_push_is_not_believed_when_the_registry_names_another_digest(here: Bench, real: str) -> None:
    named = f"sha256:{'0' * 64}"

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        found = answer()
        if is_a("HEAD", "/manifests/")(seen):
            found.headers["Docker-Content-Digest"] = named
        return found

    with front(real, fault) as server, pytest.raises(StepError, match=f"another digest: {named} instead of"):
        DistributionRegistry().push(image(here, "named"), f"{server.address}/named:1", here.tools)


def test_a_push_is_not_believed_when_the_tag_is_not_there(here: Bench, real: str) -> None:
    with (
        front(real, always(is_a("GET", "/manifests/"), lambda _: Answer(404))) as server,
        pytest.raises(StepError, match="took the image, but does not have it"),
    ):
        DistributionRegistry().push(image(here, "gone"), f"{server.address}/gone:1", here.tools)


@pytest.mark.parametrize("bytes_", [b"other bytes", b"x" * 5_000_000, b""], ids=["other", "more", "none"])
def test_a_blob_with_other_bytes_is_refused_and_not_kept(here: Bench, real: str, tmp_path: Path, bytes_: bytes) -> None:
    made = image(here, "genuine")
    DistributionRegistry().push(made, f"{real}/genuine:1", here.tools)
    there = bench(tmp_path / "there")
    digest = made.layers[1].blob.digest
    with (
        front(real, always(is_a("GET", digest), lambda _: Answer(200, bytes_))) as server,
        pytest.raises(StepError) as caught,
    ):
        DistributionRegistry().pull(f"{server.address}/genuine:1", AMD64, there.tools)
    assert f"blob {digest} came with other bytes than it should; not kept" in str(caught.value)
    assert not there.blobs.has(digest)
    assert list((there.blobs.folder / "tmp").iterdir()) == []


def test_a_manifest_with_other_bytes_than_its_digest_is_refused(here: Bench, real: str) -> None:
    made = image(here, "by digest")
    DistributionRegistry().push(made, f"{real}/bydigest:1", here.tools)
    with (
        front(real, always(is_a("GET", "/manifests/"), lambda _: Answer(200, b"{}"))) as server,
        pytest.raises(StepError, match="got bytes that hash to"),
    ):
        DistributionRegistry().pull(f"{server.address}/bydigest@{made.manifest.digest}", AMD64, here.tools)


def test_a_page_of_something_else_is_no_manifest(here: Bench) -> None:
    with (
        http_server(lambda _: Answer(200, b"<html>Log in to the hotel's network</html>")) as server,
        pytest.raises(StepError, match="is no JSON"),
    ):
        DistributionRegistry().pull(f"{server.address}/x:1", AMD64, here.tools)


def test_a_download_that_breaks_off_is_begun_anew(here: Bench, real: str, tmp_path: Path) -> None:
    made = image(here, "breaks off")
    DistributionRegistry().push(made, f"{real}/broken:1", here.tools)
    digest = made.layers[0].blob.digest
    half = Answer(200, b"half", {"Content-Length": str(made.layers[0].blob.size), "Connection": "close"})
    there = bench(tmp_path / "there")
    with front(real, at_first(1, is_a("GET", digest), lambda _: half)) as server:
        pulled = DistributionRegistry().pull(f"{server.address}/broken:1", AMD64, there.tools)
    assert pulled.manifest == made.manifest


# credentials and other hosts

USER, PASSWORD = "ada", "correct-horse"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("locked"), {USER: PASSWORD}) as address:
        yield address


def test_blobs_are_fetched_from_another_host_without_credentials(here: Bench, locked: str, tmp_path: Path) -> None:
    made = image(here, "stored elsewhere")
    log_in(here, locked, USER, PASSWORD)
    DistributionRegistry().push(made, f"{locked}/elsewhere:1", here.tools)
    there = bench(tmp_path / "there")

    def storage(seen: Seen) -> Answer:
        return Answer(200, here.blobs.path(made_digest(seen)).read_bytes())

    with http_server(storage) as second:
        fault = always(is_a("GET", "/blobs/"), lambda s: Answer(307, b"", {"Location": f"{second.url}{s.path}"}))
        with front(locked, fault) as server:
            log_in(there, server.address, USER, PASSWORD)
            DistributionRegistry().pull(f"{server.address}/elsewhere:1", AMD64, there.tools)
    assert len(second.seen) == 3
    assert any("authorization" in seen.headers for seen in server.asked("GET", "/blobs/"))
    assert [seen.headers.get("authorization") for seen in second.seen] == [None] * 3


def made_digest(seen: Seen) -> Digest:
    return Digest(seen.path.rpartition("/")[2])


def test_uploads_to_another_host_carry_no_credentials(here: Bench, locked: str) -> None:
    login = {}

    def fault(seen: Seen, answer: Callable[[], Answer]) -> Answer:
        login.update({k: v for k, v in seen.headers.items() if k == "authorization"})
        found = answer()
        if is_a("POST", "/uploads/")(seen):
            found.headers["Location"] = found.headers["Location"].replace(server.address, second.address)
        return found

    with http_server(lambda seen: ask(locked, seen, login)) as second, front(locked, fault) as server:
        log_in(here, server.address, USER, PASSWORD)
        made = image(here, "uploaded elsewhere")
        pushed = DistributionRegistry().push(made, f"{server.address}/up:1", here.tools)
    assert pushed.digest == made.manifest.digest
    assert len(second.seen) == 3
    assert [seen.headers.get("authorization") for seen in second.seen] == [None] * 3


def test_another_host_that_asks_for_a_password_gets_none(here: Bench, real: str) -> None:
    made = image(here, "curious storage")
    DistributionRegistry().push(made, f"{real}/curious:1", here.tools)
    there = bench(Path(here.environment["HOME"]).parent / "there")

    def curious(seen: Seen) -> Answer:
        realm = f"http://{seen.headers['host']}/token"
        return Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}", Basic realm="give"'})

    with http_server(curious) as second:
        fault = always(is_a("GET", "/blobs/"), lambda s: Answer(307, b"", {"Location": f"{second.url}{s.path}"}))
        with front(real, fault) as server:
            log_in(there, server.address, USER, PASSWORD)
            with pytest.raises(StepError, match=f"sent us on to {second.address}, which answered 401"):
                DistributionRegistry().pull(f"{server.address}/curious:1", AMD64, there.tools)
    assert {(seen.method, "authorization" in seen.headers) for seen in second.seen} == {("GET", False)}
    assert second.asked("GET", "/token") == []
