"""Real tools, a blob store of one's own, and small images to push."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.state.blobs import Blobs
from aac_tasks.steps.tools import StepTools

AMD64 = Platform()


@dataclass(frozen=True)
class Bench:
    """A user's machine: tools, their blob store, and the environment they see."""

    tools: StepTools
    blobs: Blobs
    environment: dict[str, str]


def bench(folder: Path, environment: Mapping[str, str] | None = None, *, offline: bool = False) -> Bench:
    """Tools as a step gets them, with an empty HOME and blob store below ``folder``."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    seen = {"HOME": str(home), "PATH": os.environ["PATH"], **(environment or {})}
    lent = lend(folder, seen, offline=offline)
    return Bench(lent.tools, lent.blobs, seen)


def log_in(at: Bench, registry: str, user: str, password: str) -> None:
    """What `docker login` writes."""
    packed = base64.b64encode(f"{user}:{password}".encode()).decode()
    configure(at, {"auths": {registry: {"auth": packed}}})


def configure(at: Bench, config: Mapping[str, object]) -> None:
    """Docker's configuration file."""
    folder = Path(at.environment["HOME"], ".docker")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))


def image(at: Bench, text: str = "hello", *, env: tuple[str, ...] = (), platform: Platform = AMD64) -> StoredImage:
    """An image of two layers, the upper one with ``text`` in a file."""
    with at.blobs.scratch() as scratch:
        layers = [
            write_layer([Entry("base", "file", data=b"b" * 300_000)], at.blobs, scratch, name="base", created=0),
            write_layer([Entry("app", "file", data=text.encode())], at.blobs, scratch, name="app", created=0),
        ]
    config = ImageConfig(env=("PATH=/bin", *env), entrypoint=("/app",))
    return write_image(layers, config, at.blobs, platform=platform, about=About())


def put_index(at: Bench, registry: str, repository: str, tag: str, images: list[StoredImage]) -> str:
    """Store an index over pushed images under a tag, as `docker buildx` does; its digest."""
    entries = [
        {
            "mediaType": i.manifest.media_type,
            "digest": i.manifest.digest,
            "size": i.manifest.size,
            "platform": {"os": i.platform.os, "architecture": i.platform.architecture},
        }
        for i in images
    ]
    media = "application/vnd.oci.image.index.v1+json"
    body = json.dumps({"schemaVersion": 2, "mediaType": media, "manifests": entries}).encode()
    url = f"http://{registry}/v2/{repository}/manifests/{tag}"
    with at.tools.http(HttpRequest("PUT", url, {"content-type": media}, body)) as answer:
        assert answer.status == 201, answer.read()
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def skopeo(*arguments: str) -> bytes:
    """Run skopeo, logged in nowhere; what it wrote."""
    return subprocess.check_output(("skopeo", *arguments), env={"PATH": os.environ["PATH"], "HOME": "/nowhere"})
