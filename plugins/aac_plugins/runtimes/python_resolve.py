"""Requirement lines → one wheel per package, pinned by URL and SHA-256, for the image's Python and C library.

``uv`` resolves (it takes the target's Python and platform as arguments, so the host's own matter nothing); its
pylock.toml (PEP 751) lists the wheels that fit, and the tags of ``packaging`` choose one of them. Only wheels:
a source distribution would be built by the host's compiler, and no two hosts would give the same bytes.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from aac_plugins.runtimes.python_cache import uv_cache
from aac_plugins.runtimes.python_refusals import refused
from aac_plugins.runtimes.python_requirements import HASH, UV_LOCK, logical_lines
from aac_tasks.contracts.lock import DependencyRequest, LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError

KNOWN_GLIBC = (17, 28, *range(31, 41))
"""The N of each manylinux_2_N that uv knows as a platform; a newer C library runs those wheels too."""

DEFAULT_GLIBC = 28
"""Of an image that does not say which it has; Debian 10's, which every official image still made exceeds."""

DEBIAN_GLIBC = {"bullseye": 31, "bookworm": 36, "trixie": 41}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}

PASSED_ON = (
    "HOME", "PATH", "XDG_CONFIG_HOME", "NETRC", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX_STRATEGY", "UV_KEYRING_PROVIDER",
    "UV_CONFIG_FILE", "UV_HTTP_TIMEOUT", "UV_HTTP_RETRIES", "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS",
    "UV_EXCLUDE_NEWER",
)  # fmt: skip

_looking = threading.Lock()
"""Held while uv is looked for: `sysconfig` fills its table at the first question, and a second thread finds it half filled."""


class Wheel(TypedDict, total=False):
    """A wheel in a pylock.toml (PEP 751)."""

    url: str
    size: int
    hashes: Mapping[str, str]


class Package(TypedDict, total=False):
    """A package in a pylock.toml; ``archive`` where the author named an address."""

    name: str
    version: str
    wheels: list[Wheel]
    archive: Wheel


@dataclass(frozen=True)
class Target:
    """What the wheels are for. ``python`` is ``3.13`` or ``3.13.5``; ``libc`` ``manylinux_2_36`` or ``musllinux_1_2``."""

    python: str
    machine: str
    libc: str

    @property
    def minor(self) -> str:
        """``3.13``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def uv(self) -> str:
        """uv's name of the platform."""
        return f"{self.machine}-unknown-linux-musl" if self.libc.startswith("musl") else f"{self.machine}-{self.libc}"

    def platforms(self) -> list[str]:
        """The platform tags that fit, best first (PEP 600, PEP 656)."""
        family, major, minor = re.fullmatch(r"(\w+?linux)_(\d+)_(\d+)", self.libc).groups()  # type: ignore[union-attr]
        lowest = 1 if family == "musllinux" else 5 if self.machine == "x86_64" else 17
        aliases = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"} if family == "manylinux" else {}
        tags = []
        for step in range(int(minor), lowest - 1, -1):
            tags.append(f"{family}_{major}_{step}_{self.machine}")
            tags += [f"{aliases[step]}_{self.machine}"] if step in aliases else []
        return [*tags, f"linux_{self.machine}"]


def target_of(base: LockedBase) -> Target:
    """What ``base`` can run; StepError when it can't be told, or no wheel exists for it.

    ``base.facts`` may say ``glibc`` (``2.36``) or ``musl`` (``1.2``); else the Debian release in the reference does.
    """
    machine = MACHINES.get(base.platform.architecture)
    if base.platform.os != "linux" or machine is None:
        raise StepError(
            f"no Python wheels are known for {base.platform}", hint="set build.platforms to linux/amd64 or linux/arm64"
        )
    found = re.match(r"(\d+\.\d+(?:\.\d+)?)", base.runtime_version) or re.search(r"python:(\d+\.\d+)", base.reference)
    if not found:
        raise StepError(
            f"the Python version in {base.reference} is not known",
            hint="say it: `runtime: python:3.12`, or choose a base image whose tag names it",
        )
    return Target(found.group(1), machine, _libc(base))


def _libc(base: LockedBase) -> str:
    musl = base.facts.get("musl") or ("1.2" if "alpine" in base.reference else "")
    if musl:
        return "musllinux_" + "_".join(musl.split(".")[:2])
    glibc = base.facts.get("glibc") or next((f.version for f in base.files if f.name == "libc6"), "")
    found = re.match(r"2\.(\d+)", glibc)
    if found:
        return _manylinux(int(found.group(1)))
    named = (minor for release, minor in DEBIAN_GLIBC.items() if release in base.reference)
    return _manylinux(next(named, DEFAULT_GLIBC))


def _manylinux(minor: int) -> str:
    return f"manylinux_2_{max((n for n in KNOWN_GLIBC if n <= minor), default=KNOWN_GLIBC[0])}"


