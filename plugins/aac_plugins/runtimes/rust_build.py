"""Sources → one program: the same bytes on every machine with the same Rust and the same C compiler.

rustc is deterministic; what differs between machines are the paths of sources and caches (remapped), the linker's build id
(left out), and the start-up code and C library of the host's C compiler, which end in the program: its version is locked
beside Rust's.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runtimes.compiled import NETWORK, is_version, seen, write_locked
from aac_plugins.runtimes.origin import EPOCH
from aac_plugins.runtimes.rust_refusals import refused
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.recipe import Run
from aac_tasks.contracts.roles import Compilation
from aac_tasks.contracts.tools import Completed, Process, Tools
from aac_tasks.errors import StepError

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
FLAGS = ("-C", "strip=symbols", "-C", "link-arg=-Wl,--build-id=none")
SETTINGS = {"CARGO_TERM_COLOR": "never", "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
INCREMENTAL = "CARGO_INCREMENTAL"
"""Always said: it makes another program, so the author's Cargo.toml decides and no machine's settings. What was compiled before
makes no difference, by rustc's design (https://rustc-dev-guide.rust-lang.org/queries/incremental-compilation.html)."""

CARGO = ("RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_HTTP_CAINFO", "CARGO_HTTP_PROXY", "CARGO_NET_GIT_FETCH_WITH_CLI")
CONFIG = "/.cargo/config.toml"
"""In a build stage: the user's own settings, where they have any."""

TIMEOUT = 1800.0
"""Seconds; a cold build of a large agent on a small machine."""

_SYMBOL = re.compile(rb"\bGLIBC_(2)\.(\d+)")


@dataclass(frozen=True)
class Rust:
    """A Rust that works. ``host`` is its own triple, ``commit`` what its standard library was built from."""

    version: str
    host: str
    commit: str
    env: Mapping[str, str]

    @classmethod
    def found(cls, tools: Tools, folder: Path, asked: str) -> Rust:
        """The one that a command in ``folder`` gets, else the one in rustup that ``asked`` (empty: any) names.

        Raises:
            StepError: there is none, or none of that version.
        """
        env = {**seen(tools, (*NETWORK, *CARGO)), "CARGO_HOME": str(tools.cache / "cargo"), **SETTINGS}
        env |= {"CARGO_NET_OFFLINE": "true"} if tools.offline else {}
        here = cls._asked(tools, folder, env)
        if not asked or is_version(here.version, asked):
            return here
        if tools.which("rustup") is not None:
            other = cls._asked(tools, folder, {**env, "RUSTUP_TOOLCHAIN": asked, "RUSTUP_AUTO_INSTALL": "0"}, default=here)
            if is_version(other.version, asked):
                return other
        raise StepError(
            f"Rust {asked} is wanted, and this machine has {here.version}",
            hint=f"`rustup toolchain install {asked}`, or take yours: correct spec.runtime, or `agent lock --update`",
        )

    @classmethod
    def _asked(cls, tools: Tools, folder: Path, env: Mapping[str, str], default: Rust | None = None) -> Rust:
        answer = tools.run(Process(("rustc", "-vV"), cwd=folder, env=env, timeout=600.0))
        said = dict(line.split(": ", 1) for line in answer.stdout.splitlines() if ": " in line)
        if answer.exit_code != 0 or not {"release", "host"} <= said.keys():
            if default is not None:
                return default
            raise StepError("rustc does not say its version", tail=answer.tail, hint="install Rust: https://rustup.rs")
        return cls(said["release"], said["host"], said.get("commit-hash", ""), env)

    def cargo(self, words: tuple[str, ...], folder: Path, tools: Tools, env: Mapping[str, str] = {}) -> Completed:
        """``cargo WORDS`` in ``folder``, with the user's own settings of registries."""
        own = settings_file(tools)
        options = ("--config", str(own)) if own else ()
        return tools.run(Process(("cargo", *words, *options), cwd=folder, env={**self.env, **env}, timeout=TIMEOUT))


def in_stage(*words: str, incremental: bool = False) -> Run:
    """``cargo WORDS`` in a build stage."""
    places = {"CARGO_HOME": "/cargo", "CARGO_TARGET_DIR": "/target"}
    env = {**places, "RUSTFLAGS": " ".join(FLAGS), INCREMENTAL: str(int(incremental)), **SETTINGS}
    return Run(("env", *(f"{k}={v}" for k, v in env.items()), "cargo", *words), cache=("/cargo",))


def settings_file(tools: Tools) -> Path | None:
    """The user's own of cargo."""
    home = tools.environment("CARGO_HOME") or f"{tools.environment('HOME') or ''}/.cargo"
    return next((path for name in ("config.toml", "config") if (path := Path(home, name)).is_file()), None)


def triple_of(platform: Platform) -> str:
    """rustc's name of a platform with the GNU C library; StepError where it is not one of those that are tried."""
    machine = MACHINES.get(platform.architecture)
    if platform.os != "linux" or machine is None:
        raise StepError(f"Rust agents are not built for {platform}", hint="set build.platforms to linux/amd64 or linux/arm64")
    return f"{machine}-unknown-linux-gnu"


