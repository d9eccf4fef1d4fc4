"""Registries that refuse, lie, send elsewhere or say nothing."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator

from faults.place import Place, Words
from http_servers import Answer, Seen, http_server, raw_server
from real_registry import registry_server
from registry_front import always, front
from token_service import TokenService, guarded_registry

USER, PASSWORD = "ada", "correct-horse-battery"


def log_in(place: Place, registry: str, user: str = USER, password: str = PASSWORD) -> None:
    """What `docker login` writes."""
    folder = place.home / ".docker"
    folder.mkdir(exist_ok=True)
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {registry: {"auth": packed}}}))


@contextlib.contextmanager
def open_registry(place: Place) -> Iterator[Words]:
    """A registry that takes everything."""
    with registry_server(place.beside / "registry") as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def no_registry(place: Place) -> Iterator[Words]:
    """An address where nobody listens, and nobody else will: it stays bound."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield {"REGISTRY": f"127.0.0.1:{held.getsockname()[1]}"}


@contextlib.contextmanager
def silent_registry(place: Place) -> Iterator[Words]:
    """Takes connections and never says a word."""
    with raw_server(lambda _: time.sleep(5)) as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def locked_registry(place: Place) -> Iterator[Words]:
    """Wants a password; the user has none."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        yield {"REGISTRY": address}


@contextlib.contextmanager
def wrong_password(place: Place) -> Iterator[Words]:
    """Wants a password; the user has another one."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        log_in(place, address, password="not-the-password")
        yield {"REGISTRY": address}


@contextlib.contextmanager
def known_registry(place: Place) -> Iterator[Words]:
    """Wants a password, and the user has it."""
    with registry_server(place.beside / "registry", {USER: PASSWORD}) as address:
        log_in(place, address)
        yield {"REGISTRY": address}


@contextlib.contextmanager
def redirecting_registry(place: Place) -> Iterator[Words]:
    """Sends uploads to another host, which asks for a password; what that host was told must hold none."""

    def curious(seen: Seen) -> Answer:
        realm = f"http://{seen.headers['host']}/token"
        return Answer(401, b"", {"WWW-Authenticate": f'Bearer realm="{realm}", Basic realm="give"'})

    with http_server(curious) as second, registry_server(place.beside / "registry", {USER: PASSWORD}) as real:

        def moved(seen: Seen, answer: Callable[[], Answer]) -> Answer:
            found = answer()
            if seen.method == "POST" and found.status == 202:
                found.headers["Location"] = found.headers["Location"].replace(server.address, second.address)
            return found

        with front(real, moved) as server:
            log_in(place, server.address)
            yield {"REGISTRY": server.address, "ELSEWHERE": second.address}
        assert second.seen, "the fault did not happen"
        assert [s.headers.get("authorization") for s in second.seen] == [None] * len(second.seen)
        assert all(PASSWORD.encode() not in s.body for s in second.seen)


@contextlib.contextmanager
def lying_registry(place: Place) -> Iterator[Words]:
    """Takes everything, and answers another manifest for the tag."""
    lie = Answer(200, b'{"schemaVersion": 2}', {"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
    with registry_server(place.beside / "registry") as real:
        fault = always(lambda s: s.method in ("GET", "HEAD") and "/manifests/" in s.path, lambda _: lie)
        with front(real, fault) as server:
            yield {"REGISTRY": server.address}


@contextlib.contextmanager
def registry_of_fixed_tags(place: Place) -> Iterator[Words]:
    """Takes the bytes, and lets nobody move a tag."""
    said = b'{"errors": [{"code": "TAG_INVALID", "message": "The tag already exists and is immutable"}]}'
    with registry_server(place.beside / "registry") as real:
        fault = always(lambda s: s.method == "PUT" and s.path.endswith("/manifests/1.0"), lambda _: Answer(400, said))
        with front(real, fault) as server:
            yield {"REGISTRY": server.address}


@contextlib.contextmanager
def ended_login(place: Place) -> Iterator[Words]:
    """Wants tokens; the user's long-lived one has ended at the service that trades it."""
    folder = place.home / ".docker"
    folder.mkdir(exist_ok=True)
    service = TokenService(place.beside / "keys", {USER: PASSWORD}, {USER: ""})
    with guarded_registry(place.beside / "registry", service) as (address, _):
        (folder / "config.json").write_text(json.dumps({"auths": {address: {"identitytoken": "ended-yesterday"}}}))
        yield {"REGISTRY": address}


@contextlib.contextmanager
def failing_registry(place: Place) -> Iterator[Words]:
    """Answers 500 to every upload."""
    with registry_server(place.beside / "registry") as real:
        fault = always(lambda s: s.method == "PUT" and "/uploads/" in s.path, lambda _: Answer(500))
        with front(real, fault) as server:
            yield {"REGISTRY": server.address}
