"""A small agent on a small base, deployed again and again from nothing but a warm download cache."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import http.server
import os
import random
import shutil
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from real_registry import free_port
from runner_stage import MACHINE, busybox

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.oci.layout import Layout
from aac_tasks.contracts.image import ImageConfig, Platform
from aac_tasks.state.blobs import Blobs
from aac_tasks.testing import Project, clean_environment

PYTHON = "usr/bin/python3.11"
SERVER = """
    apiVersion: agent.dev/v1
    kind: Agent
    metadata: {{name: {name}, version: 1.0.0}}
    spec:
      runtime: python
      model: {{provider: openai, name: gpt-4o-mini}}
      build: {{baseImage: oci:base}}
      ports: [{{container: {port}}}]
      healthCheck: {{path: /, interval: 1s}}
"""
"""The agent.yaml of one that is a busybox with a page, as far as all such agents are alike."""

AGENT = SERVER + """\
      entrypoint: [/bin/sh, -c, 'exec httpd -f -p "127.0.0.1:${{PORT:-{port}}}" -h /app/www']
      dependencies: [greeting==1.0]
      tests:
        - {{name: serves its page, type: http, request: {{path: /}}, expect: {{status: 200, body: version}}}}
        - {{name: has its shell, type: command, command: [/bin/true]}}
      image: {{registry: oci:dist}}
      deploy: {{target: process}}
    """
PAYLOAD = 2 << 20
"""Bytes that don't compress: they make image, test, push and deploy long enough to be hit inside."""


@dataclass(frozen=True)
class Yard:
    """One user's folders. ``template`` is a cache that knows the base and the package index, and nothing else."""

    top: Path
    name: str

    @property
    def project(self) -> Project:
        """Where the agent is."""
        return Project(self.top / "project", clean_environment(self.top / "home", self.top / "cache/xdg"))

    @property
    def cache(self) -> Path:
        """The user's cache."""
        return self.top / "cache/xdg/aac"

    @property
    def template(self) -> Path:
        """What the cache is before each attempt."""
        return self.top / "template"

    def write(self, version: int) -> None:
        """Let the agent's source be that version's."""
        www = self.project.folder / "www"
        www.mkdir(parents=True, exist_ok=True)
        (www / "index.html").write_text(f"version {version}\n")
        (www / "payload").write_bytes(random.Random(version).randbytes(PAYLOAD))  # noqa: S311  # the same bytes each time

    def rewind(self, version: int) -> None:
        """Another source, a cache that has downloads only, nothing locked and nothing pushed. What is deployed still runs."""
        shutil.rmtree(self.cache, ignore_errors=True)
        shutil.copytree(self.template, self.cache, copy_function=os.link)
        shutil.rmtree(self.project.folder / "dist", ignore_errors=True)
        (self.project.folder / "agent.lock").unlink(missing_ok=True)
        self.write(version)

    def environment(self, index: str) -> dict[str, str]:
        """The user's environment, with a package index of our own."""
        return {**self.project.env, "UV_DEFAULT_INDEX": index, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def make_yard(top: Path, name: str) -> Yard:
    """Write the agent and its base."""
    yard = Yard(top, name)
    for folder in ("project", "home", "cache", "template"):
        (top / folder).mkdir(parents=True)
    yard.project.write({"agent.yaml": AGENT.format(name=name, port=free_port()), ".dockerignore": "base\n"})
    yard.write(0)
    make_base(yard)
    return yard


def make_base(yard: Yard, python: str = PYTHON) -> None:
    """Put a base under the tag; of another Python it has other content."""
    blobs = Blobs(yard.top / "store")
    with blobs.scratch() as scratch:
        entries = [*busybox(), Entry(python, "symlink", 0o777, target="/bin/busybox")]
        layer = write_layer(entries, blobs, scratch, name="base", created=0)
    image = write_image((layer,), ImageConfig(), blobs, platform=Platform("linux", MACHINE), about=About())
    layout = Layout(yard.project.folder / "base", "base")
    layout.create()
    for blob in (layer.blob, image.config, image.manifest):
        layout.add(blob, blobs.path(blob.digest))
    layout.tag("base:1", image, lambda ready: ready())


@contextlib.contextmanager
def package_index(folder: Path) -> Iterator[str]:
    """A package index on a loopback port that offers greeting 1.0; yields its address."""
    place = folder / "simple/greeting"
    place.mkdir(parents=True)
    wheel = place / "greeting-1.0-py3-none-any.whl"
    _write_wheel(wheel)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (place / "index.html").write_text(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Not on the screen of the tests."""


def _write_wheel(path: Path) -> None:
    files = {
        "greeting.py": b"WORD = 'hello'\n",
        "greeting-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
        "greeting-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in files.items())
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in {**files, "greeting-1.0.dist-info/RECORD": record.encode()}.items():
            wheel.writestr(zipfile.ZipInfo(name), data)


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
