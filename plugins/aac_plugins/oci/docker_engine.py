"""The two requests of the engine's HTTP interface that loading an image needs, over its unix socket.

https://docs.docker.com/reference/api/engine/version/v1.44/ (paths without a version are the engine's own newest).
"""

from __future__ import annotations

import json
from typing import IO
from urllib.parse import quote

from aac_plugins.oci.docker_archive import EngineImage
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

INSPECT_SECONDS = 5.0
LOAD_SECONDS = 600.0


class SocketEngine:
    """An engine behind the socket at path ``unix``: what `docker_archive.load_image` talks to."""

    def __init__(self, unix: str, tools: Tools) -> None:
        self._unix = unix
        self._tools = tools

    def inspect(self, name: str) -> EngineImage | None:
        """One inspect by reference; StepError when the engine does not answer in time or answers nonsense."""
        url = f"http://docker/images/{quote(name, safe='/:@')}/json"
        with self._tools.http(HttpRequest("GET", url, timeout=INSPECT_SECONDS, unix=self._unix)) as answer:
            if answer.status == 404:
                return None
            data = answer.read()
            if answer.status != 200:
                raise StepError(f"the engine answered {answer.status} when asked for image {name}: {_message(data)}")
        try:
            document = json.loads(data)
            return EngineImage(str(document["Id"]), tuple(str(layer) for layer in document["RootFS"].get("Layers") or ()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StepError(f"the engine's description of image {name} can't be read: {error!r}") from error

    def load(self, archive: IO[bytes]) -> None:
        """Send it; a refusal may come as a status, or within the stream of an answer that began with 200."""
        request = HttpRequest(
            "POST",
            "http://docker/images/load?quiet=1",
            {"content-type": "application/x-tar"},
            archive,
            timeout=LOAD_SECONDS,
            unix=self._unix,
        )
        with self._tools.http(request) as answer:
            refused = _refusal(answer)
        if refused:
            raise StepError(f"the engine can't load the image: {refused}")


def _refusal(answer: HttpResponse) -> str:
    data = answer.read()
    if answer.status != 200:
        return _message(data) or f"status {answer.status}"
    return next((text for line in data.splitlines() if (text := _message(line, "error"))), "")


def _message(data: bytes, key: str = "message") -> str:
    try:
        document = json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace").strip()[:500] if key == "message" else ""
    return str(document.get(key) or "") if isinstance(document, dict) else ""
