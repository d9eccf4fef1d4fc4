"""What tests of compiled languages stand on: tools of a step, a place to compile in, and modules served from a folder."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Mapping
from pathlib import Path

from http_servers import Answer, http_server
from plugins.python.python_workbench import make_tools

from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies
from aac_tasks.contracts.recipe import CompiledLayer, Stage
from aac_tasks.contracts.roles import Compilation, Compiler
from aac_tasks.steps.tools import StepTools

BASE = LockedBase("debian", "debian:trixie", Platform())


def tools_in(folder: Path, **environment: str) -> StepTools:
    """A user's tools, with everything they keep below ``folder``; Go and Rust are told what ``environment`` says."""
    return make_tools(folder, **environment)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def compiled(compiler: Compiler, sources: Path, locked: LockedDependencies, tools: StepTools, **more: object) -> bytes:
    """The program /app/hello that ``compiler`` makes of a folder."""
    settings = more.pop("settings", {})
    platform = more.pop("platform", Platform())
    base = more.pop("base", BASE)
    layer = CompiledLayer(compiler.name, "", locked, ("/app/hello",), Stage("", ()), settings, **more)  # type: ignore[arg-type]
    with tools.scratch() as into:
        compiler.compile(Compilation(layer, base, platform, sources), into, tools)  # type: ignore[arg-type]
        program = into / "app/hello"
        assert program.stat().st_mode & 0o100
        return program.read_bytes()


GREETER = {
    "go.mod": "module example.org/greeter\n\ngo 1.21\n",
    "greeter.go": 'package greeter\n\n// Hello greets.\nfunc Hello() string { return "hello" }\n',
}


def module_proxy(folder: Path) -> str:
    """A module proxy in a folder (https://go.dev/ref/mod#goproxy-protocol) with one module; its address."""
    module, version = "example.org/greeter", "v1.0.0"
    place = folder / module / "@v"
    place.mkdir(parents=True, exist_ok=True)
    (place / "list").write_text(f"{version}\n")
    (place / f"{version}.info").write_text(f'{{"Version": "{version}", "Time": "2024-01-01T00:00:00Z"}}')
    (place / f"{version}.mod").write_text(GREETER["go.mod"])
    with zipfile.ZipFile(place / f"{version}.zip", "w") as archive:
        for name, text in GREETER.items():
            archive.writestr(f"{module}@{version}/{name}", text)
    return f"file://{folder}"


def crate_folder(folder: Path) -> None:
    """One crate, named as its folder, of a directory source
    (https://doc.rust-lang.org/cargo/reference/source-replacement.html).
    """
    files = {
        "Cargo.toml": f'[package]\nname = "{folder.name}"\nversion = "1.0.0"\nedition = "2021"\n',
        "src/lib.rs": 'pub fn hello() -> &\'static str {\n    "hello"\n}\n',
    }
    write(folder, files)
    sums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    (folder / ".cargo-checksum.json").write_text(json.dumps({"files": sums, "package": "1" * 64}))


def run(program: bytes, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = folder / "program"
    path.write_bytes(program)
    path.chmod(0o755)
    return subprocess.run((path, *words), capture_output=True, text=True, timeout=30, check=False)


def check_probe(program: bytes, folder: Path) -> None:
    """What any probe must do: PORT SECONDS [PATH]."""
    statuses = {"/well": 200, "/moved": 302, "/ill": 503}
    with http_server(lambda seen: Answer(statuses.get(seen.path, 404))) as server:
        port = server.address.rpartition(":")[2]
        said = {path: run(program, folder, port, "5", path).returncode for path in (*statuses, "/gone")}
        assert said == {"/well": 0, "/moved": 0, "/ill": 1, "/gone": 1}
        assert run(program, folder, port, "5").returncode == 0
    assert run(program, folder, port, "5").returncode == 1
    assert run(program, folder, port, "5", "/well").returncode == 1
    assert run(program, folder).returncode == 1
    assert run(program, folder, "port", "5").returncode == 1
