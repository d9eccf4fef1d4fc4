"""What a Go agent's plan says: pure, without a go command."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_plugins.runtimes.compiled import PROBE
from aac_plugins.runtimes.go import GoRuntime
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, CommandLayer, CompiledLayer, Recipe, Run, Write
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec, Build, HealthCheck, Metadata, Port
from aac_tasks.plan.dockerfile import render

RUNTIME = GoRuntime()
BASE = LockedBase("debian", "debian:trixie", Platform())
TEXTS = {"go.mod": "module hello\n\ngo 1.26\n", "go.sum": "x v1.0.0 h1:=\n"}
LOCKED = LockedDependencies(texts=TEXTS, tools={"go": "1.26.8"})


def spec(**changes: object) -> AgentSpec:
    return AgentSpec(Metadata("hello"), "go", **changes)  # type: ignore[arg-type]


def facts(*exists: str, **texts: str) -> Facts:
    named = {k.replace("_", "."): v for k, v in texts.items()}
    return Facts(Path("agents/hello"), named, frozenset((*(exists or ("main.go",)), *named)))


def planned(known: Facts | None = None, **changes: object) -> RuntimePlan:
    return RUNTIME.plan(spec(**changes), known or facts())


def recipe(known: Facts | None = None, base: LockedBase = BASE, machine: str = "amd64", **changes: object) -> Recipe:
    return RUNTIME.recipe(spec(**changes), known or facts(), LockedPlatform(Platform("linux", machine), base, LOCKED))


def agent_layer(made: Recipe) -> CompiledLayer:
    layer = made.layers[-1]
    assert isinstance(layer, CompiledLayer)
    return layer


def test_the_base_holds_no_language_and_no_c_library_and_a_toolchain_is_beside_it() -> None:
    answer = planned()
    assert (answer.base.base, answer.base.reference, answer.base.runtime) == ("debian", "debian:trixie", "static")
    assert answer.toolchain is not None
    assert (answer.toolchain.base, answer.toolchain.runtime) == ("debian", "go")
    assert (answer.needs, answer.entrypoint, answer.problems) == (("tool:go",), ("/app/hello",), ())


def test_a_version_is_that_of_the_compiler_and_not_of_the_base() -> None:
    answer = planned(version="1.24-bookworm")
    assert answer.base == planned().base
    assert answer.toolchain is not None
    assert (answer.toolchain.reference, answer.toolchain.version) == ("docker.io/library/golang:1.24-bookworm", "1.24")
    assert answer.dependencies.requirements == ("go@1.24",)


@pytest.mark.parametrize(
    ("image", "base", "reference"),
    [
        ("debian:bookworm", "debian", "debian:bookworm"),
        ("alpine:3.22", "registry", "docker.io/library/alpine:3.22"),
        ("oci:base:web:1", "layout", "oci:base:web:1"),
        ("scratch", "scratch", "scratch"),
    ],
)
def test_a_base_image_takes_the_place_of_the_base(image: str, base: str, reference: str) -> None:
    answer = planned(build=Build(base_image=image))
    assert (answer.base.base, answer.base.reference, answer.problems) == (base, reference, ())


def test_without_go_mod_one_is_begun_and_dependencies_are_asked_for_by_their_modules() -> None:
    request = planned(dependencies=("github.com/gin-gonic/gin@v1.9.1", "golang.org/x/text")).dependencies
    assert request.files == {"go.mod": "module hello\n"}
    assert request.requirements == ("github.com/gin-gonic/gin@v1.9.1", "golang.org/x/text")


def test_go_mod_and_go_sum_are_the_question_where_they_are() -> None:
    assert planned(facts(go_mod="m", go_sum="s")).dependencies.files == {"go.mod": "m", "go.sum": "s"}


@pytest.mark.parametrize(
    ("known", "changes", "path"),
    [
        (facts(), {"dependencies": ("gin==1.9",)}, "spec.dependencies[0]"),
        (facts(), {"dependencies": ("github.com/a/b@v1", "../local")}, "spec.dependencies[1]"),
        (facts(), {"dependencies": ("-modfile=x",)}, "spec.dependencies[0]"),
        (facts(), {"dependencies": ("github.com/a/b\n@v1",)}, "spec.dependencies[0]"),
        (facts(go_mod="module m\n"), {"dependencies": ("github.com/a/b@v1",)}, "spec.dependencies"),
        (facts(), {"version": "1.24 slim"}, "spec.runtime"),
        (facts(), {"build": Build(base_image="NOT an image")}, "spec.build.baseImage"),
        (facts(), {"build": Build(system_packages=("curl", "--x"))}, "spec.build.systemPackages[1]"),
        (facts(), {"config": {"go": {"files": ["ok", "../out"]}}}, "spec.config.go.files[1]"),
        (facts(), {"config": {"go": {"files": ["."]}}}, "spec.config.go.files[0]"),
        (facts(), {"config": {"go": {"files": ["/etc"]}}}, "spec.config.go.files[0]"),
    ],
)
def test_what_can_not_be_built_is_a_problem_with_its_place(known: Facts, changes: dict[str, object], path: str) -> None:
    assert [p for p, _ in planned(known, **changes).problems] == [path]


@pytest.mark.parametrize(
    ("exists", "config", "package"),
    [
        (("main.go",), {}, "."),
        (("main.go", "cmd/hello/main.go"), {}, "."),
        (("cmd/hello/main.go",), {}, "./cmd/hello"),
        (("main.go",), {"go": {"package": "./cmd/other"}}, "./cmd/other"),
    ],
)
def test_the_main_package_is_where_go_projects_have_it(exists: tuple[str, ...], config: dict[str, object], package: str) -> None:
    layer = agent_layer(recipe(facts(*exists), config=config))
    assert layer.settings == {"package": package}
    (build,) = [i for i in layer.stage.instructions if isinstance(i, Run) and "build" in i.argv]
    assert build.argv[-3:] == ("-o", "/app/hello", package)


def test_an_agent_without_a_probe_has_one_layer_and_one_with_a_probe_has_that_below_it() -> None:
    assert [layer.kind for layer in recipe().layers] == ["compiled"]
    made = recipe(ports=(Port(8080),), health_check=HealthCheck(path="/health", timeout="2s"))
    assert made.probe is not None
    assert made.probe.command == (PROBE, "8080", "2", "/health")
    probe, agent = made.layers
    assert isinstance(probe, CompiledLayer) and isinstance(agent, CompiledLayer)
    assert (probe.paths, agent.paths) == ((PROBE,), ("/app/hello",))
    assert set(probe.texts) == {"go.mod", "main.go"} and not agent.texts
    assert probe.locked.texts == {}, "a new dependency compiles no probe"


def test_a_port_alone_is_asked_by_tcp_and_a_command_of_the_author_s_needs_no_probe() -> None:
    tcp = recipe(ports=(Port(9000),)).probe
    assert tcp is not None and tcp.command == (PROBE, "9000", "30")
    own = recipe(health_check=HealthCheck("command", command=("/app/hello", "check")))
    assert own.probe is not None and own.probe.command == ("/app/hello", "check")
    assert [layer.kind for layer in own.layers] == ["compiled"]


def test_files_come_along_when_they_are_named_and_only_then() -> None:
    made = recipe(config={"go": {"files": ["prompts/", "./data/a.txt"]}})
    assert [layer for layer in made.layers if isinstance(layer, ApplicationLayer)] == [
        ApplicationLayer(only=("prompts", "data/a.txt"))
    ]
    text = render(made, lambda base: "base")
    assert "COPY --chown=0:0 prompts /app/prompts\nCOPY --chown=0:0 data/a.txt /app/data/a.txt\n" in text


@pytest.mark.parametrize(
    ("changes", "entrypoint", "command"),
    [
        ({}, ("/app/hello",), ()),
        ({"args": ("--port", "80")}, ("/app/hello",), ("--port", "80")),
        ({"entrypoint": ("./hello", "-v"), "command": ("serve",)}, ("./hello", "-v"), ("serve",)),
        ({"command": ("/app/hello", "serve")}, ("/app/hello", "serve"), ()),
    ],
)
def test_entrypoint_command_and_args_mean_what_they_mean_in_compose(
    changes: dict[str, object], entrypoint: tuple[str, ...], command: tuple[str, ...]
) -> None:
    made = recipe(**changes)
    assert (made.entrypoint, made.command) == (entrypoint, command)


def test_system_packages_on_an_image_are_installed_by_an_engine() -> None:
    base = LockedBase("registry", "docker.io/library/debian:trixie-slim", Platform())
    made = recipe(base=base, build=Build(system_packages=("zlib1g", "git")))
    (layer,) = [layer for layer in made.layers if isinstance(layer, CommandLayer)]
    assert layer.commands[0].argv[-2:] == ("git", "zlib1g")
    assert "git" not in layer.commands[0].argv[2], "names are arguments, not text of a shell"


def test_modules_are_fetched_before_the_sources_come_and_what_the_context_lacks_is_written_behind_them() -> None:
    def order(known: Facts) -> list[str]:
        steps = agent_layer(recipe(known)).stage.instructions
        return [i.target if isinstance(i, Write) else i.kind if not isinstance(i, Run) else "download" if "download" in i.argv
                else "build" for i in steps]  # fmt: skip

    first = ["/src/go.mod", "/src/go.sum", "download", "context"]
    assert order(facts()) == [*first, "/src/go.mod", "/src/go.sum", "build"]
    own = {name.replace(".", "_"): text for name, text in TEXTS.items()}
    assert order(facts("main.go", **own)) == [*first, "build"]


def test_a_stage_compiles_with_the_locked_go_whatever_the_image_has() -> None:
    made = recipe(machine="arm64")
    text = render(made, lambda base: base.reference)
    assert "FROM docker.io/library/golang:1.26.8 AS build" in text
    assert '"GOTOOLCHAIN=go1.26.8"' in text and '"GOARCH=arm64"' in text and '"CGO_ENABLED=0"' in text
    toolchain = LockedBase("debian", "debian:trixie", Platform(), facts={"runtime": "go"})
    other = RUNTIME.recipe(spec(), facts(), LockedPlatform(Platform(), BASE, LOCKED, toolchain))
    assert agent_layer(other).stage.base == toolchain
