"""Small real images for suites: a static busybox, a web page, and what a test adds. Written without any plugin."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.canonical import Json, JsonObject, canonical, fingerprint
from aac_tasks.contracts.image import MEDIA_CONFIG, MEDIA_LAYER, MEDIA_MANIFEST, Digest, ImageConfig, Layer, Platform, StoredImage
from aac_tasks.contracts.tools import BlobStore
from aac_tasks.testing import need

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")
APPLETS = ("sh", "cat", "echo", "env", "false", "httpd", "id", "ls", "mkdir", "sleep", "touch", "true", "wget", "rm", "tr")


@dataclass(frozen=True)
class Node:
    """One entry of an image: a file with ``data``, a link to ``target``, or a folder."""

    path: str
    type: str = "file"
    mode: int = 0o644
    data: bytes = b""
    target: str = ""
    owner: int = 0


CGI = b"""#!/bin/sh
echo "Content-Type: application/json"
echo
echo "{\\"port\\": \\"${SERVER_PORT:-}\\", \\"secret\\": \\"$TOKEN\\", \\"list\\": [1, {\\"a\\": true}]}"
"""
PASSWD = b"root:x:0:0::/:/bin/sh\nagent:x:10001:10001::/home/agent:/bin/sh\n"


def busybox_nodes() -> list[Node]:
    """A root of one static program and its names; the calling test is skipped where there is none."""
    found = shutil.which("busybox")
    program = Path(found).read_bytes() if found else b""
    need(program and b"/ld-linux" not in program[:4096], "no static busybox (apt: busybox-static)")
    return [
        Node("bin/busybox", mode=0o755, data=program),
        *(Node(f"bin/{name}", "link", 0o777, target="busybox") for name in APPLETS),
        Node("etc/passwd", data=PASSWD),
        Node("www/index.html", data=b"well\n"),
        Node("www/cgi-bin/env", mode=0o755, data=CGI),
        Node("app", "folder", 0o755),
        Node("data", "folder", 0o777, owner=10001),
        Node("tmp", "folder", 0o1777),
    ]


def tiny_image(config: ImageConfig, files: Mapping[str, bytes], blobs: BlobStore) -> StoredImage:
    """Busybox and ``files``; ``config`` says how it runs."""
    mine = [Node(path, mode=0o755, data=data) for path, data in files.items()]
    layers = tuple(_layer(nodes, name, blobs) for name, nodes in (("base", busybox_nodes()), ("application", mine)))
    diff_ids: list[Json] = [layer.diff_id for layer in layers]
    document: JsonObject = {
        "created": "1970-01-01T00:00:00Z",
        "os": "linux",
        "architecture": MACHINE,
        "config": _config(config),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    stored = blobs.put(canonical(document), media_type=MEDIA_CONFIG)
    blobs_of = (stored, *(layer.blob for layer in layers))
    described: list[Json] = [{"mediaType": x.media_type, "digest": x.digest, "size": x.size} for x in blobs_of]
    manifest: JsonObject = {"schemaVersion": 2, "mediaType": MEDIA_MANIFEST, "config": described[0], "layers": described[1:]}
    content = Digest(f"sha256:{fingerprint({'layers': diff_ids, 'config': _config(config)})}")
    written = blobs.put(canonical(manifest), media_type=MEDIA_MANIFEST)
    return StoredImage(written, stored, layers, Platform("linux", MACHINE), content)


def _layer(nodes: list[Node], name: str, blobs: BlobStore) -> Layer:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for node in nodes:
            info = tarfile.TarInfo(node.path)
            info.mode, info.uid, info.gid, info.size = node.mode, node.owner, node.owner, len(node.data)
            info.type = {"link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}.get(node.type, tarfile.REGTYPE)
            info.linkname = node.target
            tar.addfile(info, io.BytesIO(node.data))
    blob = blobs.put(out.getvalue(), media_type=MEDIA_LAYER)
    return Layer(blob, blob.digest, name)


def _config(config: ImageConfig) -> JsonObject:
    every: dict[str, Json] = {
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "User": config.user,
        "WorkingDir": config.working_dir,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
    }
    return {name: value for name, value in every.items() if value}
