"""Words of the OCI image and distribution specifications, as values.

Sources: https://github.com/opencontainers/image-spec (v1.1),
https://github.com/opencontainers/distribution-spec (v1.1),
https://github.com/distribution/reference (the grammar of a reference).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar"
MEDIA_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
MEDIA_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MEDIA_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class Digest(str):
    """``sha256:`` and 64 hexadecimal digits; anything else is a ValueError."""

    __slots__ = ()

    def __new__(cls, text: str) -> Digest:
        if not _DIGEST.fullmatch(text):
            raise ValueError(f"{text!r} is not a digest; expected sha256: and 64 hexadecimal digits")
        return super().__new__(cls, text)

    @property
    def hex(self) -> str:
        """The 64 digits behind the colon."""
        return self[7:]

    @property
    def short(self) -> str:
        """The first 12 digits, for people."""
        return self[7:19]


ARCHITECTURES = ("386", "amd64", "arm", "arm64", "loong64", "mips64le", "ppc64le", "riscv64", "s390x")
"""Go's names of the CPUs that images for Linux are made for."""


@dataclass(frozen=True)
class Platform:
    """Operating system and CPU in Go's names (``linux/amd64``, ``linux/arm64/v8``)."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/architecture[/variant]``; ValueError when it has another shape."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(re.fullmatch(r"[a-z0-9_]+", p) for p in parts):
            raise ValueError(f"{text!r} is not a platform; expected os/architecture, as in linux/amd64")
        return cls(*parts)

    @classmethod
    def of_image(cls, text: str) -> Platform:
        """Read a platform that images are made for; ValueError with those that there are."""
        found = cls.parse(text)
        if found.os != "linux" or found.architecture not in ARCHITECTURES:
            near = _meant(found.architecture)
            hint = f"; did you mean 'linux/{near}'?" if near else ""
            raise ValueError(f"no image is made for {found}; expected linux/ and one of {', '.join(ARCHITECTURES)}{hint}")
        return found

    def suits(self, other: Platform) -> bool:
        """The same, but for a variant that one of them leaves out: ``arm64`` and ``arm64/v8`` are the same thing
        (https://github.com/containerd/platforms, normalisation).
        """
        variants = {self.variant, other.variant} - {""}
        return (self.os, self.architecture) == (other.os, other.architecture) and len(variants) < 2

    def __str__(self) -> str:
        return "/".join(p for p in (self.os, self.architecture, self.variant) if p)


def _meant(architecture: str) -> str:
    """The CPU that a name which no image has is most alike, or nothing."""
    from difflib import get_close_matches  # lazy: only for the message

    name = {"x86_64": "amd64", "aarch64": "arm64"}.get(architecture, architecture)  # as uname says them
    return next(iter(get_close_matches(name, ARCHITECTURES, n=1)), "")


@dataclass(frozen=True)
class ImageRef:
    """``registry/repository:tag@digest``, as the reference grammar has it.

    ``registry`` is a host with optional port; ``oci:PATH`` names an OCI layout folder instead.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.repository):
            raise ValueError(
                f"{self.repository!r} is not a repository name; expected lower-case letters and digits, "
                "separated by '/', '.', '_' or '-'"
            )
        if self.tag and not _TAG.fullmatch(self.tag):
            raise ValueError(
                f"{self.tag!r} is not a tag; expected up to 128 letters, digits, '_', '.', '-', "
                "not starting with '.' or '-'"
            )
        if self.digest:
            Digest(self.digest)

    @classmethod
    def parse(cls, text: str, *, default_registry: str = "docker.io") -> ImageRef:
        """Read a reference the way docker does: a first part with '.', ':' or 'localhost' is the registry."""
        rest, _, digest = text.partition("@")
        head, slash, tail = rest.partition("/")
        if slash and ("." in head or ":" in head or head == "localhost"):
            registry, name = head, tail
        else:
            registry, name = default_registry, rest
        repository, _, tag = name.partition(":")
        if registry == "docker.io" and "/" not in repository:
            repository = f"library/{repository}"
        return cls(registry, repository, tag, digest)

    @property
    def tagged(self) -> ImageRef:
        """With the tag that is meant where it says none."""
        return self.with_tag(self.tag or "latest")

    def with_tag(self, tag: str) -> ImageRef:
        """The same repository under another tag, without digest."""
        return ImageRef(self.registry, self.repository, tag)

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}" if self.registry else self.repository
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@dataclass(frozen=True)
class Descriptor:
    """A blob by media type, digest and size in bytes (image-spec, descriptor.md)."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Layer:
    """One layer: its blob, the digest of its uncompressed tar, and what it holds (base, dependencies …)."""

    blob: Descriptor
    diff_id: Digest
    name: str = ""


@dataclass(frozen=True)
class HealthProbe:
    """How a running image says that it is well; durations in seconds.

    ``kind`` is ``http`` (GET ``path`` on ``port`` answers 2xx or 3xx), ``tcp`` (``port`` accepts), or
    ``command`` (exit 0 inside the container).
    """

    type: str
    path: str = "/"
    port: int = 0
    command: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True)
class ImageConfig:
    """The part of an OCI image configuration that tells how to run it (image-spec, config.md).

    ``exposed_ports`` hold ``8080/tcp``; ``env`` holds ``NAME=value``, in order.
    """

    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    healthcheck: HealthProbe | None = None

    @property
    def variables(self) -> dict[str, str]:
        """``env`` by name; of a name that stands twice the last."""
        return dict(line.partition("=")[::2] for line in self.env)


def local_name(config: ImageConfig, fallback: str) -> str:
    """``name:version`` from the image's labels, as engines and `agent images` show it."""
    name = config.labels.get("dev.agent.name") or config.labels.get("org.opencontainers.image.title") or fallback
    version = config.labels.get("org.opencontainers.image.version") or "latest"
    return f"{name.lower()}:{re.sub(r'[^A-Za-z0-9_.-]', '-', version)[:128]}"


@dataclass(frozen=True)
class StoredImage:
    """An image of one platform whose blobs are in the blob store (or can be brought there).

    ``content_digest`` is the digest of what the image *does*: layers, entrypoint, env, user, workdir,
    ports, without labels, annotations, history and dates. Tests are keyed on it.
    """

    manifest: Descriptor
    config: Descriptor
    layers: tuple[Layer, ...]
    platform: Platform
    content_digest: Digest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that it is made of."""
        return (self.manifest, self.config, *(layer.blob for layer in self.layers))

    @property
    def ids(self) -> tuple[Digest, Digest]:
        """What engines call it: the config's digest on overlay2 and with podman, the manifest's on the containerd store."""
        return (self.config.digest, self.manifest.digest)
