"""A Rust program from its sources, and its lock: real rustc and cargo, crates of crates.io."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from plugins.compiled.compile_bench import BASE, check_probe, compiled, run, tools_in, write

from aac_plugins.runtimes.compiled_probe import RUST
from aac_plugins.runtimes.rust import RustRuntime
from aac_plugins.runtimes.rust_crates import manifest, resolve
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies, LockedFile
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools

pytestmark = pytest.mark.real
RUNTIME = RustRuntime()
MAIN = 'fn main() {\n    println!("{}", std::env::args().count());\n}\n'
BARE, _ = manifest("hello", (), "src/main.rs")
OWN = DependencyRequest(files={"Cargo.toml": BARE})
BIN = {"bin": "hello"}


def wanted(*dependencies: str) -> DependencyRequest:
    text, problems = manifest("hello", dependencies, "src/main.rs")
    assert problems == ()
    return DependencyRequest(files={"Cargo.toml": text})


@pytest.mark.network
def test_a_program_is_the_same_on_two_machines_whatever_was_there_before(rust: StepTools, tmp_path: Path) -> None:
    """With a crate that runs at compile time (derive), one that compiles C, and a message that holds a file's name."""
    text = """
        #[derive(serde::Serialize)]
        struct Said { words: usize }

        fn main() {
            let said = Said { words: std::env::args().count() };
            println!("{}", serde_json::to_string(&said).expect("it is written"));
            assert!(deflates(), "compressed");
        }

        fn deflates() -> bool {
            use std::io::Write;
            let mut out = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            out.write_all(b"hello").is_ok() && out.finish().expect("it ends").len() > 5
        }
    """
    zlib = 'flate2 = { version = "1", default-features = false, features = ["zlib"] }'
    locked = resolve(wanted('serde = { version = "1", features = ["derive"] }', "serde_json@1", zlib), Platform(), rust)
    first = compiled(RUNTIME, write(tmp_path / "one", {"src/main.rs": text}), locked, rust, settings=BIN)
    there = tmp_path / "somewhere/much deeper"
    other = tools_in(there / "user", HOME=str(there), TZ="Asia/Kolkata", LANG="de_DE.UTF-8", RUSTFLAGS="-C target-cpu=native",
                     RUSTUP_HOME=os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup")))  # fmt: skip
    before = os.umask(0o077)
    try:
        second = compiled(RUNTIME, write(there / "two", {"src/main.rs": text}), locked, other, settings=BIN)
    finally:
        os.umask(before)
    assert second == first
    for place in (tmp_path, Path.home()):
        assert str(place).encode() not in first
    assert run(first, tmp_path).stdout == '{"words":1}\n'
    write(tmp_path / "one", {"src/main.rs": text.replace("hello", "HELLO")})
    assert compiled(RUNTIME, tmp_path / "one", locked, rust, settings=BIN) != first
    write(tmp_path / "one", {"src/main.rs": text})
    assert compiled(RUNTIME, tmp_path / "one", locked, rust, settings=BIN) == first, "with warm caches"


@pytest.mark.network
def test_of_several_packages_an_edit_compiles_those_that_hold_it_and_nothing_stale_is_left(
    rust: StepTools, tmp_path: Path
) -> None:
    part = BARE.partition("\n[[bin]]")[0].replace("hello", "part")
    files = {
        "Cargo.toml": f'{BARE}\nitoa = "1"\npart = {{ path = "part" }}\nmac = {{ path = "mac" }}\n',
        "src/main.rs": 'fn main() { println!("one {} {} {}", part::word(), mac::word!(), itoa::Buffer::new().format(7)); }\n',
        "part/Cargo.toml": f'{part}\n[build-dependencies]\nitoa = "1"\n',
        "part/build.rs": 'fn main() { println!("cargo:rustc-env=SAID=two{}", itoa::Buffer::new().format(0)); }\n',
        "part/src/lib.rs": 'pub fn word() -> &\'static str { env!("SAID") }\n',
        "mac/Cargo.toml": f"{part.replace('part', 'mac')}\n[lib]\nproc-macro = true\n",
        "mac/src/lib.rs": "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream "
                          '{ "\\"three\\"".parse().unwrap() }\n',
    }  # fmt: skip
    place = write(tmp_path / "kept", files)
    subprocess.run(("cargo", "generate-lockfile", "-q"), cwd=place, check=True, timeout=120)
    request = DependencyRequest(files={name: (place / name).read_text() for name in ("Cargo.toml", "Cargo.lock")})
    locked = resolve(request, Platform(), rust)
    assert run(compiled(RUNTIME, place, locked, rust, settings=BIN), tmp_path).stdout == "one two0 three 7\n"
    crates = {path: path.stat().st_mtime_ns for path in place.glob("target/**/libitoa-*.rlib")}
    assert len(crates) == 2, "for the program, and for the build script"
    edits = {"src/main.rs": ("one", "uno"), "part/build.rs": ("two", "due"), "mac/src/lib.rs": ("three", "tre")}
    for name, (old, new) in edits.items():
        files[name] = files[name].replace(old, new)
        write(place, {name: files[name]})
        program = compiled(RUNTIME, place, locked, rust, settings=BIN)
    assert run(program, tmp_path).stdout == "uno due0 tre 7\n"
    assert {path: path.stat().st_mtime_ns for path in place.glob("target/**/libitoa-*.rlib")} == crates
    fresh = write(tmp_path / "fresh", {**files, **locked.texts})
    assert compiled(RUNTIME, fresh, locked, rust, settings=BIN) == program


INCREMENTAL = f"{BARE}\n[profile.release]\nincremental = true\n"


def test_a_program_that_is_compiled_incrementally_does_not_depend_on_what_was_compiled_before(
    rust: StepTools, tmp_path: Path
) -> None:
    text = """
        use std::collections::BTreeMap;

        fn main() {
            let mut words: BTreeMap<String, usize> = BTreeMap::new();
            for word in std::env::args().skip(1) {
                *words.entry(word).or_default() += 1;
            }
            println!("{words:?} {}", sum(&words));
        }

        fn sum(words: &BTreeMap<String, usize>) -> usize { words.values().sum() }
    """
    locked = resolve(DependencyRequest(files={"Cargo.toml": INCREMENTAL}), Platform(), rust)
    settings = {**BIN, "incremental": "true"}
    kept = write(tmp_path / "kept", {"src/main.rs": text})
    programs = [compiled(RUNTIME, kept, locked, rust, settings=settings)]
    assert list(kept.glob("target/*/release/incremental/*"))
    edits = (
        ("+= 1", "+= 2"),
        ("{words:?}", "of {words:?}"),
        ("fn sum", "/// Adds.\n#[inline(never)]\nfn sum"),
        (".sum()", ".max().map_or(0, |most| *most)"),
    )
    for old, new in edits:
        text = text.replace(old, new)
        write(kept, {"src/main.rs": text})
        programs.append(compiled(RUNTIME, kept, locked, rust, settings=settings))
        fresh = write(tmp_path / f"fresh{len(programs)}", {"src/main.rs": text})
        assert compiled(RUNTIME, fresh, locked, rust, settings=settings) == programs[-1]
    assert len(set(programs)) >= len(edits)
    assert run(programs[-1], tmp_path).stdout == "of {} 0\n"


def test_a_machine_s_own_settings_do_not_make_it_incremental(rust: StepTools, tmp_path: Path) -> None:
    locked = resolve(OWN, Platform(), rust)
    own = write(tmp_path / "own", {"config.toml": "[build]\nincremental = true\n"})
    rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
    tools = tools_in(tmp_path / "user", CARGO_HOME=str(own), RUSTUP_HOME=rustup)
    place = write(tmp_path / "one", {"src/main.rs": MAIN})
    compiled(RUNTIME, place, locked, tools, settings=BIN)
    assert not list(place.glob("target/**/incremental/*"))


@pytest.mark.network
def test_crates_are_pinned_in_cargo_lock_and_one_that_is_not_there_is_named(rust: StepTools) -> None:
    locked = resolve(wanted("itoa@1.0"), Platform(), rust)
    assert 'name = "itoa"' in locked.texts["Cargo.lock"] and "checksum" in locked.texts["Cargo.lock"]
    assert set(locked.tools) == {"rustc", "cc"}
    with pytest.raises(StepError, match="there is no crate no-such-crate-at-all-here"):
        resolve(wanted("no-such-crate-at-all-here@1"), Platform(), rust)
    with pytest.raises(StepError, match=r"there is no version that satisfies itoa = \"\^99\""):
        resolve(wanted("itoa@99"), Platform(), rust)


def test_a_cargo_lock_is_taken_as_it_is_and_a_package_of_several_targets_can_be_locked(rust: StepTools) -> None:
    files = {"Cargo.toml": BARE, "Cargo.lock": "# mine\nversion = 3\n"}
    assert resolve(DependencyRequest(files=files), Platform(), rust).texts == files
    targets = '\n[lib]\n\n[[bin]]\nname = "other"\n\n[[test]]\nname = "all"\npath = "checks/all.rs"\n'
    assert "Cargo.lock" in resolve(DependencyRequest(files={"Cargo.toml": BARE + targets}), Platform(), rust).texts


def test_without_cargo_a_complete_lock_is_still_one_for_an_engine_and_anything_else_says_what_to_install(tmp_path: Path) -> None:
    tools = tools_in(tmp_path, PATH="/nowhere")
    files = {"Cargo.toml": BARE, "Cargo.lock": "version = 3\n"}
    assert resolve(DependencyRequest(files=files), Platform(), tools) == LockedDependencies(texts=files)
    with pytest.raises(StepError, match=r"cargo is not installed, .*\n.*install Rust \(https://rustup\.rs\)"):
        resolve(OWN, Platform(), tools)


@pytest.mark.parametrize(
    ("text", "message", "tail"),
    [
        ("fn main() {\n    undefined();\n}\n", "the agent does not compile", "--> src/main.rs:2:5"),
        ("use itoa::Buffer;\nfn main() {}\n", "the agent does not compile", "--> src/main.rs:1:5"),
    ],
)
def test_what_does_not_compile_is_told_with_file_and_line(
    rust: StepTools, tmp_path: Path, text: str, message: str, tail: str
) -> None:
    locked = resolve(OWN, Platform(), rust)
    with pytest.raises(StepError) as caught:
        compiled(RUNTIME, write(tmp_path / "one", {"src/main.rs": text}), locked, rust, settings=BIN)
    assert caught.value.message == message
    assert tail in caught.value.tail


def test_tools_of_other_versions_are_refused_naming_both(rust: StepTools, tmp_path: Path) -> None:
    locked = resolve(OWN, Platform(), rust)
    sources = write(tmp_path / "one", {"src/main.rs": MAIN})
    older = replace(locked, tools={**locked.tools, "rustc": "1.2.3"})
    said = rf"Rust 1\.2\.3 is wanted, and this machine has {locked.tools['rustc']}(.|\n)*rustup toolchain install"
    with pytest.raises(StepError, match=said):
        compiled(RUNTIME, sources, older, rust, settings=BIN)
    other = replace(locked, tools={**locked.tools, "cc": "(Elsewhere) 1.0"})
    said = r"made with the C compiler \(Elsewhere\) 1\.0, and this machine has (.|\n)*agent lock --update"
    with pytest.raises(StepError, match=said):
        compiled(RUNTIME, sources, other, rust, settings=BIN)
    with pytest.raises(StepError, match=r"agent.lock names no Rust to compile with"):
        compiled(RUNTIME, sources, LockedDependencies(), rust, settings=BIN)


def test_a_cargo_lock_that_does_not_fit_is_refused_and_not_written_anew(rust: StepTools, tmp_path: Path) -> None:
    locked = resolve(OWN, Platform(), rust)
    texts = {"Cargo.toml": BARE + 'itoa = "1"\n', "Cargo.lock": locked.texts["Cargo.lock"]}
    with pytest.raises(StepError, match=r"Cargo.lock does not fit Cargo.toml(.|\n)*cargo generate-lockfile"):
        compiled(RUNTIME, write(tmp_path / "one", {"src/main.rs": MAIN}), replace(locked, texts=texts), rust, settings=BIN)


def test_a_program_that_wants_a_newer_c_library_than_the_base_has_is_no_image(rust: StepTools, tmp_path: Path) -> None:
    old = replace(BASE, files=(LockedFile("libc6", "2.2.5-11", "https://x/libc6.deb", "0" * 64),))
    sources, locked = write(tmp_path / "one", {"src/main.rs": MAIN}), resolve(OWN, Platform(), rust)
    with pytest.raises(StepError, match=r"linked with glibc 2\.\d+ of this machine, and debian:trixie has 2\.2"):
        compiled(RUNTIME, sources, locked, rust, settings=BIN, base=old)


def test_another_machine_s_linker_is_asked_for_by_its_package(rust: StepTools) -> None:
    with pytest.raises(StepError, match=r"Rust agents are not built for linux/s390x"):
        resolve(OWN, Platform("linux", "s390x"), rust)


def test_the_probe_answers_for_a_server_that_is_well_and_for_no_other(rust: StepTools, tmp_path: Path) -> None:
    tools = LockedDependencies(tools=resolve(OWN, Platform(), rust).tools)
    sources = write(tmp_path / "probe", RUST)
    check_probe(compiled(RUNTIME, sources, tools, rust, settings={"bin": "probe"}, texts=RUST), tmp_path)
