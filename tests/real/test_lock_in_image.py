"""A host without a language's tools: an engine's toolchain image locks for it, as the same tools would have done here."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from java_samples import GRADLE
from real.dockerd import Engine
from real.podman import Podman
from real.test_engine_builders import leftovers
from runner_stage import stage_of

from aac_plugins.runtimes import go_modules, java_resolve, rust_crates
from aac_plugins.runtimes.java import JavaRuntime
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedDependencies, LockedPlatform
from aac_tasks.contracts.recipe import Instruction, Run
from aac_tasks.errors import StepError
from aac_tasks.plugin_manager import load
from aac_tasks.steps.toolchain import Lent
from aac_tasks.testing import Project, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

TOOLS = ("go", "gofmt", "cargo", "rustc", "rustup", "cc", "gcc", "java", "javac", "mvn", "gradle")
AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {{name: bare, version: 0.1.0}}
spec:
  runtime: {runtime}
  model: {{provider: openai, name: m}}
  dependencies: [{dependencies}]
  ports: [{{container: 8080}}]
  healthCheck: {{path: /health}}
"""
GO = """package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
)

func main() {
	router := chi.NewRouter()
	router.Get("/health", func(w http.ResponseWriter, r *http.Request) {})
	http.ListenAndServe(":8080", router)
}
"""
RUST = """fn main() {
    println!("{}", serde_json::json!({"a": itoa::Buffer::new().format(1)}));
}
"""
JAVA = """import com.google.gson.Gson;

public class Main {
    public static void main(String[] arguments) {
        System.out.println(new Gson().toJson("hi"));
    }
}
"""


@pytest.fixture
def bare(project: Project, tmp_path: Path) -> Project:
    """Somebody whose machine has all programs of this one but those that compile."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            place = programs / program.name
            if program.name not in TOOLS and not place.is_symlink():
                place.symlink_to(program)
    hidden = {name: value for name, value in project.env.items() if name != "JAVA_HOME"}
    return Project(project.folder, {**hidden, "PATH": str(programs)})


def with_docker(user: Project, engine: Engine) -> Project:
    found = {**engine.env, "PATH": f"{engine.binaries / 'bin'}:{user.env['PATH']}"}
    return replace(user, env={**user.env, **found})


def agent(user: Project, runtime: str, dependencies: str, files: Mapping[str, str]) -> Project:
    return user.write({"agent.yaml": AGENT.format(runtime=runtime, dependencies=dependencies), **files})


def locked(user: Project) -> LockedPlatform:
    return decode(LockedPlatform, json.loads(user.read("agent.lock"))["platforms"][0])


def test_go_modules_are_locked_by_the_image_that_compiles_and_the_agent_is_built(
    bare: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    user = with_docker(agent(bare, "go", "github.com/go-chi/chi/v5@v5.2.1", {"main.go": GO}), docker_engine)
    before = leftovers(docker_engine)
    (told,) = (line.split(maxsplit=2)[2] for line in user.agent("doctor").output.splitlines() if " lock:bare " in line)
    assert told == "go in the image debian:trixie, by builder docker; not on PATH: go"
    said = user.agent("lock").ok().output
    assert "go: not on this machine, asked in the image debian:trixie of builder docker" in said
    found = locked(user).dependencies
    assert found == host_s_go(found.tools["go"], tmp_path, aac_cache)
    user.agent("build").ok()
    assert leftovers(docker_engine) == before


def host_s_go(version: str, tmp_path: Path, aac_cache: Path) -> LockedDependencies:
    """What the same release on this machine makes of it."""
    need(shutil.which("go"), "Go is not installed")
    request = DependencyRequest((f"go@{version}", "github.com/go-chi/chi/v5@v5.2.1"), {"go.mod": "module bare\n"})
    return go_modules.resolve(request, stage_of(tmp_path / "stage", aac_cache).tools)


def test_crates_are_locked_by_the_image_that_compiles_and_the_agent_is_built(
    bare: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    user = with_docker(agent(bare, "rust", "serde_json@=1.0.140, itoa@=1.0.15", {"main.rs": RUST}), docker_engine)
    before = leftovers(docker_engine)
    assert "cargo, cc: not on this machine, asked in the image debian:trixie" in user.agent("lock").ok().output
    found = locked(user)
    packages = {file.name: file.version for file in found.toolchain.files} if found.toolchain else {}
    assert packages["rustc"].startswith(found.dependencies.tools["rustc"])
    assert found.dependencies.tools["cc"].startswith(f"(Debian {packages['gcc-14']}) ")
    need(shutil.which("cargo") and shutil.which("cc"), "Rust is not installed")
    request = DependencyRequest(files={"Cargo.toml": found.dependencies.texts["Cargo.toml"]})
    here = rust_crates.resolve(request, Platform(), stage_of(tmp_path / "stage", aac_cache).tools)
    assert found.dependencies.texts == here.texts
    user.agent("build").ok()
    assert leftovers(docker_engine) == before


def test_jars_are_locked_by_a_maven_in_an_image_and_the_agent_is_built(
    bare: Project, docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    user = with_docker(agent(bare, "java", "com.google.code.gson:gson:2.11.0", {"Main.java": JAVA}), docker_engine)
    before = leftovers(docker_engine)
    assert "mvn, javac: not on this machine, asked in the image debian:trixie" in user.agent("lock").ok().output
    found = locked(user)
    assert found.toolchain is not None
    assert not any(file.name == "maven" for file in found.toolchain.files), "Maven is no part of what compiles"
    assert found.dependencies.tools == {"javac": found.toolchain.runtime_version}
    need(shutil.which("mvn") and shutil.which("javac"), "Maven is not installed")
    here = java_resolve.resolve(
        DependencyRequest(("com.google.code.gson:gson:2.11.0",)), stage_of(tmp_path / "stage", aac_cache).tools
    )
    assert found.dependencies.files == here.files
    user.agent("build").ok()
    assert leftovers(docker_engine) == before


class DebianGradle(Lent):
    """Debian's start script has to be told where its Java is: the ``which`` that it asks is made by a script that was not run."""

    def run(
        self, instructions: Sequence[Instruction], paths: Sequence[str], into: Path, refused: Callable[[str], StepError]
    ) -> str:
        env = {"JAVA_HOME": f"/usr/lib/jvm/java-{self.locked.runtime_version}-openjdk"}
        told = [replace(one, env=env) if isinstance(one, Run) else one for one in instructions]
        return super().run(told, paths, into, refused)


