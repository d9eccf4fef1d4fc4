"""One request from the caller's view: retries, redirects, and a body that is read under the same limits."""

from __future__ import annotations

import email.utils
import io
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Url, parse_url

from aac_tasks.contracts.hosts import is_loopback
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.http.failures import Asked, may_pass, never_sent, translate
from aac_tasks.steps.http.pools import Call, Pools
from aac_tasks.steps.http.watch import Watch

_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
_FIRST_PAUSE = 0.2
_DRAIN = 64 * 1024
_SECRET_WORDS = ("auth", "cookie", "token", "secret", "api-key")


@dataclass(frozen=True)
class _Rewind:
    """Where a body began, so that it can be sent again; ``start`` is None when it cannot."""

    body: bytes | IO[bytes] | None
    start: int | None = None
    size: int | None = None

    @classmethod
    def of(cls, body: bytes | IO[bytes] | None) -> _Rewind:
        if body is None or isinstance(body, bytes):
            return cls(body, 0, None if body is None else len(body))
        if not body.seekable():
            return cls(body)
        start = body.tell()
        size = body.seek(0, io.SEEK_END) - start
        body.seek(start)
        return cls(body, start, size)

    def again(self) -> None:
        """Back to the beginning; only when ``start`` is known."""
        if self.body is not None and not isinstance(self.body, bytes) and self.start is not None:
            self.body.seek(self.start)


class Exchange:
    """Runs one `HttpRequest` to the answer that the caller gets."""

    def __init__(self, request: HttpRequest, pools: Pools, watch: Watch, *, offline: bool) -> None:
        self._request = request
        self._pools = pools
        self._watch = watch
        self._offline = offline
        self._body = _Rewind.of(request.body)

    def run(self) -> Response:
        """The answer after redirects; StepError when none comes, or a redirect must not be followed."""
        call = self._first()
        for _ in range(self._request.redirects):
            answer = self._answer(call)
            location = answer.headers.get("location", "")
            if answer.status not in (301, 302, 303, 307, 308) or not location or self._request.unix:
                return Response(answer, call, self._watch)
            _let_go(answer)
            call = self._follow(call, answer.status, location)
        answer = self._answer(call)
        if answer.status in (301, 302, 303, 307, 308) and self._request.redirects:
            answer.close()
            raise StepError(f"{call.shown}: redirected more than {self._request.redirects} times")
        return Response(answer, call, self._watch)

    def _first(self) -> Call:
        url = _parsed(self._request.url)
        headers = {"user-agent": "aac-tasks", **{k.lower(): v for k, v in self._request.headers.items()}}
        if self._body.size is not None and "content-length" not in headers:
            headers["content-length"] = str(self._body.size)
        if url.auth and "authorization" not in headers:
            headers |= urllib3.util.make_headers(basic_auth=url.auth)
        return Call(self._request.method, url._replace(auth=None, fragment=None), headers, self._body.body)

    def _follow(self, call: Call, status: int, location: str) -> Call:
        target = _joined(call, location)
        if call.url.scheme == "https" and target.scheme == "http":
            raise StepError(f"{call.shown}: redirected from https to {_bare(target)}, which is not encrypted")
        method, body, headers = call.method, call.body, dict(call.headers)
        if (status == 303 and method != "HEAD") or (status in (301, 302) and method == "POST"):
            method, body = "GET", None
            headers = {k: v for k, v in headers.items() if not k.startswith(("content-", "transfer-"))}
        if body is not None:
            if self._body.start is None:
                raise StepError(f"{call.shown}: redirected, but what was sent can't be sent again")
            self._body.again()
        after = Call(method, target, headers, body)
        if (target.scheme, after.host, after.port) != (call.url.scheme, call.host, call.port):
            kept = {k: v for k, v in headers.items() if not any(w in k for w in _SECRET_WORDS)}
            after = Call(method, target, {k: v for k, v in kept.items() if k != "host"}, body)
        return after

    def _answer(self, call: Call) -> urllib3.BaseHTTPResponse:
        attempt = 0
        while True:
            answer, failed = self._attempt(call)
            wait = self._wait(call, attempt, answer, failed)
            if wait is None:
                if answer is None:
                    raise translate(failed, self._asked(call)) from failed
                return answer
            if answer is not None:
                _let_go(answer)
            self._watch.pause(wait)
            self._body.again()
            attempt += 1

    def _attempt(self, call: Call) -> tuple[urllib3.BaseHTTPResponse | None, Exception | None]:
        if self._offline and not self._request.unix and not is_loopback(call.host):
            raise StepError(f"offline: {call.shown} would be needed; run once without --offline")
        try:
            answer = self._pools.send(call, self._watch, self._request.unix)
        except (HTTPError, OSError) as error:
            return None, error
        if self._watch.ended:  # headers that stop in the middle pass for complete
            answer.close()
            return None, None
        return answer, None

    def _wait(self, call: Call, attempt: int, answer: urllib3.BaseHTTPResponse | None, failed: Exception | None) -> float | None:
        """Seconds until the next attempt, or None when this one was the last."""
        if attempt >= self._request.retries or self._watch.ended or self._body.start is None:
            return None
        safe = call.method in _IDEMPOTENT
        wait = _FIRST_PAUSE * 2**attempt
        if answer is None:
            again = may_pass(failed) and (safe or never_sent(failed))
        else:
            # 429 means that nothing was done, so any method may be sent again
            again = answer.status == 429 or (safe and answer.status in (502, 503, 504))
            wait = max(wait, _retry_after(answer.headers.get("retry-after", "")))
        return wait if again and wait < self._watch.remaining else None

    def _asked(self, call: Call) -> Asked:
        proxy = self._pools.proxy(call)
        return Asked(call, self._watch, self._request.unix, proxy)