def resolve(request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
    """Pin everything that ``request`` needs; sorted by name.

    Raises:
        StepError: nothing satisfies the request, a package has no wheel for the target, or no index answers.
    """
    if not request.requirements and UV_LOCK not in request.files:
        return LockedDependencies()
    target = target_of(base)
    with tools.scratch() as folder:
        hashes = _write_input(request, folder, tools)
        argv = ["pip", "compile", "requirements.in", "--format", "pylock.toml", "--output-file", "pylock.toml",
                "--python-version", target.python, "--python-platform", target.uv, "--only-binary", ":all:",
                "--no-header", "--no-annotate", *_files_as_arguments(folder)]  # fmt: skip
        _uv(argv, folder, tools)
        packages = _packages((folder / "pylock.toml").read_text("utf-8"))
    files = sorted((_locked(p, target, hashes) for p in packages), key=lambda f: f.name)
    return LockedDependencies(tuple(files))


def _write_input(request: DependencyRequest, folder: Path, tools: Tools) -> dict[str, frozenset[str]]:
    """Put uv's input files into ``folder``; the answer says which hashes each package may have."""
    for name, text in request.files.items():
        (folder / name).write_text(HASH.sub("", text) if name == "constraints.txt" else text, "utf-8")
    lines = list(request.requirements)
    if UV_LOCK in request.files:
        _uv(["export", "--frozen", "--no-dev", "--no-emit-project", "--format", "requirements-txt", "--no-header",
             "--no-annotate", "--output-file", "exported.txt"], folder, tools)  # fmt: skip
        exported = logical_lines("exported.txt", (folder / "exported.txt").read_text("utf-8"))
        lines = [*(line.text for line in exported), *lines]
    allowed: dict[str, frozenset[str]] = {}
    for line in (*lines, *request.files.get("constraints.txt", "").splitlines()):
        hashes = frozenset(h.removeprefix("sha256:") for h in HASH.findall(line))
        if hashes:
            name = _canonical(re.split(r"[^\w.-]", line, maxsplit=1)[0])
            allowed[name] = allowed.get(name, frozenset()) | hashes
    text = "\n".join(HASH.sub("", line) for line in lines) + "\n"
    (folder / "requirements.in").write_text(text, "utf-8")
    return allowed


def _files_as_arguments(folder: Path) -> list[str]:
    return ["--constraint", "constraints.txt"] if (folder / "constraints.txt").exists() else []


def _uv(argv: list[str], folder: Path, tools: Tools) -> None:
    import uv  # lazy: start-up

    tools.progress("resolving Python dependencies")
    with _looking:
        program = uv.find_uv_bin()
    with uv_cache(tools) as cache:
        common = ["--python", sys.executable, "--no-python-downloads", "--cache-dir", str(cache), "--quiet", "--color", "never",
                  "--no-progress", *(["--offline"] if tools.offline else [])]  # fmt: skip
        command = (program, *argv, *common)
        done = tools.run(Process(command, cwd=folder, env=environment(tools), timeout=300.0))
    if done.exit_code != 0:
        raise refused(redact(done.tail), offline=tools.offline)


def environment(tools: Tools) -> dict[str, str]:
    """What uv may see: where the index is (pip's variables are understood too), proxies, certificates."""
    values = {name: tools.environment(name) for name in PASSED_ON}
    env = {name: value for name, value in values.items() if value is not None}
    for pip, name in (("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX")):
        value = tools.environment(pip)
        if value and name not in env and not (name == "UV_DEFAULT_INDEX" and "UV_INDEX_URL" in env):
            env[name] = value
    return env


def redact(text: str) -> str:
    """Addresses without user and password."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _packages(text: str) -> list[Package]:
    if sys.version_info >= (3, 11):  # lazy: start-up
        import tomllib
    else:
        import tomli as tomllib
    return cast("list[Package]", tomllib.loads(text).get("packages", []))  # uv's own output


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked(package: Package, target: Target, allowed: Mapping[str, frozenset[str]]) -> LockedFile:
    name, version = package["name"], package.get("version", "")
    found = package.get("wheels") or ([package["archive"]] if "archive" in package else [])
    hashes = allowed.get(_canonical(name))
    usable = [w for w in found if hashes is None or _sha256(w) in hashes]
    if found and not usable:
        raise StepError(
            f"no file of {name} {version} has a hash that is pinned",
            hint="write uv.lock or requirements.txt anew: the index offers other files than those it was made from",
        )
    wheel = choose(usable, target)
    if wheel is None or not _sha256(wheel):
        raise StepError(
            f"no wheel of {name} {version} for Python {target.minor} on {target.uv}",
            hint="take a version that has one, publish one, or write your own image with build.dockerfile",
        )
    return LockedFile(name, version, _without_user(wheel["url"]), _sha256(wheel), wheel.get("size", 0))


def _sha256(wheel: Wheel) -> str:
    return wheel.get("hashes", {}).get("sha256", "")


def choose(wheels: Iterable[Wheel], target: Target) -> Wheel | None:
    """The wheel that pip would take (the most specific tag, then the highest build number), None when none fits."""
    ranks = _ranks(target)
    best: tuple[tuple[int, int, str], Wheel] | None = None
    for wheel in wheels:
        order = _order(wheel.get("url", ""), ranks)
        if order is not None and (best is None or order < best[0]):
            best = (order, wheel)
    return best[1] if best else None


def _ranks(target: Target) -> dict[str, int]:
    """Tag → how far it is from the best."""
    from packaging import tags  # lazy: start-up

    version, short = [int(p) for p in target.minor.split(".")], f"cp{target.minor.replace('.', '')}"
    platforms = target.platforms()
    ordered = (*tags.cpython_tags(version, [short], platforms), *tags.compatible_tags(version, short, platforms))
    return {str(tag): rank for rank, tag in enumerate(ordered)}


def _order(url: str, ranks: Mapping[str, int]) -> tuple[int, int, str] | None:
    from packaging import utils  # lazy: start-up

    try:
        _, _, build, fits = utils.parse_wheel_filename(file_name(url))
    except utils.InvalidWheelFilename:
        return None
    rank = min((ranks[str(t)] for t in fits if str(t) in ranks), default=None)
    return None if rank is None else (rank, -build[0] if build else 1, url)


def file_name(url: str) -> str:
    """The wheel's file name in an address."""
    return unquote(urlsplit(url).path.rsplit("/", 1)[-1])


def _without_user(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rsplit("@", 1)[-1], parts.path, parts.query, ""))
