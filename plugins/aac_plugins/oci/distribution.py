"""A client of the OCI distribution API, and of Docker's registry API version 2, which it grew out of.

https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from aac_plugins.oci.auth import Access, Authority, RefusedError, login_needed
from aac_plugins.oci.documents import MAX_DOCUMENT
from aac_plugins.oci.endpoint import patience
from aac_plugins.oci.known import advice
from aac_plugins.oci.manifests import INDEXES, MANIFESTS
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError

ATTEMPTS = 3
"""How often a blob's transfer is begun before its failure counts."""

_SLOWEST = 64 * 1024  # bytes per second: a transfer that is slower is given up
_ACCEPT = ", ".join((*MANIFESTS, *INDEXES))


@dataclass(frozen=True)
class Document:
    """A manifest or index as a registry sent it: its descriptor (digest of these bytes) and its bytes."""

    descriptor: Descriptor
    data: bytes


class Client:
    """One repository of one registry. Several threads may use it at once."""

    def __init__(self, access: Access, authority: Authority, tools: Tools) -> None:
        self.access = access
        self._authority = authority
        self._tools = tools
        self._patience = patience(tools)

    @property
    def name(self) -> str:
        """``registry/repository``, for messages."""
        return f"{self.access.endpoint.registry}/{self.access.repository}"

    def manifest(self, reference: str) -> Document | None:
        """What a tag or digest names, None when there is nothing; StepError when a digest is not matched."""
        with self.ask("GET", f"manifests/{reference}", {"accept": _ACCEPT}) as answer:
            if answer.status == 404:
                return None
            self.expect(answer, (200,), f"asked for manifest {reference}")
            data = answer.read(MAX_DOCUMENT)
            media = _media_type(answer)
        digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
        descriptor = Descriptor(media or _said_media_type(data), digest, len(data))
        if ":" in reference and descriptor.digest != reference:
            raise StepError(f"{self.name}: asked for manifest {reference}, got bytes that hash to {descriptor.digest}")
        return Document(descriptor, data)

    def digest_of(self, reference: str) -> Digest | None:
        """The digest that a tag has now, or None. One HEAD where the registry names the digest."""
        with self.ask("HEAD", f"manifests/{reference}", {"accept": _ACCEPT}) as answer:
            if answer.status == 404:
                return None
            self.expect(answer, (200,), f"asked for tag {reference}")
            named = answer.headers.get("docker-content-digest", "")
        if named:
            try:
                return Digest(named)
            except ValueError as error:
                raise StepError(f"{self.name}:{reference}: the registry named no digest: {error}") from error
        document = self.manifest(reference)
        return document.descriptor.digest if document is not None else None

    def put_manifest(self, reference: str, manifest: Descriptor, data: bytes) -> None:
        """Store a manifest under a tag or its digest."""
        headers = {"content-type": manifest.media_type}
        with self.ask("PUT", f"manifests/{reference}", headers, data) as answer:
            self.expect(answer, (201, 200, 202), f"sent manifest {reference}")

    def tags(self, limit: int = 5000) -> tuple[str, ...]:
        """The repository's tags, at most about ``limit``, in the registry's order."""
        found: list[str] = []
        path = "tags/list?n=1000"
        while path and len(found) < limit:
            with self.ask("GET", path) as answer:
                if answer.status == 404:
                    break
                self.expect(answer, (200,), "asked for the tags")
                page = _json(answer.read(MAX_DOCUMENT)).get("tags")
                path = _next_page(answer)
            found += [str(tag) for tag in page] if isinstance(page, list) else []
        return tuple(found)

    def has_blob(self, digest: Digest) -> bool:
        """Whether the repository has it."""
        with self.ask("HEAD", f"blobs/{digest}") as answer:
            if answer.status == 404:
                return False
            self.expect(answer, (200,), f"asked for blob {digest}")
            return True

    def reading(self, source: str) -> Client:
        """The same client, whose token may also read from repository ``source``."""
        return Client(replace(self.access, source=source), self._authority, self._tools)

    def whereabouts(self, digest: Digest) -> str:
        """A repository of this registry that had the blob when it was last asked, or an empty text."""
        return self._tools.blobs.memo(self._memo(digest)) or ""

    def remember(self, digest: Digest) -> None:
        """Note that this repository has the blob, so that another one of the registry can take it from here."""
        if self.whereabouts(digest) != self.access.repository:
            self._tools.blobs.remember(self._memo(digest), self.access.repository)

    def _memo(self, digest: Digest) -> str:
        return fingerprint(["a repository with the blob", self.access.endpoint.registry, digest])

    def patience(self, size: int) -> float:
        """Seconds that so many bytes may take."""
        return self._patience + size / _SLOWEST

    def fetch_blob(self, blob: Descriptor) -> None:
        """Bring a blob into the store unless it is there; StepError, nothing stored, when it is another."""
        for attempt in range(1, ATTEMPTS + 1):
            if self._tools.blobs.has(blob):
                return
            arrived = _Arrived()
            try:
                self._download(blob, arrived)
            except StepError as error:
                if arrived.whole:
                    raise StepError(
                        f"{self.name}: blob {blob.digest} came with other bytes than it should; not kept",
                        hint="the registry or something in between is broken, or not to be trusted",
                    ) from error
                if attempt == ATTEMPTS or not arrived.begun:
                    raise
                self._tools.sleep(0.2 * 2**attempt)

    def _download(self, blob: Descriptor, arrived: _Arrived) -> None:
        with self.ask("GET", f"blobs/{blob.digest}", timeout=self.patience(blob.size)) as answer:
            if answer.status == 404:
                raise StepError(f"{self.name} has no blob {blob.digest}")
            self.expect(answer, (200,), f"asked for blob {blob.digest}")
            arrived.begun = True
            pieces = _counted(answer.stream(), blob.size, arrived)
            self._tools.blobs.put(pieces, media_type=blob.media_type, expect=blob.digest)
        self.remember(blob.digest)

    def location(self, answer: HttpResponse) -> str:
        """Where to send the bytes: relative to the registry, or anywhere, but never from https to http."""
        location = answer.headers.get("location", "")
        if not location:
            raise StepError(f"{self.name}: names no place to upload to")
        target = urljoin(answer.url, location)
        schemes = urlsplit(answer.url).scheme, urlsplit(target).scheme
        if schemes == ("https", "http"):
            raise StepError(f"{self.name}: the registry wants the upload unencrypted, at {urlsplit(target).netloc}")
        return target

    @contextlib.contextmanager
    def ask(
        self,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 0.0,
    ) -> Iterator[HttpResponse]:
        """Ask for something of the repository; ``path`` is what stands behind its name."""
        url = f"{self.access.endpoint.url}/v2/{self.access.repository}/{path}"
        with self.send(HttpRequest(method, url, headers or {}, body, timeout or self._patience)) as answer:
            yield answer

    @contextlib.contextmanager
    def send(self, request: HttpRequest) -> Iterator[HttpResponse]:
        """Ask with what is known to open the door; on 401 from the registry itself, log in, ask again."""
        own = self.access.endpoint.owns(request.url)
        known = self._authority.header(self.access, self._tools) if own else ""
        with self._tools.http(_with(request, known)) as answer:
            refused = answer.status == 401 and own and self.access.endpoint.owns(answer.url)
            if not refused:
                yield answer
                return
            challenge = answer.headers.get("www-authenticate", "")
            if not self._authority.answer(challenge, self.access, self._tools, known):
                raise self._not_allowed(answer)
        if request.body is not None and not isinstance(request.body, bytes):
            request.body.seek(0)
        with self._tools.http(_with(request, self._authority.header(self.access, self._tools))) as answer:
            yield answer

    def expect(self, answer: HttpResponse, statuses: tuple[int, ...], what: str) -> None:
        """RefusedError with what was done (``what``), what the registry said and what helps, unless it answered as it should."""
        if answer.status in statuses:
            return
        if answer.status in (401, 403):
            raise self._not_allowed(answer)
        said = _reason(answer)
        told = f"{self.name}: {what}, the registry answered {answer.status}{said and f': {said}'}"
        wait = answer.headers.get("retry-after", "")
        place = self.access.endpoint.registry, self.access.repository
        raise RefusedError(told, hint=advice(*place, answer.status, said, wait))

    def _not_allowed(self, answer: HttpResponse) -> RefusedError:
        said = _reason(answer)
        if not self.access.endpoint.owns(answer.url):
            host = urlsplit(answer.url).netloc
            return RefusedError(
                f"{self.name}: the registry sent us on to {host}, which answered {answer.status}{said and f', {said}'}",
                hint="credentials of one host are never shown to another: the registry must send on with a ready address",
            )
        shown = self._authority.shown(self.access)
        return login_needed(self.access, f"the registry answered {answer.status}{shown and f' to {shown}'}{said and f', {said}'}")