def test_jars_are_locked_by_a_gradle_in_an_image_as_by_the_same_gradle_here(
    docker_engine: Engine, tmp_path: Path, aac_cache: Path
) -> None:
    """The image has Debian's Gradle, for the official one is in a public registry only."""
    stage, before = stage_of(tmp_path / "stage", aac_cache, {**os.environ, **docker_engine.env}), leftovers(docker_engine)
    catalog, asked = load().catalog, DependencyRequest(files={"build.gradle": GRADLE})
    debian = BaseRequest("debian", "debian:trixie", ("gradle", "dash", "coreutils", "sed"), "jdk")
    locked = catalog.bases.get("debian").resolve(debian, Platform(), stage.tools)
    image = DebianGradle(JavaRuntime(), locked, catalog.builders.get("docker"), catalog, ("gradle",), stage.tools)
    found = java_resolve.resolve_in(asked, image, stage.tools)
    assert [file.name for file in found.files] == ["com.google.code.gson:gson"]
    assert leftovers(docker_engine) == before
    need(shutil.which("gradle") and shutil.which("javac"), "Gradle is not installed")
    assert found.files == java_resolve.resolve(asked, stage.tools).files
    wrong = DependencyRequest(files={"build.gradle": GRADLE.replace("2.10.1", "999")})
    with pytest.raises(StepError, match=r"no Maven repository has com\.google\.code\.gson:gson:999"):
        java_resolve.resolve_in(wrong, image, stage.tools)
    assert leftovers(docker_engine) == before


@pytest.mark.parametrize(
    ("runtime", "dependency", "files", "message", "tail"),
    [
        ("go", "github.com/go-chi/chi/v5@v5.999.0", {"main.go": GO}, "there is no Go module github.com/go-chi/chi/v5@v5.999.0",
         "go: github.com/go-chi/chi/v5/...@v5.999.0: "),
        ("rust", "no-such-crate-at-all-1001@1", {"main.rs": RUST}, "there is no crate no-such-crate-at-all-1001",
         "no matching package named `no-such-crate-at-all-1001` found"),
        ("java", "com.google.code.gson:gson:999", {"Main.java": JAVA}, "no Maven repository has com.google.code.gson:gson:999",
         "Could not find artifact com.google.code.gson:gson:jar:999 in central"),
    ],
)  # fmt: skip
def test_what_can_not_be_had_is_said_as_the_host_s_tool_would_have_it(
    bare: Project, docker_engine: Engine, runtime: str, dependency: str, files: Mapping[str, str], message: str, tail: str
) -> None:
    user, before = with_docker(agent(bare, runtime, dependency, files), docker_engine), leftovers(docker_engine)
    said = user.agent("lock").exits(1).output
    assert f"✗ lock:bare  {message}\n" in said
    told = [line for line in said.splitlines() if line.strip().startswith("|")]
    assert any(tail in line for line in told), told
    assert leftovers(docker_engine) == before
    assert not (user.folder / "agent.lock").exists()


def test_podman_locks_and_builds_as_well_and_keeps_nothing_of_it(bare: Project, podman: Podman) -> None:
    def left() -> set[str]:
        images = podman.run("images", "--quiet", "--filter", "dangling=true").ok().stdout.split()
        return {*images, *podman.run("ps", "--all", "--quiet").ok().stdout.split()}

    before = left()
    user = agent(bare, "java", "com.google.code.gson:gson:2.11.0", {"Main.java": JAVA})
    user = replace(user, env={**user.env, **podman.env, "AAC_BUILD_NETWORK": "host"})
    said = user.agent("lock").ok().output
    assert "mvn, javac: not on this machine, asked in the image debian:trixie of builder podman" in said
    assert left() == before
    found = locked(user).dependencies
    assert [file.name for file in found.files] == ["com.google.code.gson:gson", "com.google.errorprone:error_prone_annotations"]
    user.agent("build").ok()
    assert left() == before