def _parsed(text: str) -> Url:
    try:
        url = parse_url(text)
    except (HTTPError, ValueError):
        url = Url()
    if url.scheme not in ("http", "https") or not url.host:
        shown = text.partition("?")[0].rpartition("@")[2]
        raise StepError(f"{shown!r} can't be asked; expected http:// or https:// and a host")
    return url


def _joined(call: Call, location: str) -> Url:
    from urllib.parse import urljoin  # the standard's rules for relative references, RFC 3986

    return _parsed(urljoin(call.url.url, location))._replace(auth=None, fragment=None)


def _bare(url: Url) -> str:
    return f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port else "")


def _retry_after(text: str) -> float:
    """Seconds, from a number or a date (RFC 9110 section 10.2.3); 0 when it says nothing that can be read."""
    if text.isdigit():
        return float(text)
    parsed = email.utils.parsedate_tz(text)
    return max(0.0, email.utils.mktime_tz(parsed) - time.time()) if parsed else 0.0


def _let_go(answer: urllib3.BaseHTTPResponse) -> None:
    """Give the connection back when little is left to read, else close it."""
    left = getattr(answer, "length_remaining", None)
    if left is not None and left <= _DRAIN:
        answer.drain_conn()
    else:
        answer.close()
    answer.release_conn()


class Response:
    """What `Tools.http` lends: see ``contracts.tools.HttpResponse``."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, call: Call, watch: Watch) -> None:
        self.status: int = answer.status
        self.url: str = call.url.url
        self._answer = answer
        self._call = call
        self._watch = watch
        self._headers = {k.lower(): v for k, v in answer.headers.items()}

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case; values of a name that came twice are joined with a comma."""
        return self._headers

    def read(self, limit: int = 64 * 1024 * 1024) -> bytes:
        """The whole body; StepError when it is longer than ``limit`` bytes."""
        pieces: list[bytes] = []
        total = 0
        for piece in self.stream():
            total += len(piece)
            if total > limit:
                raise StepError(f"{self._call.shown}: the answer is longer than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def stream(self, chunk: int = 1 << 20) -> Iterator[bytes]:
        """The body in pieces of at most ``chunk`` bytes, as they arrive; StepError unless all of it comes."""
        received = 0
        asked = Asked(self._call, self._watch, received=True)
        while True:
            try:
                piece = self._answer.read1(chunk, decode_content=False)
            except (HTTPError, OSError, ValueError) as error:
                raise translate(error, asked) from error
            if self._watch.ended:  # a body without length just ends when its socket is shut down
                raise translate(None, asked)
            if not piece:
                return
            received += len(piece)
            self._watch.touch()
            yield piece

    def close(self) -> None:
        """Give the connection back, or close it when much is left unread."""
        _let_go(self._answer)
