"""Where a registry's API is: https, but http on this machine and where the user said so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from aac_plugins.oci.known import HUB, HUB_NAMES
from aac_tasks.contracts.hosts import is_loopback
from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError

_HUB_API = "registry-1.docker.io"
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Endpoint:
    """``registry`` is the name in references and logins, ``url`` scheme and host with port, without slash."""

    registry: str
    url: str

    def owns(self, url: str) -> bool:
        """Whether ``url`` is on this very scheme, host and port: only then it may see credentials."""
        return _origin(url) == _origin(self.url)

    @property
    def loopback(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")


def parse_reference(reference: str) -> ImageRef:
    """A reference to something in a registry; StepError when it is none."""
    try:
        ref = ImageRef.parse(reference)
    except ValueError as error:
        raise StepError(f"{reference!r} is not an image reference: {error}") from error
    if not _HOST.fullmatch(ref.registry):
        raise StepError(f"{reference!r} is not an image reference: {ref.registry!r} is not a host with optional port")
    if ref.registry in HUB_NAMES and ref.registry != HUB:  # the name of its index, which older logins and scripts have
        return ImageRef.parse(f"{HUB}/{reference.partition('/')[2]}")
    return ref


def is_reference(reference: str, *, not_prefixes: tuple[str, ...]) -> bool:
    """Whether it is in the notation of registries, and in none of those that start with ``not_prefixes``."""
    if reference.startswith(not_prefixes):
        return False
    try:
        parse_reference(reference)
    except StepError:
        return False
    return True


def find_endpoint(registry: str, tools: Tools) -> Endpoint:
    """The API of a registry: https, but http on loopback (unless TLS is spoken there) and where the user said so: in
    AAC_INSECURE_REGISTRIES (names separated by commas), or with an AGENT_REGISTRY_URL that begins with http://.
    """
    if registry in HUB_NAMES:
        return Endpoint(registry, f"https://{_HUB_API}")
    listed = {n.strip() for n in (tools.environment("AAC_INSECURE_REGISTRIES") or "").split(",")}
    plain = f"http://{registry}"
    if registry in listed or f"{tools.environment('AGENT_REGISTRY_URL') or ''}/".startswith(f"{plain}/"):
        return Endpoint(registry, plain)
    if is_loopback(urlsplit(plain).hostname or "") and not _speaks_tls(plain, tools):
        return Endpoint(registry, plain)
    return Endpoint(registry, f"https://{registry}")


def mirror_endpoint(tools: Tools) -> Endpoint | None:
    """The mirror of Docker Hub that AAC_DOCKER_MIRROR names (``http://127.0.0.1:5000``), or None."""
    url = (tools.environment("AAC_DOCKER_MIRROR") or "").rstrip("/")
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.netloc) or parts.path:
        raise StepError(f"AAC_DOCKER_MIRROR: {url!r} is not a registry's address; expected http(s)://host[:port]")
    return Endpoint(parts.netloc, url)


def _speaks_tls(url: str, tools: Tools) -> bool:
    """TLS servers answer plain http with 400 and say so (Go's net/http, nginx, Envoy)."""
    with tools.http(HttpRequest("GET", f"{url}/v2/", timeout=patience(tools), redirects=0)) as response:
        return response.status == 400


def patience(tools: Tools) -> float:
    """Seconds a registry has for an answer, AAC_REGISTRY_TIMEOUT or 60."""
    text = tools.environment("AAC_REGISTRY_TIMEOUT") or "60"
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise StepError(f"AAC_REGISTRY_TIMEOUT: {text!r} is not a number of seconds between 0 and 86400")
    return seconds


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return (
        parts.scheme,
        (parts.hostname or "").lower(),
        parts.port or (443 if parts.scheme == "https" else 80),
    )
