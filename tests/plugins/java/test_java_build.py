"""Real Maven, Gradle and javac: what is locked, what is compiled, and what is said when it can't be."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from java_samples import GRADLE, GRADLE_PROJECT, MAVEN, PLAIN, POM, SOURCE, jar, jdks, need_java
from runner_stage import Stage

from aac_plugins.runtimes.java import JavaRuntime
from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import DependencyRequest, LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import CompiledLayer
from aac_tasks.contracts.recipe import Stage as BuildStage
from aac_tasks.contracts.roles import Compilation
from aac_tasks.errors import StepError
from aac_tasks.testing import Project, need

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow]

RUNTIME = JavaRuntime()
BASE = LockedBase("debian", "debian:trixie", Platform(), runtime_version="21")
GSON = "com.google.code.gson:gson"
PINNED = LockedFile(
    GSON,
    "2.10.1",
    "https://repo.maven.apache.org/maven2/com/google/code/gson/gson/2.10.1/gson-2.10.1.jar",
    "4241c14a7727c34feea6507ec801318a3d4a90f070e4525681079fb94ee4c593",
    283367,
)


@pytest.fixture
def stage(tmp_path: Path, aac_cache: Path) -> Stage:
    need_java()
    made = Stage(tmp_path)
    (aac_cache / "java").mkdir(exist_ok=True)
    (tmp_path / "cache").rmdir()
    (tmp_path / "cache").symlink_to(aac_cache / "java")
    return made


def request(*dependencies: str, compiles: bool = True, **files: str) -> DependencyRequest:
    named = {{"pom": "pom.xml", "gradle": "build.gradle"}.get(k, k): v for k, v in files.items()}
    return DependencyRequest(dependencies, named, ("compile",) if compiles else ())


def compilation(
    folder: Path, files: Mapping[str, str | bytes], locked: LockedDependencies, tool: str, **more: str
) -> Compilation:
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    Project(sources, {}).write({k: v for k, v in files.items() if k != "agent.yaml"})
    settings = {"tool": tool, "release": "17", "java": "21", **more}
    layer = CompiledLayer("java", "21", locked, ("/app/target/classes",), BuildStage("build", ()), settings)
    return Compilation(layer, BASE, Platform(), sources)


def tree(folder: Path) -> dict[str, str]:
    found = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): f"{p.stat().st_mode & 0o777:o}" for p in found}


def refused(call: object) -> StepError:
    with pytest.raises(StepError) as caught:
        call()  # type: ignore[operator]
    return caught.value


def test_every_jar_that_coordinates_need_is_pinned(stage: Stage) -> None:
    locked = RUNTIME.resolve(request(f"{GSON}:2.10.1", "io.undertow:undertow-core:2.3.18.Final"), BASE, stage.tools)
    assert locked.files[0] == PINNED
    names = {f.name for f in locked.files}
    assert names >= {"io.undertow:undertow-core", "org.jboss.xnio:xnio-nio", "org.jboss.threads:jboss-threads"}
    assert all(f.url.startswith("https://repo.maven.apache.org/maven2/") and f.size > 0 for f in locked.files)
    assert list(locked.tools) == ["javac"]
    assert RUNTIME.resolve(request(f"{GSON}:2.10.1", "io.undertow:undertow-core:2.3.18.Final"), BASE, stage.tools) == locked


def test_maven_and_gradle_projects_are_pinned_alike_without_what_only_tests_need(stage: Stage) -> None:
    need_java("gradle")
    assert RUNTIME.resolve(request(pom=POM), BASE, stage.tools).files == (PINNED,)
    assert RUNTIME.resolve(request(gradle=GRADLE), BASE, stage.tools).files == (PINNED,)


def test_without_dependencies_no_build_tool_is_asked(tmp_path: Path) -> None:
    need_java()
    stage = Stage(tmp_path, {"PATH": str(tmp_path)})
    assert RUNTIME.resolve(request(compiles=False), BASE, stage.tools) == LockedDependencies()


def test_what_is_locked_is_put_below_opt_with_the_probe(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    RUNTIME.install(LockedDependencies((PINNED,)), BASE, tmp_path / "root", stage.tools)
    assert tree(tmp_path / "root") == {"opt/agent/lib/gson-2.10.1.jar": "644", "opt/agent/probe/AgentProbe.class": "644"}


@pytest.mark.parametrize(("tool", "files"), [("javac", PLAIN), ("mvn", MAVEN), ("gradle", GRADLE_PROJECT)])
def test_compiling_is_the_same_whatever_the_umask_and_leaves_no_stale_class(
    tool: str, files: Mapping[str, str | bytes], stage: Stage, tmp_path: Path
) -> None:
    need_java(*(["gradle"] if tool == "gradle" else []))
    asked = {"javac": request(f"{GSON}:2.10.1"), "mvn": request(pom=POM), "gradle": request(gradle=GRADLE)}[tool]
    locked = RUNTIME.resolve(asked, BASE, stage.tools)
    extra = "src/main/java/Other.java" if tool != "javac" else "Other.java"
    made = compilation(tmp_path, {**files, extra: "class Other {}\n"}, locked, tool)
    found = []
    for number, mask in enumerate((0o022, 0o077)):
        into = tmp_path / str(number)
        into.mkdir()
        before = os.umask(mask)
        try:
            RUNTIME.compile(made, into, stage.tools)
        finally:
            os.umask(before)
        found.append({name: (mode, (into / name).read_bytes()) for name, mode in tree(into).items()})
        (made.sources / extra).unlink(missing_ok=True)
    classes = "app/target/classes"
    assert found[0].pop(f"{classes}/Other.class")[0] == "644"
    assert found[0] == found[1]
    assert f"{classes}/Main.class" in found[0]
    assert {f"{classes}/text.txt", f"{classes}/data/text.txt"} & set(found[0])
    assert not any("Test" in name for name in found[0])


@pytest.mark.parametrize(
    ("tool", "files", "place"),
    [
        ("javac", {"Main.java": SOURCE}, "Main.java:8: cannot find symbol"),
        ("mvn", MAVEN, "src/main/java/Main.java:8:27: cannot find symbol"),
        ("gradle", GRADLE_PROJECT, "src/main/java/Main.java:8: cannot find symbol"),
    ],
)
def test_code_that_does_not_compile_is_told_with_its_place(
    tool: str, files: Mapping[str, str], place: str, stage: Stage, tmp_path: Path
) -> None:
    need_java(*(["gradle"] if tool == "gradle" else []))
    broken = {k: v.replace("new Gson()", "new Json()") if k.endswith(".java") else v for k, v in files.items()}
    asked = {"javac": request(f"{GSON}:2.10.1"), "mvn": request(pom=POM), "gradle": request(gradle=GRADLE)}[tool]
    made = compilation(tmp_path, broken, RUNTIME.resolve(asked, BASE, stage.tools), tool)
    error = refused(lambda: RUNTIME.compile(made, tmp_path / "into", stage.tools))
    assert error.message == place
    assert "class Json" in error.tail
    assert str(tmp_path) not in str(error)
    assert error.hint == "mend the code, then build again"


def test_without_a_jdk_the_remedy_is_named(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"PATH": str(tmp_path)})
    error = refused(lambda: RUNTIME.resolve(request(), BASE, stage.tools))
    assert str(error) == (
        "no javac on PATH\n  → install a JDK (Debian: apt install default-jdk-headless), or use --builder docker"
    )


def test_without_maven_the_remedy_is_named(tmp_path: Path) -> None:
    need_java()
    stage = Stage(tmp_path, {"PATH": str(tmp_path)})
    error = refused(lambda: RUNTIME.resolve(request("a:b:1", compiles=False), BASE, stage.tools))
    assert str(error) == (
        "mvn is not installed; it resolves Java dependencies when agent.lock is written, and compiles what has a pom.xml\n"
        "  → install it (Debian: apt install maven), or use --builder docker"
    )


def test_another_jdk_than_the_locked_one_is_refused(stage: Stage, tmp_path: Path) -> None:
    made = compilation(tmp_path, {"Main.java": "class Main {}\n"}, LockedDependencies(tools={"javac": "99"}), "javac")
    error = refused(lambda: RUNTIME.compile(made, tmp_path / "into", stage.tools))
    assert error.message.startswith("agent.lock says JDK 99, here is JDK ")
    assert error.hint == "set JAVA_HOME to a JDK 99, or take this one: remove agent.lock and run `agent lock`"


def test_java_home_says_which_jdk(stage: Stage, tmp_path: Path) -> None:
    need(len(jdks()) > 1, "one JDK only")
    majors = set()
    for javac in jdks().values():
        other = Stage(tmp_path / javac.parents[1].name, {**os.environ, "JAVA_HOME": str(javac.parents[1])})
        majors.add(RUNTIME.resolve(request(), BASE, other.tools).tools["javac"])
    assert len(majors) > 1


def test_classes_that_are_too_new_for_the_image_are_refused(stage: Stage, tmp_path: Path) -> None:
    locked = RUNTIME.resolve(request(), BASE, stage.tools)
    made = compilation(tmp_path, {"Main.java": "class Main {}\n"}, locked, "javac", java="11")
    error = refused(lambda: RUNTIME.compile(made, tmp_path / "into", stage.tools))
    assert error.message == "Main.class is compiled for Java 17, the image has Java 11"


def test_a_folder_without_sources_is_refused(stage: Stage, tmp_path: Path) -> None:
    locked = RUNTIME.resolve(request(), BASE, stage.tools)
    error = refused(lambda: RUNTIME.compile(compilation(tmp_path, {}, locked, "javac"), tmp_path / "into", stage.tools))
    assert error.message == "javac can't compile this project"
    assert error.tail == "no .java file"


def test_coordinates_that_nobody_has_are_told_by_name(stage: Stage) -> None:
    for _ in range(2):  # the second time Maven remembers, and says it in other words
        error = refused(lambda: RUNTIME.resolve(request(f"{GSON}:99.0"), BASE, stage.tools))
        assert error.message == "no Maven repository has com.google.code.gson:gson:99.0"
        assert "check its spelling" in error.hint


def test_a_parent_that_is_out_of_reach_is_told(stage: Stage) -> None:
    parent = "<parent><groupId>nobody</groupId><artifactId>parent</artifactId><version>1</version></parent>"
    pom = POM.replace("<groupId>example", f"{parent}<groupId>example")
    error = refused(lambda: RUNTIME.resolve(request(pom=pom), BASE, stage.tools))
    assert error.message == "the parent of pom.xml can't be found"


def test_offline_nothing_is_resolved_that_was_never_seen(tmp_path: Path) -> None:
    need_java()
    tools = lend(tmp_path, offline=True).tools
    error = refused(lambda: RUNTIME.resolve(request(f"{GSON}:2.10.1"), BASE, tools))
    assert error.message == "the Java dependencies can't be resolved offline: they were never downloaded"


def publish(folder: Path, version: str, *, broken: bool = False) -> bytes:
    """``own:library:VERSION``, with checksums; ``broken``: not those of the jar."""
    place = folder / "own/library" / version
    place.mkdir(parents=True)
    data = jar(text=version.encode())
    names = f"<groupId>own</groupId><artifactId>library</artifactId><version>{version}</version>"
    pom = f"<project><modelVersion>4.0.0</modelVersion>{names}</project>"
    for name, content in ((f"library-{version}.jar", data), (f"library-{version}.pom", pom.encode())):
        (place / name).write_bytes(content)
        wrong = broken and name.endswith(".jar")
        (place / f"{name}.sha1").write_text(hashlib.sha1(b"other" if wrong else content, usedforsecurity=False).hexdigest())
    return data


def version_of(tmp_path: Path) -> str:
    """One that no other run has left in the shared cache."""
    return f"1.{abs(hash(str(tmp_path)))}.{os.getpid()}"


def test_a_repository_of_ones_own_is_asked(stage: Stage, repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    version = version_of(tmp_path)
    data = publish(folder, version)
    locked = RUNTIME.resolve(request(f"own:library:{version}", repositories=f"{address}\n"), BASE, stage.tools)
    (file,) = locked.files
    assert file.url == f"{address}/own/library/{version}/library-{version}.jar"
    assert file.sha256 == hashlib.sha256(data).hexdigest()


def test_a_jar_that_is_not_what_its_repository_says_is_refused(
    stage: Stage, repository: tuple[Path, str], tmp_path: Path
) -> None:
    folder, address = repository
    version = version_of(tmp_path)
    publish(folder, version, broken=True)
    error = refused(lambda: RUNTIME.resolve(request(f"own:library:{version}", repositories=f"{address}\n"), BASE, stage.tools))
    assert error.message.startswith(f"own:library:{version} is not what its repository says: checksum ")
    assert "somebody changed it on the way" in error.hint


def test_a_jar_that_changed_since_it_was_locked_is_refused(stage: Stage, repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    publish(folder, "1")
    url = f"{address}/own/library/1/library-1.jar"
    other = hashlib.sha256(version_of(tmp_path).encode()).hexdigest()
    changed = LockedDependencies((LockedFile("own:library", "1", url, other, 5),))
    (tmp_path / "root").mkdir()
    assert "sha256" in str(refused(lambda: RUNTIME.install(changed, BASE, tmp_path / "root", stage.tools)))
    gone = LockedDependencies((replace(changed.files[0], url=f"{url}.gone"),))
    error = refused(lambda: RUNTIME.install(gone, BASE, tmp_path / "root", stage.tools))
    assert error.message == f"{url}.gone answered 404"
