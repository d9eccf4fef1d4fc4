"""The commands of a Rust stage, run by the real cargo: which crates they compile, and from which sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import BASE, write

from aac_plugins.runtimes.rust import RustRuntime
from aac_plugins.runtimes.rust_crates import resolve
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import CompiledLayer, Context, Instruction, Run, Write
from aac_tasks.contracts.spec import AgentSpec, Metadata
from aac_tasks.steps.tools import StepTools

pytestmark = [pytest.mark.real, pytest.mark.network]

MANIFEST = """\
[package]
name = "hello-again"
version = "0.1.0"
edition = "2021"
[dependencies]
itoa = "1"
"""
OLD = 978307200
"""2001: a source that is older than everything that cargo has compiled."""


def executed(instruction: Instruction, root: Path, sources: Path) -> str:
    """What it says, with the stage's absolute paths below ``root``."""
    if isinstance(instruction, Context):
        shutil.copytree(sources, root / "src", dirs_exist_ok=True)  # with its dates, as engines copy
        return ""
    if isinstance(instruction, Write):
        write(root, {instruction.target.lstrip("/"): instruction.text})
        return ""
    assert isinstance(instruction, Run)
    words = [re.sub(r"(^|=)/(cargo|crates|made|src|target)(?=/|$)", rf"\1{root}/\2", word) for word in instruction.argv]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def crates_in(said: str) -> set[str]:
    return set(re.findall(r"Compiling (\S+) v", said))


def test_crates_are_compiled_once_and_an_old_source_never_passes_for_compiled(rust: StepTools, tmp_path: Path) -> None:
    locked = resolve(DependencyRequest(files={"Cargo.toml": MANIFEST}), Platform(), rust)
    known = Facts(Path("agents/hello"), dict(locked.texts), frozenset(("src/main.rs", *locked.texts)))
    layer = RustRuntime().recipe(AgentSpec(Metadata("hello"), "rust"), known, LockedPlatform(Platform(), BASE, locked)).layers[-1]
    assert isinstance(layer, CompiledLayer)
    root, sources = tmp_path / "root", write(tmp_path / "sources", {**locked.texts, "src/main.rs": ""})
    own = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"), "config.toml")
    write(root / "cargo", {"config.toml": own.read_text() if own.is_file() else ""})
    at = next(i for i, one in enumerate(layer.stage.instructions) if isinstance(one, Context))
    said = "".join(executed(one, root, sources) for one in layer.stage.instructions[:at])
    assert crates_in(said) == {"itoa", "hello-again"}
    shutil.copytree(root, tmp_path / "layer")
    for answer in ("first", "other"):
        shutil.rmtree(root)  # each edit starts from the layer of the crates, not from the edit before
        shutil.copytree(tmp_path / "layer", root)
        write(sources, {"src/main.rs": f'fn main() {{ println!("{answer} {{}}", itoa::Buffer::new().format(7)); }}\n'})
        for path in sources.rglob("*"):
            os.utime(path, (OLD, OLD))
        said = "".join(executed(one, root, sources) for one in layer.stage.instructions[at:])
        assert crates_in(said) == {"hello-again"}
        program = layer.stage.made["/app/hello"]
        made = subprocess.run(f"{root}{program}", capture_output=True, text=True, timeout=30, check=True)
        assert made.stdout == f"{answer} 7\n"
