"""A real `docker-registry` (Debian's package) for tests, on a free loopback port."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from aac_tasks.testing import need

CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{folder}/data"}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  secret: only-for-tests
{tls}
"""
AUTH = """\
auth:
  htpasswd: {{realm: tests, path: "{path}"}}
"""
TLS = """\
  tls: {{certificate: "{0}", key: "{1}"}}
"""


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def registry_server(
    folder: Path, htpasswd: Mapping[str, str] | None = None, tls: tuple[Path, Path] | None = None, auth: str = ""
) -> Iterator[str]:
    """Run a registry that keeps its data below ``folder``; yields ``host:port``.

    ``htpasswd`` maps users to passwords (None: all may do all), ``auth`` is another section of its configuration; ``tls`` is a
    certificate and its key.
    Skipped when docker-registry is not installed, failed when AAC_REQUIRE_REAL=1.
    """
    need(shutil.which("docker-registry"), "docker-registry is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = CONFIG.format(folder=folder, port=port, tls=TLS.format(*tls) if tls else "") + auth
    if htpasswd is not None:
        config += AUTH.format(path=_password_file(folder, htpasswd))
    (folder / "config.yml").write_text(config)
    log = (folder / "registry.log").open("ab")
    with (
        log,
        subprocess.Popen(["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log, cwd=folder) as process,
    ):
        try:
            _wait(port, process, folder)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()


def _password_file(folder: Path, users: Mapping[str, str]) -> Path:
    need(shutil.which("htpasswd"), "htpasswd (apache2-utils) is not installed")
    path = folder / "htpasswd"
    ask = ("htpasswd", "-Bbn")
    lines = [subprocess.check_output([*ask, *user], text=True).strip() for user in users.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise AssertionError(f"docker-registry did not start:\n{(folder / 'registry.log').read_text()}")