def linker_of(rust: Rust, platform: Platform) -> str:
    """The C compiler that links: the host's own, or the one that Debian calls by the machine that it compiles for."""
    triple = triple_of(platform)
    return "cc" if rust.host == triple else f"{MACHINES[platform.architecture]}-linux-gnu-gcc"


def linker_version(rust: Rust, platform: Platform, tools: Tools) -> str:
    """``(Debian 12.2.0-14) 12.2.0``: what the linker says behind its name; StepError when it is not there."""
    linker = linker_of(rust, platform)
    if tools.which(linker) is None:
        raise StepError(
            f"{linker} is not installed, which links programs for {platform}",
            hint="install a C compiler (Debian: gcc" + ("" if linker == "cc" else f"-{linker.removesuffix('-gcc')}") + ")",
        )
    answer = tools.run(Process((linker, "--version"), env={**rust.env, "LC_ALL": "C"}, timeout=60.0))
    return answer.stdout.partition("\n")[0].partition(" ")[2].strip()


def compile_program(compilation: Compilation, into: Path, tools: Tools) -> None:
    """The layer's one path, below ``into``.

    Raises:
        StepError: a tool has another version than agent.lock says, a crate can't be had, or the code does not compile.
    """
    layer, sources, platform = compilation.layer, compilation.sources, compilation.platform
    rust = _locked(compilation, tools)
    write_locked(layer.locked, sources)
    triple, chosen = triple_of(platform), layer.settings["bin"]
    words = ("build", "--release", "--locked", "--target", triple, "--bin", chosen)
    tools.progress(f"compiling {chosen}")
    done = rust.cargo(words, sources, tools, _environment(rust, compilation, tools))
    if done.exit_code != 0:
        raise refused(done.tail, "the agent does not compile", offline=tools.offline)
    program = into / layer.paths[0].lstrip("/")
    program.parent.mkdir(parents=True)
    shutil.copyfile(sources / "target" / triple / "release" / chosen, program)
    program.chmod(0o755)
    _check_glibc(program, compilation.base)


def _locked(compilation: Compilation, tools: Tools) -> Rust:
    locked = compilation.layer.locked.tools
    if "rustc" not in locked:
        raise StepError("agent.lock names no Rust to compile with", hint="install Rust, then run `agent lock --update`")
    rust = Rust.found(tools, compilation.sources, locked["rustc"])
    linker = linker_version(rust, compilation.platform, tools)
    if linker != locked.get("cc"):
        raise StepError(
            f"agent.lock was made with the C compiler {locked.get('cc')}, and this machine has {linker}",
            hint="build where it was made or with --builder docker, or take yours with `agent lock --update`",
        )
    return rust


def _environment(rust: Rust, compilation: Compilation, tools: Tools) -> dict[str, str]:
    """Paths of this machine become those of a build stage; so do the paths of C sources that crates bring."""
    sources, home = compilation.sources, tools.cache / "cargo"
    paths = {str(sources): "/src", str(home): "/cargo", **_library(rust, sources, tools)}
    flags = (*FLAGS, *(f"--remap-path-prefix={old}={new}" for old, new in paths.items()))
    prefixes = shlex.join(f"-ffile-prefix-map={old}={new}" for old, new in paths.items())
    triple = triple_of(compilation.platform)
    linker = linker_of(rust, compilation.platform)
    return {
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
        "CARGO_TARGET_DIR": str(sources / "target"),
        INCREMENTAL: str(int("incremental" in compilation.layer.settings)),
        f"CARGO_TARGET_{triple.upper().replace('-', '_')}_LINKER": linker,
        f"CC_{triple.replace('-', '_')}": linker,
        "CC_SHELL_ESCAPED_FLAGS": "1",  # the crate cc else splits at every space, and a path may hold some
        "CFLAGS": prefixes,
        "CXXFLAGS": prefixes,
    }


def _library(rust: Rust, folder: Path, tools: Tools) -> dict[str, str]:
    """Where rustup's component rust-src is installed, rustc names the standard library's files by their real place."""
    answer = tools.run(Process(("rustc", "--print", "sysroot"), cwd=folder, env=rust.env, timeout=60.0))
    place = Path(answer.stdout.strip(), "lib/rustlib/src/rust")
    return {str(place): f"/rustc/{rust.commit}"} if rust.commit and place.is_dir() else {}


def _check_glibc(program: Path, base: LockedBase) -> None:
    """StepError when it asks for functions that the base's C library is too old for: it would not start."""
    version = next((file.version for file in base.files if file.name == "libc6"), "")
    has = re.match(r"2\.(\d+)", version)
    wanted = max((int(found[2]) for found in _SYMBOL.finditer(program.read_bytes())), default=0)
    if has and wanted > int(has[1]):
        raise StepError(
            f"the agent is linked with glibc 2.{wanted} of this machine, and {base.reference} has {has[0]}",
            hint="name a newer base in build.baseImage, or build on an older machine or with --builder docker",
        )
