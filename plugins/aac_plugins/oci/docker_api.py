"""The Docker engine's HTTP interface: where it is, how it is asked, how it says no.

Sources: https://docs.docker.com/reference/api/engine/, https://docs.docker.com/engine/manage-resources/contexts/
(``DOCKER_HOST``, then ``DOCKER_CONTEXT``, then the context of ``config.json``, then the default socket).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlsplit

from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

DEFAULT = "unix:///var/run/docker.sock"
TIMEOUT = 30.0
STDOUT, STDERR = 1, 2


class MissingError(StepError):
    """The engine has no such image or container (404)."""


@dataclass(frozen=True)
class Engine:
    """One engine: a socket path, or ``http://host:port``. ``address`` is where its published ports are reached, ``name`` what
    messages call it.
    """

    socket: str = ""
    url: str = "http://docker"
    address: str = "127.0.0.1"
    name: str = "docker"

    @property
    def host(self) -> str:
        """As ``DOCKER_HOST`` has it."""
        return f"unix://{self.socket}" if self.socket else self.url.replace("http://", "tcp://", 1)

    def call(self, tools: Tools, method: str, path: str, body: JsonObject | None = None, **query: str) -> Json:
        """Ask for JSON; None when the answer has no body.

        Raises:
            MissingError: 404.
            StepError: any other refusal, in the engine's words; or no answer.
        """
        data = None if body is None else json.dumps(body).encode()
        with self.open(tools, method, path, data, **query) as response:
            text = response.read()
        value: Json = json.loads(text) if text.strip() else None
        return value

    def table(self, tools: Tools, method: str, path: str, body: JsonObject | None = None, **query: str) -> JsonObject:
        """As `call`, for answers that are objects."""
        return table(self.call(tools, method, path, body, **query))

    def inspect(self, tools: Tools, container: str) -> JsonObject:
        """The state of one container; raises as `call` does.

        Asked twice where podman stumbles over a process that ends just then: "read /proc/1/cgroup: no such process".
        """
        path = f"/containers/{container}/json"
        try:
            return self.table(tools, "GET", path, timeout="5")
        except StepError as error:
            if "no such process" not in error.message:
                raise
        return self.table(tools, "GET", path, timeout="5")

    @contextmanager
    def open(
        self, tools: Tools, method: str, path: str, body: bytes | IO[bytes] | None = None, **query: str
    ) -> Iterator[HttpResponse]:
        """A request whose body or answer is a stream. ``timeout`` in ``query`` is ours, in seconds."""
        timeout = float(query.pop("timeout", TIMEOUT))
        pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        kind = "application/json" if isinstance(body, bytes) else "application/x-tar"
        headers = {} if body is None else {"Content-Type": kind}
        url = f"{self.url}{path}{'?' if pairs else ''}{pairs}"
        asked = HttpRequest(method, url, headers, body, timeout=timeout, redirects=0, retries=0, unix=self.socket)
        with tools.http(asked) as response:
            if response.status >= 400:
                raise _refused(response, self.name)
            yield response


def _refused(response: HttpResponse, name: str) -> StepError:
    text = response.read().decode("utf-8", "replace")
    try:
        said = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        said = text.strip() or f"status {response.status}"
    kind = MissingError if response.status == 404 else StepError
    return kind(f"{name}: {said.strip()}")


def engine_of(tools: Tools) -> Engine:
    """The engine that the docker command would talk to.

    Raises:
        StepError: it is reached through ssh or TLS, which this runner does not speak, or a context is broken.
    """
    host = tools.environment("DOCKER_HOST") or _context_host(tools) or DEFAULT
    parts = urlsplit(host)
    if parts.scheme == "unix":
        return Engine(socket=parts.path)
    secured = tools.environment("DOCKER_TLS_VERIFY") or tools.environment("DOCKER_TLS")
    if parts.scheme in ("tcp", "http") and not secured and parts.hostname:
        return Engine(url=f"http://{parts.hostname}:{parts.port or 2375}", address=parts.hostname)
    raise StepError(
        f"the docker engine at {host} is reached by {'TLS' if secured else parts.scheme or 'nothing known'}",
        hint="this runner speaks unix:// and plain tcp://; forward the socket, or choose another runner",
    )


def engine_at(host: str) -> Engine:
    """The engine that `Engine.host` named, whatever ``DOCKER_HOST`` says by now."""
    if host.startswith("unix://"):
        return Engine(socket=host.removeprefix("unix://"))
    return Engine(url=host.replace("tcp://", "http://", 1), address=urlsplit(host).hostname or "127.0.0.1")


PROBE_SECONDS = 0.2


def answering(tools: Tools, oldest: tuple[int, int] = (1, 24)) -> Engine:
    """The engine, after a ping.

    Raises:
        StepError: it does not answer within `PROBE_SECONDS`, runs no Linux containers, or speaks no API as new as ``oldest``.
    """
    engine = engine_of(tools)
    if engine.socket and not Path(engine.socket).exists():
        raise StepError(f"no engine at {engine.socket}", hint="start Docker, or set DOCKER_HOST")
    ping = HttpRequest("GET", f"{engine.url}/_ping", timeout=PROBE_SECONDS, retries=0, unix=engine.socket)
    with tools.http(ping) as response:
        if response.status != 200:
            raise StepError(f"the engine at {engine.host} answers {response.status}")
        system, spoken = response.headers.get("ostype", "linux"), response.headers.get("api-version", "")
    if system != "linux":
        raise StepError(f"the engine runs {system} containers")
    if spoken and _version(spoken) < oldest:
        wanted = ".".join(str(n) for n in oldest)
        raise StepError(f"the engine at {engine.host} speaks API {spoken}; {wanted} or newer is needed", hint="update Docker")
    return engine


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def context_name(tools: Tools) -> str:
    """The docker context that is in force, "" for the default one."""
    if tools.environment("DOCKER_HOST"):
        return ""
    name = tools.environment("DOCKER_CONTEXT") or str(_read(_settings(tools) / "config.json").get("currentContext") or "")
    return "" if name == "default" else name


def _settings(tools: Tools) -> Path:
    return Path(tools.environment("DOCKER_CONFIG") or f"{tools.environment('HOME') or ''}/.docker")


def _context_host(tools: Tools) -> str:
    folder, name = _settings(tools), context_name(tools)
    if not name:
        return ""
    place = folder / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest() / "meta.json"
    endpoints = _read(place).get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, Mapping) else None
    host = docker.get("Host") if isinstance(docker, Mapping) else None
    if not isinstance(host, str):
        raise StepError(f"docker context {name!r} is not there", hint="`docker context ls` lists them")
    return host


def _read(file: Path) -> JsonObject:
    try:
        return table(json.loads(file.read_text()))
    except (OSError, ValueError):
        return {}


def frames(data: bytes, streams: tuple[int, ...] = (STDOUT, STDERR)) -> bytes:
    """Output of a container without a terminal, of these streams in the order it came.

    Source: https://docs.docker.com/reference/api/engine/version/v1.47/#tag/Container/operation/ContainerAttach, "Stream
    format": eight bytes of head (stream, three zeros, big-endian length) before each piece.
    """
    out, at = bytearray(), 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "big")
        if data[at] in streams:
            out += data[at + 8 : at + 8 + length]
        at += 8 + length
    return bytes(out)


def inside(container: str, path: str) -> str:
    """Where the engine takes and gives an archive of a place in a container (ContainerArchive, PutContainerArchive)."""
    return f"/containers/{container}/archive?path={quote(path)}"
