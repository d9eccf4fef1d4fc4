"""What a Rust agent's plan says: pure, without cargo."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugins.compiled.compile_bench import write

from aac_plugins.runtimes.compiled import PROBE
from aac_plugins.runtimes.rust import RustRuntime
from aac_plugins.runtimes.rust_crates import manifest, parsed, program_in
from aac_plugins.runtimes.rust_packages import folder_of, manifests_named, packages_in, without_sources
from aac_tasks.conformance.runtime import RuntimeUnderTest
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import CompiledLayer, Context, Recipe, Run, Write
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec, Build, Metadata, Port
from aac_tasks.discovery import known_of
from aac_tasks.plan.dockerfile import render

RUNTIME = RustRuntime()
BASE = LockedBase("debian", "debian:trixie", Platform())
OWN = '[package]\nname = "mine"\nversion = "1.0.0"\n'
TEXTS = {"Cargo.toml": OWN, "Cargo.lock": "version = 4\n"}
LOCKED = LockedDependencies(texts=TEXTS, tools={"rustc": "1.95.0", "cc": "12"})


def spec(**changes: object) -> AgentSpec:
    return AgentSpec(Metadata("hello"), "rust", **changes)  # type: ignore[arg-type]


def facts(*exists: str, texts: dict[str, str] | None = None) -> Facts:
    return Facts(Path("agents/hello"), texts or {}, frozenset((*(exists or ("src/main.rs",)), *(texts or {}))))


def planned(known: Facts | None = None, **changes: object) -> RuntimePlan:
    return RUNTIME.plan(spec(**changes), known or facts())


def recipe(known: Facts | None = None, **changes: object) -> Recipe:
    return RUNTIME.recipe(spec(**changes), known or facts(texts=TEXTS), LockedPlatform(Platform(), BASE, LOCKED))


def test_the_base_has_the_libraries_that_rust_links_with_and_the_toolchain_is_beside_it() -> None:
    answer = planned(version="1.85")
    assert (answer.base.reference, answer.base.packages, answer.base.runtime) == ("debian:trixie", ("libgcc-s1",), "")
    assert answer.toolchain is not None
    assert (answer.toolchain.reference, answer.toolchain.version) == ("docker.io/library/rust:1.85", "1.85")
    assert (answer.needs, answer.entrypoint, answer.problems) == (("tool:cargo", "tool:cc"), ("/app/hello",), ())
    assert answer.dependencies.requirements == ("rustc@1.85",)


def test_without_cargo_toml_one_is_written_from_the_dependencies() -> None:
    full = 'tokio = { version = "1.40", features = ["full"] }'
    request = planned(facts("main.rs"), dependencies=("serde@1", "anyhow", "log@=0.4.22", full, 'rand = "0.8"')).dependencies
    made = parsed(request.files["Cargo.toml"])
    assert made["bin"] == [{"name": "hello", "path": "main.rs"}]
    assert made["dependencies"] == {
        "serde": "1", "anyhow": "*", "log": "=0.4.22", "rand": "0.8", "tokio": {"version": "1.40", "features": ["full"]},
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["serde==1", "serde 1", "../local", 'x = { path = "../x" }', 'serde = "1"\n[profile.release]', "a = 1", "", '"a" ='],
)
def test_what_is_no_crate_is_refused_with_what_would_be_one(text: str) -> None:
    _, ((path, message),) = manifest("hello", ("serde@1", text), "src/main.rs")
    assert path == "spec.dependencies[1]"
    assert "expected CRATE@VERSION, as in serde@1" in message


@pytest.mark.parametrize(
    ("known", "changes", "path"),
    [
        (facts(texts=TEXTS), {"dependencies": ("serde@1",)}, "spec.dependencies"),
        (facts("README.md"), {}, "spec.runtime"),
        (facts(), {"build": Build(base_image="alpine:3.22")}, "spec.build.baseImage"),
        (facts(), {"build": Build(base_image="scratch")}, "spec.build.baseImage"),
        (facts(), {"config": {"rust": {"files": ["../x"]}}}, "spec.config.rust.files[0]"),
    ],
)
def test_what_can_not_be_built_is_a_problem_with_its_place(known: Facts, changes: dict[str, object], path: str) -> None:
    assert [p for p, _ in planned(known, **changes).problems] == [path]


@pytest.mark.parametrize(
    ("more", "program"),
    [
        ("", "mine"),
        ('[[bin]]\nname = "serve"\n', "serve"),
        ('[[bin]]\nname = "a"\n[[bin]]\nname = "b"\n', "mine"),
        ('default-run = "b"\n[[bin]]\nname = "a"\n[[bin]]\nname = "b"\n', "b"),
    ],
)
def test_the_program_is_the_one_that_cargo_run_would_start(more: str, program: str) -> None:
    assert program_in(OWN + more) == program


def test_cargo_toml_that_can_not_be_read_is_left_to_cargo_to_explain() -> None:
    assert planned(facts(texts={"Cargo.toml": "[package"})).problems == ()
    assert program_in("[package") == ""


def test_the_program_is_named_after_the_agent_whatever_cargo_calls_it() -> None:
    made = recipe(config={"rust": {"bin": "serve"}}, ports=(Port(8080),))
    probe, agent = made.layers
    assert isinstance(probe, CompiledLayer) and isinstance(agent, CompiledLayer)
    assert (agent.paths, agent.settings) == (("/app/hello",), {"bin": "serve"})
    assert agent.stage.made == {"/app/hello": "/made/bin/serve"}
    assert probe.paths == (PROBE,)
    text = render(made, lambda base: "base")
    assert "COPY --from=build /made/bin/serve /app/hello" in text
    assert "COPY --from=probe /made/bin/probe /opt/agent/probe" in text
    assert "FROM docker.io/library/rust:1.95.0 AS build" in text


@pytest.mark.parametrize(
    ("profile", "said"),
    [("", "0"), ("[profile.release]\nincremental = true\n", "1"), ("[profile.release]\nincremental = false\n", "0"),
     ("[profile.dev]\nincremental = true\n", "0")],
)  # fmt: skip
def test_cargo_toml_decides_whether_code_is_generated_incrementally(profile: str, said: str) -> None:
    locked = replace(LOCKED, texts={**TEXTS, "Cargo.toml": OWN + profile})
    (agent,) = RUNTIME.recipe(spec(), facts(texts=TEXTS), LockedPlatform(Platform(), BASE, locked)).layers
    assert isinstance(agent, CompiledLayer)
    build = agent.stage.instructions[-1]
    assert isinstance(build, Run) and f"CARGO_INCREMENTAL={said}" in build.argv
    assert ("incremental" in agent.settings) == (said == "1")


def test_cargo_files_that_the_context_has_are_not_written_over_it() -> None:
    (agent,) = recipe().layers
    (generated,) = recipe(facts()).layers
    assert isinstance(agent, CompiledLayer) and isinstance(generated, CompiledLayer)
    assert [i.kind for i in agent.stage.instructions] == ["context", "run"]
    assert [i.kind for i in generated.stage.instructions] == ["context", "write", "write", "run"]


CRATE = '[[package]]\nname = "serde"\nversion = "1.0.0"\nsource = "registry+https://github.com/rust-lang/crates.io-index"\n'
MINE = '[[package]]\nname = "mine"\nversion = "1.0.0"\n'
PATH = '[[package]]\nname = "part"\nversion = "1.0.0"\n'


def lent(manifest: str, lock: str = f"{MINE}{CRATE}") -> set[str]:
    return without_sources({"Cargo.toml": manifest, "Cargo.lock": lock}).keys() - {"Cargo.toml", "Cargo.lock"}


def test_crates_are_compiled_before_any_source_is_there_and_in_another_folder() -> None:
    texts = {"Cargo.toml": OWN, "Cargo.lock": f"{MINE}{CRATE}"}
    locked = LockedPlatform(Platform(), BASE, LockedDependencies(texts=texts, tools={"rustc": "1.95.0", "cc": "12"}))
    agent = RUNTIME.recipe(spec(), facts(texts=texts), locked).layers[-1]
    assert isinstance(agent, CompiledLayer)
    *written, crates, clean, context, build = agent.stage.instructions
    assert {one.target: one.text for one in written if isinstance(one, Write)} == {
        "/crates/Cargo.toml": OWN, "/crates/Cargo.lock": texts["Cargo.lock"], "/crates/src/main.rs": "fn main() {}\n",
    }  # fmt: skip
    assert isinstance(context, Context)
    assert isinstance(crates, Run)
    assert isinstance(clean, Run)
    assert isinstance(build, Run)
    assert {crates.cache, clean.cache, build.cache} == {("/cargo",)}
    assert clean.argv[clean.argv.index("--package") + 1] == "mine"
    assert [("/crates" if word in ("/src", "/made") else word) for word in build.argv] == list(crates.argv)


def test_nothing_is_compiled_before_for_a_package_without_crates_or_with_parts_that_are_elsewhere() -> None:
    assert without_sources({}) == {}
    assert without_sources({"Cargo.toml": OWN}) == {}
    assert without_sources({"Cargo.toml": OWN, "Cargo.lock": MINE}) == {}
    assert without_sources({"Cargo.toml": OWN, "Cargo.lock": f"{MINE}{PATH}{CRATE}"}) == {}
    assert without_sources({"Cargo.toml": f'{OWN}workspace = ".."\n', "Cargo.lock": f"{MINE}{CRATE}"}) == {}


def test_every_target_that_a_manifest_names_is_there_and_a_build_script_where_crates_depend_on_it() -> None:
    assert lent(OWN) == {"src/main.rs"}
    assert lent(f'{OWN}[[bin]]\nname = "mine"\n[[bin]]\nname = "more"\n') == {"src/main.rs", "src/bin/more.rs"}
    assert lent(f'{OWN}[lib]\n[[bin]]\nname = "x"\npath = "x.rs"\n') == {"src/main.rs", "src/lib.rs", "x.rs"}
    assert lent(f'{OWN}[build-dependencies]\ncc = "1"\n') == {"src/main.rs", "build.rs"}
    assert lent(f'{OWN}links = "z"\nbuild = "make.rs"\n') == {"src/main.rs", "make.rs"}
    assert lent(f'{OWN}build = false\n[build-dependencies]\ncc = "1"\n') == {"src/main.rs"}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, str]:
    """An agent with packages in folders of any depth; each one is named by one that was there before it, in one of the ways."""
    names = draw(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=5, unique=True))
    folders, texts = [""], {"Cargo.toml": OWN}
    for name in names:
        folder = posixpath.join(draw(st.sampled_from(("", "libs", "deep/er"))), name)
        by = draw(st.sampled_from(folders))
        place = posixpath.relpath(folder, by or ".")
        texts[posixpath.join(by, "Cargo.toml")] += draw(st.sampled_from((
            f'[dependencies.{name}]\npath = "{place}"\n', f'[target."cfg(unix)".dependencies]\n{name} = {{ path = "{place}" }}\n',
            f'[build-dependencies.{name}]\npath = "{place}"\n', f'[workspace]\nmembers = ["{place}"]\n',
        ))) if parsed(texts[posixpath.join(by, "Cargo.toml")]).keys() == {"package"} else f'[patch.x.{name}]\npath = "{place}"\n'
        texts[f"{folder}/Cargo.toml"] = OWN.replace("mine", name)
        folders.append(folder)
    texts["Cargo.lock"] = CRATE + "".join(f'[[package]]\nname = "{name}"\nversion = "1.0.0"\n' for name in ("mine", *names))
    return texts


@given(trees())
def test_every_package_that_another_one_names_is_found_and_compiled_before_without_its_sources(texts: dict[str, str]) -> None:
    known: dict[str, str | None] = {name: texts[name] for name in ("Cargo.toml", "Cargo.lock")}
    while more := {name: texts.get(name) for name in manifests_named(known) if name not in known}:
        known |= more
    assert known == texts
    made = without_sources(known)
    assert texts.items() <= made.items()
    for one in packages_in(known):
        targets = ("src/main.rs", "src/lib.rs") if one.folder else ("src/main.rs",)
        assert {posixpath.join(one.folder, target) for target in targets} <= made.keys()


BOTH = f"{MINE}{PATH}{CRATE}"
PART = {"part/Cargo.toml": OWN.replace("mine", "part")}


def around(manifest: str, lock: str = BOTH, **more: str | None) -> tuple[str, ...]:
    return manifests_named({"Cargo.toml": manifest, "Cargo.lock": lock, **more})


def test_manifests_are_looked_for_below_the_build_context_alone_and_only_where_the_lock_has_several_packages() -> None:
    assert around(f'{OWN}[dependencies]\npart = {{ path = "./x/../part" }}\n') == ("part/Cargo.toml",)
    assert around(f'{OWN}[dependencies]\npart = {{ path = "../part" }}\nother = {{ path = "/part" }}\n') == ()
    assert around('[workspace]\nmembers = ["agents/*", "../else"]\n') == ("agents/*/Cargo.toml",)
    assert around('[workspace]\nmembers = "agents"\n[lib]\npath = "x"\n') == ()
    assert around(f'{OWN}[dependencies]\npart = {{ path = "part" }}\n', f"{MINE}{CRATE}") == ()
    assert around("[package") == ()


def test_planning_knows_the_manifests_that_are_there_and_those_that_they_name(tmp_path: Path) -> None:
    member = OWN.replace("mine", "part") + '[dependencies]\nother = { path = "../../deep/other" }\nnone = { path = "../none" }\n'
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["crates/*", "**odd[", "/etc/*"]\n', "Cargo.lock": BOTH,
        "crates/part/Cargo.toml": member, "deep/other/Cargo.toml": OWN,
    }  # fmt: skip
    write(tmp_path, {**files, "crates/README.md": "no package"})
    wants, known = known_of(RUNTIME, spec(), tmp_path, tmp_path / "agent.lock")
    tried = RuntimeUnderTest(RUNTIME, spec(), BASE, {**files, "crates/README.md": "no package"}).facts()  # by a plugin's author
    for one in (known, tried):
        assert {name: text for name, text in one.texts.items() if text} == files
        assert one.exists == files.keys()
    asked = {"crates/part/Cargo.toml", "deep/other/Cargo.toml", "crates/none/Cargo.toml"}
    assert sorted(wants) == sorted((*RUNTIME.wants(spec()), *asked))


def test_the_crates_of_several_packages_are_compiled_before_unless_one_is_missing_twice_there_or_needed_by_a_crate() -> None:
    texts = {"Cargo.toml": f"{OWN}[dependencies]", "Cargo.lock": BOTH, **PART}
    made = without_sources(texts)
    assert made.keys() == {*texts, "src/main.rs", "part/src/main.rs", "part/src/lib.rs"}
    assert made["Cargo.toml"].endswith("[dependencies]\n"), "a Dockerfile can write no other file"
    assert without_sources({**texts, "part/Cargo.toml": None}) == {}
    assert without_sources({**texts, "Cargo.lock": BOTH + CRATE.replace("serde", "part")}) == {}
    assert without_sources({**texts, "Cargo.lock": f'{BOTH}dependencies = [\n "part 1.0.0",\n]\n'}) == {}


def test_the_program_s_package_is_the_context_or_a_member_of_a_workspace_that_is_no_package_itself() -> None:
    members = {"b/Cargo.toml": f'{OWN}[[bin]]\nname = "serve"\n', **PART}
    workspace = {"Cargo.toml": "[workspace]\n", **members}
    assert [folder_of(packages_in(workspace), name) for name in ("serve", "part", "other")] == ["b", "part", ""]
    assert folder_of(packages_in({"Cargo.toml": OWN, **members}), "part") == ""
    assert folder_of([], "part") == ""


def test_a_workspace_is_asked_which_program_is_the_agent() -> None:
    known = facts(texts={"Cargo.toml": "[workspace]\n", "Cargo.lock": BOTH})
    ((path, message),) = planned(known).problems
    assert (path, message) == ("spec.config.rust.bin", "Cargo.toml is a workspace and no package; name the program of a member")
    assert planned(known, config={"rust": {"bin": "part"}}).problems == ()
