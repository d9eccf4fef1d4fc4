"""Debian's real archive: locked, fetched, unpacked, and its Python run."""

from __future__ import annotations

import os
import subprocess
import tarfile
import threading
import urllib.request
from pathlib import Path

import pytest

from aac_plugins.bases.debian import DebianBase
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.state.blobs import Blobs
from aac_tasks.steps.tools import StepTools, Workshop

LOADERS = {"x86_64": ("amd64", "ld-linux-x86-64.so.2"), "aarch64": ("arm64", "ld-linux-aarch64.so.1")}
PROGRAM = """
import asyncio, ctypes, hashlib, json, locale, sqlite3, ssl, zoneinfo
context = ssl.create_default_context()
print(json.dumps({
    "sqlite": sqlite3.connect(":memory:").execute("select 6 * 7").fetchone()[0],
    "zone": str(zoneinfo.ZoneInfo("Europe/Berlin")),
    "locale": locale.setlocale(locale.LC_ALL, ""),
    "authorities": len(context.get_ca_certs()) > 100,
    "libc": ctypes.CDLL("libc.so.6").getpid() > 0,
    "digest": hashlib.sha3_256(b"").hexdigest()[:6],
}))
"""


@pytest.fixture
def tools(tmp_path: Path) -> StepTools:
    environment = {**os.environ}
    mirror = environment.get("AAC_DEBIAN_MIRROR", "http://deb.debian.org/debian")
    try:
        urllib.request.urlopen(f"{mirror}/dists/trixie/InRelease", timeout=10).close()  # noqa: S310  # the same URL
    except OSError as error:
        if os.environ.get("AAC_REQUIRE_REAL") == "1":
            pytest.fail(f"{mirror} is out of reach: {error}")
        pytest.skip(f"{mirror} is out of reach: {error}")
    blobs, cancelled = Blobs(tmp_path / "store"), threading.Event()
    cache = tmp_path / "cache"
    cache.mkdir()
    shop = Workshop(
        tell_output=print,
        blobs=blobs,
        scratch=blobs.scratch,
        cache=cache,
        environment=environment,
        cancelled=cancelled,
        resolve_secret=lambda reference: None,
    )
    return StepTools(shop, tmp_path, tmp_path, lambda text, done, total: None, print)


@pytest.mark.network
@pytest.mark.skipif(os.uname().machine not in LOADERS, reason="the loader's name is known for two CPUs")
def test_python_of_debians_archive_runs_from_the_layer_that_was_made_of_it(tools: StepTools, tmp_path: Path) -> None:
    architecture, loader = LOADERS[os.uname().machine]
    base = DebianBase()
    request = BaseRequest("debian", "debian:trixie", runtime="python")
    locked = base.resolve(request, Platform("linux", architecture), tools)
    layer = base.fetch(locked, tools).layers[0]
    root = tmp_path / "root"
    with tarfile.open(tools.blobs.path(layer.blob.digest)) as archive:
        if hasattr(tarfile, "fully_trusted_filter"):  # Python 3.11.4, and demanded from 3.14 on
            archive.extraction_filter = staticmethod(tarfile.fully_trusted_filter)
        archive.extractall(root)  # noqa: S202  # it has links to / as every root has
    assert not [name for name in ("sh", "bash", "dash", "dpkg", "apt") if (root / "usr/bin" / name).exists()]
    done = subprocess.run(
        [
            root / "lib64" / loader if architecture == "amd64" else root / "lib" / loader,
            "--library-path",
            root / "usr/lib" / f"{os.uname().machine}-linux-gnu",
            root / "usr/bin/python3.13",
            "-c",
            PROGRAM,
        ],
        env={
            "PYTHONHOME": str(root / "usr"),
            "LOCPATH": str(root / "usr/lib/locale"),
            "PYTHONTZPATH": str(root / "usr/share/zoneinfo"),
            "SSL_CERT_FILE": str(root / "etc/ssl/certs/ca-certificates.crt"),
            "LANG": "C.UTF-8",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        '{"sqlite": 42, "zone": "Europe/Berlin", "locale": "C.UTF-8", "authorities": true, "libc": true, "digest": "a7ffc6"}'
    )
