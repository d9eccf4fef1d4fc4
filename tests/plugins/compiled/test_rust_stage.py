"""The commands of a Rust stage, run by the real cargo: which crates they compile, and from which sources."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import BASE, write

from aac_plugins.runtimes.rust import RustRuntime
from aac_plugins.runtimes.rust_crates import resolve
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedPlatform
from aac_tasks.contracts.recipe import CompiledLayer, Context, Instruction, Run, Write
from aac_tasks.contracts.spec import AgentSpec, Metadata
from aac_tasks.discovery import known_of
from aac_tasks.steps.tools import StepTools

pytestmark = [pytest.mark.real, pytest.mark.network]

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


@dataclass
class Bench:
    """A stage, its instructions before the sources done once; each build goes on from there, not from the build before."""

    layer: CompiledLayer
    folder: Path
    sources: Path
    first: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        own = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"), "config.toml")
        write(self.folder / "root/cargo", {"config.toml": own.read_text() if own.is_file() else ""})
        before, _ = self.halves
        self.first = crates_in("".join(executed(one, self.folder / "root", self.sources) for one in before))
        shutil.copytree(self.folder / "root", self.folder / "layer")

    @property
    def halves(self) -> tuple[Sequence[Instruction], Sequence[Instruction]]:
        """Before any source is there, and from the sources on."""
        every = self.layer.stage.instructions
        at = next(i for i, one in enumerate(every) if isinstance(one, Context))
        return every[:at], every[at:]

    def built(self, edited: Mapping[str, str] = {}) -> tuple[set[str], str]:
        """The crates that were compiled, of sources that are all old, and what the program says."""
        root = self.folder / "root"
        shutil.rmtree(root)
        shutil.copytree(self.folder / "layer", root)
        write(self.sources, edited)
        for path in self.sources.rglob("*"):
            os.utime(path, (OLD, OLD))
        said = "".join(executed(one, root, self.sources) for one in self.halves[1])
        program = self.layer.stage.made["/app/hello"]
        ran = subprocess.run(f"{root}{program}", capture_output=True, text=True, timeout=30, check=True)
        return crates_in(said), ran.stdout


def staged(folder: Path, files: Mapping[str, str], tools: StepTools, program: str = "") -> Bench:
    """The stage of an agent with these files, as planning makes it of what it knows of them."""
    runtime, sources = RustRuntime(), write(folder / "sources", files)
    spec = AgentSpec(Metadata("hello"), "rust", config={"rust": {"bin": program}} if program else {})
    subprocess.run(("cargo", "generate-lockfile", "-q"), cwd=sources, timeout=120, check=True)
    _, known = known_of(runtime, spec, sources, folder / "agent.lock")
    locked = resolve(runtime.plan(spec, known).dependencies, Platform(), tools)
    layer = runtime.recipe(spec, known, LockedPlatform(Platform(), BASE, locked)).layers[-1]
    assert isinstance(layer, CompiledLayer)
    return Bench(layer, folder, sources)


def package(name: str, *dependencies: str, more: str = "") -> str:
    about = f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'
    return "\n".join((about + more, "[dependencies]", *dependencies, ""))


def test_crates_are_compiled_once_and_an_old_source_never_passes_for_compiled(rust: StepTools, tmp_path: Path) -> None:
    files = {"Cargo.toml": package("hello-again", 'itoa = "1"'), "src/main.rs": "fn main() {}\n"}
    bench = staged(tmp_path, files, rust)
    assert bench.first == {"itoa", "hello-again"}
    for answer in ("first", "other"):
        text = f'fn main() {{ println!("{answer} {{}}", itoa::Buffer::new().format(7)); }}\n'
        assert bench.built({"src/main.rs": text}) == ({"hello-again"}, f"{answer} 7\n")


MAIN = 'fn main() { println!("one {} {}", part::word(), itoa::Buffer::new().format(7)); }\n'
WORD = 'pub fn word() -> &\'static str { "two" }\n'
PART = {"part/Cargo.toml": package("part", 'itoa = "1"'), "part/src/lib.rs": WORD}
NEEDS = ('itoa = "1"', 'part = { path = "part" }')
SCRIPT = 'fn main() { println!("cargo:rustc-env=SAID=two{}", itoa::Buffer::new().format(0)); }\n'
STRICT = '[lints.rust]\nmissing_docs = "deny"\nunused = "deny"\nunused_crate_dependencies = "deny"\nunsafe_code = "forbid"\n'
SHAPES: dict[str, tuple[dict[str, str], str]] = {
    "a dependency by path, and one of its own": (
        {"Cargo.toml": package("hello-again", *NEEDS), "src/main.rs": MAIN, **PART,
         "part/Cargo.toml": package("part", 'below = { path = "../deep/below" }'),
         "part/src/lib.rs": "pub use below::word;\n",
         "deep/below/Cargo.toml": package("below", more='[lib]\npath = "code.rs"\n'), "deep/below/code.rs": WORD},
        "deep/below/code.rs"),
    "a workspace with the agent at its root, and a member that it does not need": (
        {"Cargo.toml": '[workspace]\nmembers = ["p*", "tools/*"]\n' + package("hello-again", *NEEDS), "src/main.rs": MAIN, **PART,
         "tools/tool/Cargo.toml": package("tool", 'part = { path = "../../part" }', more='default-run = "run"\n'),
         "tools/tool/src/bin/run.rs": "fn main() {}\n", "tools/README.md": "no package\n"},
        "part/src/lib.rs"),
    "a workspace with the agent among its members, which inherit from it": (
        {"Cargo.toml": '[workspace]\nmembers = ["agents/*", "part"]\nresolver = "2"\n[workspace.dependencies]\n'
                       'part = { path = "part" }\n[profile.release]\nopt-level = 1\n',
         "agents/again/Cargo.toml": package("hello-again", 'itoa = "1"', "part = { workspace = true }"),
         "agents/again/src/main.rs": MAIN, **PART},
        "part/src/lib.rs"),
    "a member with a build script that needs crates": (
        {"Cargo.toml": package("hello-again", *NEEDS), "src/main.rs": MAIN, **PART,
         "part/Cargo.toml": package("part", more='[build-dependencies]\nitoa = "1"\n'),
         "part/build.rs": SCRIPT, "part/src/lib.rs": 'pub fn word() -> &\'static str { &env!("SAID")[..3] }\n'},
        "part/build.rs"),
    "a crate of macros": (
        {"Cargo.toml": package("hello-again", *NEEDS), "src/main.rs": MAIN.replace("part::word()", "part::word!()"), **PART,
         "part/Cargo.toml": package("part", more="[lib]\nproc-macro = true\n"),
         "part/src/lib.rs": "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream "
                            '{ "\\"two\\"".parse().unwrap() }\n'},
        "part/src/lib.rs"),
    "code that must be documented and used": (
        {"Cargo.toml": package("hello-again", *NEEDS, STRICT), "src/main.rs": f"//! Says it.\n{MAIN}",
         "part/Cargo.toml": package("part", 'itoa = "1"', STRICT),
         "part/src/lib.rs": f"//! A word.\nuse itoa as _;\n\n/// One.\n{WORD}"},
        "part/src/lib.rs"),
    "a program that no manifest names": (
        {"Cargo.toml": package("of-many", *NEEDS), "src/bin/hello-again.rs": MAIN, "src/lib.rs": "", **PART},
        "part/src/lib.rs"),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_an_edit_of_the_author_s_packages_compiles_no_crate_of_a_registry(
    shape: str, rust: StepTools, tmp_path: Path
) -> None:
    files, part = SHAPES[shape]
    bench = staged(tmp_path, files, rust, "hello-again")
    own = {name for text in files.values() for name in re.findall(r'^name = "(.+)"$', text, re.MULTILINE)} - {"tool"}
    assert bench.first == {"itoa", *own}
    main = next(name for name in files if files[name].endswith(MAIN[-20:]))
    assert bench.built() == (own, "one two 7\n")
    assert bench.built({main: files[main].replace("one", "edited")}) == (own, "edited two 7\n")
    assert bench.built({part: files[part].replace("two", "six")}) == (own, "edited six 7\n")


def test_a_crate_that_depends_on_the_author_s_is_compiled_with_its_sources(rust: StepTools, tmp_path: Path) -> None:
    """In place of one of a registry (``[patch]``): nothing is compiled before, and all with each edit."""
    patch = '[patch.crates-io]\nitoa = { path = "itoa" }\n'
    files = {
        "Cargo.toml": package("hello-again", 'serde_json = "1"', patch),
        "src/main.rs": 'fn main() { println!("{}", serde_json::json!(7)); }\n',
        "itoa/Cargo.toml": package("itoa").replace("0.1.0", "1.0.99"),
        "itoa/src/lib.rs": """
            pub struct Buffer;
            impl Buffer {
                pub fn new() -> Self { Buffer }
                pub fn format<T>(&mut self, _: T) -> &str { "mine" }
            }
        """,
    }
    bench = staged(tmp_path, files, rust)
    assert bench.first == set()
    compiled, said = bench.built()
    assert {"hello-again", "itoa", "serde_json"} <= compiled
    assert said == "mine\n"