@dataclass
class _Arrived:
    """How far a download came: ``begun`` with the headers, ``whole`` with the last byte."""

    begun: bool = False
    whole: bool = False


def _counted(pieces: Iterator[bytes], size: int, arrived: _Arrived) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > size:
            break  # more than there is to come: what arrived can't be the blob
        yield piece
    arrived.whole = True


def _with(request: HttpRequest, authorization: str) -> HttpRequest:
    if not authorization:
        return request
    return replace(request, headers={**request.headers, "authorization": authorization})


def _media_type(answer: HttpResponse) -> str:
    media = answer.headers.get("content-type", "").partition(";")[0].strip()
    return media if media in (*MANIFESTS, *INDEXES) else ""


def _said_media_type(data: bytes) -> str:
    """What a manifest says of itself, for registries that send another Content-Type."""
    document = _json(data)
    if isinstance(document.get("mediaType"), str):
        return str(document["mediaType"])
    return INDEXES[0] if "manifests" in document else MANIFESTS[0]


def _json(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _reason(answer: HttpResponse) -> str:
    """The first error of the body, as the specification has it: code and message, in one short line."""
    try:
        errors = _json(answer.read(64 * 1024)).get("errors")
    except StepError:
        return ""
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    text = " ".join(str(first[k]) for k in ("code", "message") if first.get(k))
    return " ".join(text.split())[:200]


def _next_page(answer: HttpResponse) -> str:
    """The path of the next page (RFC 8288 Link header), relative to the repository, or an empty text."""
    link = answer.headers.get("link", "")
    target = link.partition("<")[2].partition(">")[0]
    query = urlsplit(target).query
    return f"tags/list?{query}" if query and 'rel="next"' in link.replace("rel=next", 'rel="next"') else ""
