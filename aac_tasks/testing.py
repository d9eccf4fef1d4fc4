"""A pytest plugin for us and for plugin authors: tiny projects, the real commands, a gate for real tools.

Installed with the package (entry point ``pytest11``), so ``def test_mine(project): ...`` works in any suite.
Only pytest and the standard library are imported: every pytest run of every user of this package pays.

Environment variables::

    AAC_REQUIRE_REAL=1   a missing real tool fails a test instead of skipping it
    AAC_TEST_CACHE=DIR   downloads are kept there between runs (without it: for one run)
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

pytest.register_assert_rewrite("aac_tasks.conformance")

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "TMPDIR", *_CERTIFICATES)
"""What a test's process inherits: where programs are, and whose certificates are trusted."""

_KEPT_PREFIXES = ("PIP_", "UV_")
_KEPT_PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def required() -> bool:
    """Whether what a test needs must be there (``AAC_REQUIRE_REAL``)."""
    return os.environ.get("AAC_REQUIRE_REAL", "") not in ("", "0")


def need(condition: object, reason: str) -> None:
    """Skip the calling test for ``reason`` unless ``condition``; fail it where everything must be there."""
    if condition:
        return
    if required():
        pytest.fail(f"AAC_REQUIRE_REAL is set, but {reason}", pytrace=False)
    pytest.skip(reason)


@dataclass(frozen=True)
class Ran:
    """How a command ended. ``stdout`` and ``stderr`` are decoded as UTF-8 with replacement."""

    argv: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        """Both streams, stdout first."""
        return self.stdout + self.stderr

    def ok(self) -> Ran:
        """Itself when the exit code is 0, else a failed test that shows what was said."""
        return self.exits(0)

    def exits(self, code: int) -> Ran:
        """Itself when the exit code is ``code``, else a failed test that shows what was said."""
        if self.exit_code != code:
            said = textwrap.indent(self.output or "(nothing was printed)\n", "  | ")
            what = f"{' '.join(self.argv)}: exit code {self.exit_code}, expected {code}"
            pytest.fail(f"{what}\n{said}", pytrace=False)
        return self


def clean_environment(home: Path, cache: Path) -> dict[str, str]:
    """The environment of a user who has just arrived: own HOME and folders, no settings of the caller's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.lower() in _KEPT_PROXIES or name.startswith(_KEPT_PREFIXES)
    }
    rustup = Path(os.environ.get("RUSTUP_HOME") or Path.home() / ".rustup")
    return {
        **kept,
        **({"RUSTUP_HOME": str(rustup)} if rustup.is_dir() else {}),  # toolchains are programs, and no settings
        "HOME": str(home),
        "XDG_CACHE_HOME": str(cache),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_STATE_HOME": str(home / ".local/state"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",  # the keyring of who runs the tests is theirs
    }


def command(name: str) -> tuple[str, ...]:
    """How to start our console script ``name``: the installed one or, in a bare checkout, its entry point."""
    script = Path(sys.executable).with_name(name)
    if script.exists():
        return (str(script),)
    start = f"import sys; sys.argv[0] = {name!r}; from aac_tasks.fast import main; sys.exit(main())"
    return (sys.executable, "-c", start)


@dataclass(frozen=True)
class Project:
    """A folder with files in it, and real commands run in it as a new user would."""

    folder: Path
    env: Mapping[str, str]

    def write(self, files: Mapping[str, str | bytes]) -> Project:
        """Put files (relative path → text, dedented, or bytes) into the folder."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
        return self

    def read(self, name: str) -> str:
        """The text of a file in the folder."""
        return (self.folder / name).read_text(encoding="utf-8")

    def run(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, timeout: float = 300.0) -> Ran:
        """Run any program in the folder, without a terminal; ``env`` is added to the clean environment."""
        done = subprocess.run(  # the real command, exactly as a shell would start it
            list(argv),
            cwd=self.folder,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        return Ran(
            tuple(argv),
            done.returncode,
            done.stdout.decode("utf-8", "replace"),
            done.stderr.decode("utf-8", "replace"),
        )

    def agent(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300.0) -> Ran:
        """Run ``agent ARGUMENTS``."""
        return self.run((*command("agent"), *arguments), env=env, timeout=timeout)

    def doit(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300.0) -> Ran:
        """Run ``doit ARGUMENTS``."""
        return self.run((sys.executable, "-m", "doit", *arguments), env=env, timeout=timeout)

    def sub(self, name: str) -> Project:
        """The same user in a folder below."""
        folder = self.folder / name
        folder.mkdir(parents=True, exist_ok=True)
        return Project(folder, self.env)


def pytest_configure(config: pytest.Config) -> None:
    """Make our markers known, so that a plugin author's ``--strict-markers`` accepts them."""
    config.addinivalue_line("markers", "network: asks a server on the internet")
    config.addinivalue_line("markers", "real: needs a real tool or daemon of the machine")
    config.addinivalue_line("markers", "slow: takes more than ten seconds")


@pytest.fixture(scope="session")
def aac_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache folder for the whole run: ``$AAC_TEST_CACHE``, else a temporary one."""
    kept = os.environ.get("AAC_TEST_CACHE")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    folder = Path(kept) if kept else shared / "aac-cache"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def project(tmp_path: Path, aac_cache: Path) -> Project:
    """An empty project of a new user; blobs and downloads are shared with the other tests of the run."""
    return _new_project(tmp_path, aac_cache)


@pytest.fixture
def lone_project(tmp_path: Path) -> Project:
    """An empty project of a new user with an empty cache of its own."""
    return _new_project(tmp_path, tmp_path / "cache")


def _new_project(top: Path, cache: Path) -> Project:
    folder, home = top / "project", top / "home"
    for path in (folder, home, cache):
        path.mkdir(parents=True, exist_ok=True)
    return Project(folder, clean_environment(home, cache))
