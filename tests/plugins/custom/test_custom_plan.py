"""The runtime `custom`: what it asks to be locked, the recipe it makes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from aac_plugins.runtimes.custom import CustomRuntime
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import ApplicationLayer, CommandLayer, DockerfileLayers, Recipe
from aac_tasks.contracts.spec import AgentSpec, Build, HealthCheck, Metadata, Port, SecretFile, Security
from aac_tasks.plan.dockerfile import render
from aac_tasks.plan.recipe import complete

RUNTIME = CustomRuntime()
TEXT = "ARG MODE\nFROM scratch AS runtime\nUSER 7:7\n"


def spec(build: Build, **changes: object) -> AgentSpec:
    return AgentSpec(Metadata("own"), "custom", build=build, **changes)  # type: ignore[arg-type]


def facts(**texts: str) -> Facts:
    return Facts(Path("agents/own"), texts, frozenset(texts))


def recipe(agent: AgentSpec, base: str = "scratch", known: Facts | None = None) -> Recipe:
    locked = LockedPlatform(Platform(), LockedBase(base, f"{base}:1", Platform()))
    return complete(RUNTIME.recipe(agent, known or facts(Dockerfile=TEXT), locked), agent, 0)


OWN = spec(Build(dockerfile="Dockerfile", target="runtime", args={"MODE": "fast"}), ports=(Port(8080),))


def test_an_own_dockerfile_needs_an_engine_and_no_base() -> None:
    plan = RUNTIME.plan(OWN, facts(Dockerfile=TEXT))
    assert plan.problems == ()
    assert (plan.base.base, plan.needs) == ("scratch", ("dockerfile",))


def test_an_own_dockerfile_says_itself_who_runs_it_and_where() -> None:
    made = recipe(OWN)
    assert made.layers[0] == DockerfileLayers(TEXT, "Dockerfile", "runtime", {"MODE": "fast"})
    assert (made.user, made.workdir, made.entrypoint) == ("", "", ())
    said = spec(OWN.build, security=Security(run_as_user=9), entrypoint=("/run",))
    assert (recipe(said).user, recipe(said).entrypoint) == ("9:9", ("/run",))


def test_the_rendered_dockerfile_is_the_authors_with_what_agent_yaml_adds() -> None:
    lines = render(recipe(OWN), lambda base: base.reference).splitlines()
    assert lines[1:6] == ["", "# needs --build-arg MODE", "ARG MODE", "FROM scratch AS runtime", "USER 7:7"]
    assert lines[6:8] == ["", "FROM runtime"]
    assert 'ENV AGENT_NAME="own"' in lines
    assert "EXPOSE 8080/tcp" in lines
    assert not [line for line in lines[7:] if line.startswith(("USER", "WORKDIR", "ENTRYPOINT"))]


def test_build_secrets_are_mounted_in_generated_commands() -> None:
    secrets = (SecretFile("NPM", "/root/.npmrc"), SecretFile("TOKEN"))
    agent = spec(Build(base_image="debian:trixie", commands=("true",), secrets=secrets, ssh=True), entrypoint=("/run",))
    made = recipe(agent, "debian")
    assert [s.reference for s in made.secrets] == ["env:NPM", "env:TOKEN"]
    (run,) = [line for line in render(made, lambda base: "base").splitlines() if line.startswith("RUN")]
    assert run == (
        "RUN --mount=type=secret,id=NPM,required=true,target=/root/.npmrc --mount=type=secret,id=TOKEN,required=true "
        '--mount=type=ssh ["/bin/sh", "-c", "true"]'
    )


def test_without_a_dockerfile_a_base_gets_the_files_and_any_builder_can_do_it() -> None:
    agent = spec(Build(), entrypoint=("/app/run",), health_check=HealthCheck(path="/health"), ports=(Port(80),))
    plan = RUNTIME.plan(agent, facts())
    assert (plan.base.base, plan.base.reference, plan.base.runtime, plan.needs) == ("debian", "debian:trixie", "", ())
    made = recipe(agent, "debian")
    assert isinstance(made.layers[-1], ApplicationLayer)
    assert (made.workdir, made.user, made.probe and made.probe.path) == ("/app", "10001:10001", "/health")


def test_packages_on_a_registrys_image_come_before_commands_and_files() -> None:
    build = Build(base_image="python:3", system_packages=("libpq5", "curl"), commands=("one", "two"))
    made = recipe(spec(build, entrypoint=("/run",)), "registry")
    first, second, *_ = made.layers
    assert isinstance(first, CommandLayer)
    assert isinstance(second, CommandLayer)
    assert first.commands[0].argv[-2:] == ("curl", "libpq5")
    assert [run.argv for run in second.commands] == [("/bin/sh", "-c", "one"), ("/bin/sh", "-c", "two")]


@pytest.mark.parametrize(
    ("agent", "path", "message"),
    [
        (spec(Build(dockerfile="nowhere/Dockerfile")), "spec.build.dockerfile", "not found in agents/own"),
        (spec(Build(dockerfile="Dockerfile", base_image="x")), "spec.build.baseImage", "belongs into Dockerfile"),
        (spec(Build(dockerfile="Dockerfile", commands=("x",))), "spec.build.commands", "belongs into Dockerfile"),
        (spec(Build(dockerfile="Dockerfile", args={"NOWHERE": "x"})), "spec.build.args.NOWHERE", "Dockerfile has no ARG NOWHERE"),
        (spec(Build(base_image="Not A Name")), "spec.build.baseImage", "expected as in alpine:3.20"),
        (spec(Build(), version="3"), "spec.runtime", "runtime custom has no version '3'"),
        (spec(Build(), dependencies=("x",)), "spec.dependencies", "knows no language"),
        (spec(Build(system_packages=("no package!",))), "spec.build.systemPackages[0]", "is not a Debian package's name"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(agent: AgentSpec, path: str, message: str) -> None:
    problems = dict(RUNTIME.plan(agent, facts(Dockerfile=TEXT)).problems)
    assert message in problems[path]


def test_the_dockerfile_is_looked_for_from_the_context() -> None:
    assert RUNTIME.wants(spec(Build(dockerfile="docker/Dockerfile"))) == ("docker/Dockerfile",)
    assert RUNTIME.wants(spec(Build(dockerfile="Dockerfile", context="src"))) == ("../Dockerfile",)
