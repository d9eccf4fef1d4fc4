"""Sending a blob: taken over from another repository where that is possible, else whole, and in pieces after a failure.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md, "Pushing blobs": mounting, POST then PUT, and chunks.
Whole first, because every registry takes that and it asks least; whatever broke once is then sent so that another break
costs one piece and not everything.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from aac_plugins.oci.auth import RefusedError
from aac_plugins.oci.distribution import ATTEMPTS, Client
from aac_tasks.contracts.image import Descriptor
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

CHUNK = 8 * 1024 * 1024
"""Bytes of a piece; a registry may ask for more (OCI-Chunk-Min-Length)."""

_BYTES = "application/octet-stream"
_TOO_LARGE = 413
_OUT_OF_ORDER = 416  # it holds more or less than was thought: asking tells
_TROUBLE = (500, 502, 503, 504)  # of the server's own, and it may pass
_GONE = (404, _OUT_OF_ORDER, *_TROUBLE)  # the session is no more, or holds something else: begin anew


def push_blob(client: Client, blob: Descriptor, tools: Tools) -> int:
    """Have the repository get a blob, unless it has it; the bytes that travelled.

    RefusedError when the registry says no, StepError when it can't be reached.
    """
    sent = 0
    if not client.has_blob(blob.digest):
        location = _mount(client, blob)
        if location is not None:
            sent = _Upload(client, blob, tools, location).run()
    client.remember(blob.digest)
    return sent


def _mount(client: Client, blob: Descriptor) -> str | None:
    """Take the blob over from another repository: None when that was done, else where to upload to ("": ask for a place)."""
    source = client.whereabouts(blob.digest)
    if source in ("", client.access.repository):
        return ""
    reading = client.reading(source)
    query = urlencode({"mount": blob.digest, "from": source})
    try:
        with reading.ask("POST", f"blobs/uploads/?{query}", body=b"") as answer:
            if answer.status == 201:
                return None
            return reading.location(answer) if answer.status == 202 else ""
    except StepError:  # this user may not read there, or it broke: then the bytes travel
        return ""


class _Upload:
    """One blob on its way. ``location`` is the session's address, ``offset`` how many bytes the registry holds there."""

    def __init__(self, client: Client, blob: Descriptor, tools: Tools, location: str) -> None:
        self.client = client
        self.blob = blob
        self.tools = tools
        self.location = location
        self.offset = 0
        self.whole = True
        self.chunk = CHUNK

    def run(self) -> int:
        """Try until it is there; what gets further than ever before is no failed attempt."""
        attempt, reached = 1, 0
        while not self._done(attempt, reached):
            attempt, reached = (1, self.offset) if self.offset > reached else (attempt + 1, reached)
            self.tools.sleep(0.2 * 2**attempt)
        return self.blob.size

    def _done(self, attempt: int, reached: int) -> bool:
        """Whether the registry has the blob now; False when something broke that may pass."""
        last = attempt >= ATTEMPTS
        try:
            if attempt > 1 and self.client.has_blob(self.blob.digest):
                return True  # the answer was lost, not the bytes
            return self._attempt(last)
        except RefusedError:
            raise
        except StepError:  # the connection broke
            if last and self.offset <= reached:
                raise
            self.whole = False
            return False

    def _attempt(self, last: bool) -> bool:
        if self.location and not self.whole:
            self._look()
        if not self.location and not self._begin(last):
            return False
        while not self.whole and self.offset < self.blob.size:
            if not self._piece(last):
                return False
        return self._finish(last)

    def _begin(self, last: bool) -> bool:
        """POST for a place."""
        with self.client.ask("POST", "blobs/uploads/", body=b"") as answer:
            if answer.status in _TROUBLE and not last:
                return False
            self.client.expect(answer, (202,), "asked to upload")
            self._move(answer)
        return True

    def _look(self) -> None:
        """GET how far the session is; one that is gone is forgotten."""
        request = HttpRequest("GET", self.location, timeout=self.client.patience(0), redirects=0)
        with self.client.send(request) as answer:
            if answer.status != 204:
                self._forget()
                return
            self.offset = _held(answer, 0)
            self._move(answer)

    def _piece(self, last: bool) -> bool:
        """PATCH the next bytes."""
        with self.tools.blobs.open(self.blob.digest) as file:
            file.seek(self.offset)
            data = file.read(self.chunk)
        end = self.offset + len(data)
        headers = {"content-type": _BYTES, "content-range": f"{self.offset}-{end - 1}"}
        request = HttpRequest(
            "PATCH", self.location, headers, data, self.client.patience(len(data)), redirects=0, retries=0
        )
        with self.client.send(request) as answer:
            if answer.status not in (202, 401, 403, _TOO_LARGE, 429) and not last:
                if answer.status != _OUT_OF_ORDER:
                    self._forget()
                self.whole = answer.status not in _GONE  # a registry that knows no pieces gets all at once
                return False
            self.client.expect(answer, (202,), f"sent a piece of blob {self.blob.digest}")
            held = _held(answer, end)
            if held <= self.offset:
                raise RefusedError(f"{self.client.name}: the registry took a piece of blob {self.blob.digest} and holds no more")
            self.offset = held
            self._move(answer)
        return True

    def _finish(self, last: bool) -> bool:
        """PUT the digest, with the bytes that are not there yet."""
        mark = "&" if "?" in self.location else "?"
        url = f"{self.location}{mark}digest={self.blob.digest}"
        left = self.blob.size - self.offset
        with self.tools.blobs.open(self.blob.digest) as file:
            file.seek(self.offset)
            body = file if left else b""
            request = HttpRequest("PUT", url, {"content-type": _BYTES}, body, self.client.patience(left), redirects=0, retries=0)
            with self.client.send(request) as answer:
                if (answer.status in _GONE and not last) or (answer.status == _TOO_LARGE and self.whole):
                    self._forget()
                    self.whole = False
                    return False
                self.client.expect(answer, (201,), f"sent blob {self.blob.digest}")
        return True

    def _move(self, answer: HttpResponse) -> None:
        """Each answer may name a new address for what follows."""
        if answer.headers.get("location") or not self.location:
            self.location = self.client.location(answer)
        least = answer.headers.get("oci-chunk-min-length", "")
        if least.isdigit():
            self.chunk = max(self.chunk, int(least))

    def _forget(self) -> None:
        self.location, self.offset = "", 0


def _held(answer: HttpResponse, otherwise: int) -> int:
    """Bytes that the registry says it holds: ``0-`` and the last one's number (``0-0`` is what Distribution says of nothing)."""
    found = re.fullmatch(r"(?:bytes=)?0-(\d+)", answer.headers.get("range", "").strip())
    if found is None:
        return otherwise
    return int(found[1]) + 1 if int(found[1]) else 0
