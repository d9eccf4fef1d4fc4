"""What the tests of the Python runtime stand on: real tools, wheels made by hand, and an index on loopback."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.steps.tools import StepTools

DEBIAN_BASE = LockedBase("debian", "debian:trixie", Platform(), runtime_version="3.13")


def make_tools(folder: Path, *, offline: bool = False, **environment: str) -> StepTools:
    """Tools as a session lends them, with everything they keep below ``folder``."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("UV_", "PIP_"))} | environment
    return lend(folder, env, offline=offline).tools


def make_wheel(
    folder: Path, file_name: str, files: Mapping[str, str], *, requires: tuple[str, ...] = (), wheel: str = "1.0"
) -> Path:
    """A wheel with ``files`` (path → text; a path ending in ``*`` is executable) and the metadata a wheel must have."""
    name, version = file_name.split("-")[:2]
    info = f"{name}-{version}.dist-info"
    tag = file_name.removesuffix(".whl").split("-", 2)[2]
    needs = "".join(f"Requires-Dist: {r}\n" for r in requires)
    whole = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": f"Wheel-Version: {wheel}\nGenerator: by-hand\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    whole[f"{info}/RECORD"] = "".join(f"{p.rstrip('*')},{_hash(t)},{len(t.encode())}\n" for p, t in whole.items())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in whole.items():
            entry = zipfile.ZipInfo(member.rstrip("*"), (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if member.endswith("*") else 0o100644) << 16
            archive.writestr(entry, text)
    return path


def _hash(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@contextmanager
def index_of(folder: Path) -> Iterator[str]:
    """Serve the wheels (and whatever else) of ``folder`` as a simple index (PEP 503); yields its address."""

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def do_GET(self) -> None:
            if self.path.startswith("/simple/"):
                self._page(self.path.split("/")[2])
            else:
                super().do_GET()

        def _page(self, project: str) -> None:
            found = sorted(p.name for p in folder.iterdir() if p.name.split("-")[0].lower().replace("_", "-") == project)
            rows = "".join(f'<a href="../../{n}#sha256={_digest(folder / n)}">{n}</a>\n' for n in found)
            body = f"<!DOCTYPE html><html><body>{rows}</body></html>".encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/simple/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tree_of(folder: Path) -> dict[str, tuple[str, str]]:
    """Relative path → (mode, digest or ``dir``) of everything below ``folder``."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = f"{path.stat().st_mode & 0o7777:o}"
        found[path.relative_to(folder).as_posix()] = (mode, "dir" if path.is_dir() else _digest(path))
    return found
