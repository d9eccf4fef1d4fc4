from __future__ import annotations

from pathlib import Path

import pytest
from java_samples import POM

from aac_plugins.runtimes.java import SETTINGS, JavaRuntime
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import Add, ApplicationLayer, CompiledLayer, DependencyLayer, Recipe, Run
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec, Build, HealthCheck, Metadata, Port
from aac_tasks.plan.dockerfile import render
from aac_tasks.spec.definition import compiled

RUNTIME = JavaRuntime()
DEBIAN = LockedBase("debian", "debian:trixie", Platform(), runtime_version="21")
TEMURIN = LockedBase("registry", "docker.io/library/eclipse-temurin:17-jre", Platform(), runtime_version="17.0.15")
GSON = LockedFile("com.google.code.gson:gson", "2.10.1", "https://x/gson-2.10.1.jar", "0" * 64, 10)
CLASSPATH = "/app/target/classes:/opt/agent/lib/*"


def spec(**changes: object) -> AgentSpec:
    return AgentSpec(Metadata("hello"), "java", **changes)  # type: ignore[arg-type]


def facts(*exists: str, **texts: str) -> Facts:
    named = {{"pom": "pom.xml", "gradle": "build.gradle"}[k]: v for k, v in texts.items()}
    return Facts(Path("agents/hello"), named, frozenset((*(exists or ("Main.java",)), *named)))


def planned(agent: AgentSpec | None = None, known: Facts | None = None) -> RuntimePlan:
    return RUNTIME.plan(agent or spec(), known or facts())


def recipe(
    agent: AgentSpec | None = None, known: Facts | None = None, base: LockedBase = DEBIAN, toolchain: LockedBase | None = None
) -> Recipe:
    locked = LockedDependencies((GSON,), tools={"javac": "17"})
    return RUNTIME.recipe(agent or spec(), known or facts(), LockedPlatform(Platform(), base, locked, toolchain))


def layer_of(made: Recipe) -> CompiledLayer:
    return next(layer for layer in made.layers if isinstance(layer, CompiledLayer))


@pytest.mark.parametrize(
    ("version", "image", "base", "toolchain"),
    [
        ("", "", "debian:trixie", "debian:trixie"),
        ("21", "", "docker.io/library/eclipse-temurin:21-jre", "docker.io/library/eclipse-temurin:21-jdk"),
        ("17-jre-alpine", "", "docker.io/library/eclipse-temurin:17-jre-alpine", "docker.io/library/eclipse-temurin:17-jdk"),
        ("17", "ghcr.io/me/base:1", "ghcr.io/me/base:1", "docker.io/library/eclipse-temurin:17-jdk"),
        ("", "debian:bookworm", "debian:bookworm", "debian:bookworm"),
        ("", "oci:./layout", "oci:./layout", "docker.io/library/eclipse-temurin:21-jdk"),
    ],
)
def test_base_and_toolchain_follow_the_version_and_the_base_image(version: str, image: str, base: str, toolchain: str) -> None:
    answer = planned(spec(version=version, build=Build(base_image=image)))
    assert (answer.base.reference, answer.problems) == (base, ())
    assert answer.toolchain is not None
    assert answer.toolchain.reference == toolchain


@pytest.mark.parametrize(
    ("known", "dependencies", "needs", "image", "packages"),
    [
        (facts(), (), ("tool:javac",), "docker.io/library/eclipse-temurin:17-jdk", ()),
        (facts(), ("a:b:1",), ("tool:mvn", "tool:javac"), "docker.io/library/eclipse-temurin:17-jdk", ()),
        (facts("Main.java", pom=POM), (), ("tool:mvn", "tool:javac"), "docker.io/library/maven:3-eclipse-temurin-17", ("maven",)),
        (facts("Main.java", gradle=""), (), ("tool:javac", "tool:gradle"), "docker.io/library/gradle:jdk17", None),
        (facts("app.jar"), (), (), "docker.io/library/eclipse-temurin:17-jdk", ()),
    ],
)
def test_each_kind_of_project_needs_its_own_tool_and_toolchain(
    known: Facts, dependencies: tuple[str, ...], needs: tuple[str, ...], image: str, packages: tuple[str, ...] | None
) -> None:
    answer = planned(spec(dependencies=dependencies, version="17"), known)
    assert answer.needs == needs
    assert answer.toolchain is not None
    assert answer.toolchain.reference == image
    unversioned = planned(spec(dependencies=dependencies), known).toolchain
    assert unversioned is not None
    assert unversioned.base == ("registry" if packages is None else "debian")
    assert unversioned.packages == (packages or ())


@pytest.mark.parametrize(
    ("changes", "known", "path", "words"),
    [
        ({"dependencies": ("gson",)}, facts(), "spec.dependencies[0]", "expected GROUP:ARTIFACT:VERSION"),
        ({"dependencies": ("a:b:1", "a:c")}, facts(), "spec.dependencies[1]", "expected GROUP:ARTIFACT:VERSION"),
        ({"dependencies": ("a:b:[1,2)",)}, facts(), "spec.dependencies[0]", "expected GROUP:ARTIFACT:VERSION"),
        ({"dependencies": ("a:b:1-SNAPSHOT",)}, facts(), "spec.dependencies[0]", "can't be locked"),
        ({"dependencies": ("a:b:1\n",)}, facts("Main.java", pom=POM), "spec.dependencies", "list 'a:b:1\\n' there"),
        ({}, facts("README.md"), "spec.config.java.mainClass", "there is no app.jar and no Main.java in agents/hello"),
        ({}, facts("README.md", pom=POM), "spec.config.java.mainClass", "pom.xml names no mainClass"),
        ({}, facts("README.md", gradle=""), "spec.config.java.mainClass", "the build file names no mainClass"),
        ({}, facts("Main.java", pom="<project>"), "spec.runtime", "pom.xml is not XML"),
        ({}, facts("Main.java", pom="<!DOCTYPE x><project/>"), "spec.runtime", "take it out"),
        ({}, facts("Main.java", pom="<project><modules><module>a</module></modules></project>"), "spec.runtime", "modules (a)"),
        ({"dependencies": ("a:b:1",), "entrypoint": ("java", "-jar", "app.jar")}, facts("app.jar"), "spec.entrypoint",
         "looks into no other jar"),
        ({"dependencies": ("a:b:1",)}, facts("app.jar"), "spec.config.java.mainClass", "app.jar can't say so beside"),
        ({"build": Build(base_image="scratch")}, facts(), "spec.build.baseImage", "has no Java"),
        ({"version": "21 jre"}, facts(), "spec.runtime", "expected as in"),
        ({"build": Build(system_packages=("--reinstall",))}, facts(), "spec.build.systemPackages[0]", "Debian package's name"),
    ],
)  # fmt: skip
def test_what_can_not_be_built_is_a_problem_with_its_place(
    changes: dict[str, object], known: Facts, path: str, words: str
) -> None:
    ((where, message),) = planned(spec(**changes), known).problems
    assert where == path
    assert words in message


@pytest.mark.parametrize(
    ("texts", "main"),
    [
        ({"pom": "<project><build><plugins><plugin><mainClass>a.B</mainClass></plugin></plugins></build></project>"}, "a.B"),
        ({"pom": "<project><properties><start-class>c.D</start-class></properties></project>"}, "c.D"),
        ({"pom": "<project><properties><m>e.F</m></properties><x><mainClass>${m}</mainClass></x></project>"}, "e.F"),
        ({"pom": POM}, "Main"),
        ({"gradle": "application { mainClass = 'g.H' }"}, "Main"),
        ({"gradle": "application {\n    mainClass = 'g.H'\n}"}, "g.H"),
        ({"gradle": "application {\n    mainClass.set(\"g.H\")\n}"}, "g.H"),
        ({"gradle": "mainClassName = 'g.H'"}, "g.H"),
    ],
)
def test_the_main_class_is_what_the_build_file_says(texts: dict[str, str], main: str) -> None:
    known = facts("src/main/java/Main.java", **texts)
    assert planned(known=known).entrypoint == ("java", "-cp", CLASSPATH, main)
    chosen = spec(config={"java": {"mainClass": "my.Own"}})
    assert planned(chosen, known).entrypoint[-1] == "my.Own"


@pytest.mark.parametrize(
    ("entrypoint", "meant"),
    [
        ((), ("java", "-cp", CLASSPATH, "Main")),
        (("app.jar",), ("java", "-cp", CLASSPATH, "Main")),
        (("java", "-jar", "target/app.jar", "--port", "80"), ("java", "-cp", CLASSPATH, "Main", "--port", "80")),
        (("java", "-Xmx64m", "-jar", "app.jar"), ("java", "-Xmx64m", "-cp", CLASSPATH, "Main")),
        (("java", "a.B", "-jar"), ("java", "-cp", CLASSPATH, "a.B", "-jar")),
        (("java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "a.B"),
         ("java", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp", CLASSPATH, "a.B")),
        (("java", "src/main/java/a/B.java"), ("java", "-cp", CLASSPATH, "a.B")),
        (("Main.java",), ("java", "-cp", CLASSPATH, "Main")),
        (("java", "-cp", "/app/target/classes", "Main"), ("java", "-cp", "/app/target/classes", "Main")),
        (("java", "-version"), ("java", "-version")),
        (("/bin/sh", "-c", "java -jar app.jar"), ("/bin/sh", "-c", "java -jar app.jar")),
    ],
)  # fmt: skip
def test_the_usual_ways_to_start_java_mean_what_was_compiled(entrypoint: tuple[str, ...], meant: tuple[str, ...]) -> None:
    assert recipe(spec(entrypoint=entrypoint)).entrypoint == meant
    if entrypoint:
        assert recipe(spec(command=entrypoint)).entrypoint == meant


@pytest.mark.parametrize(
    ("changes", "entrypoint"),
    [
        ({}, ("java", "-jar", "app.jar")),
        ({"entrypoint": ("java", "-jar", "/app/app.jar", "x")}, ("java", "-jar", "/app/app.jar", "x")),
        ({"dependencies": ("a:b:1",), "config": {"java": {"mainClass": "M"}}},
         ("java", "-cp", "/app/app.jar:/opt/agent/lib/*", "M")),
    ],
)  # fmt: skip
def test_a_jar_that_is_there_is_taken_as_it_is(changes: dict[str, object], entrypoint: tuple[str, ...]) -> None:
    made = recipe(spec(**changes), facts("app.jar"))
    assert made.entrypoint == entrypoint
    assert [type(layer) for layer in made.layers] == [DependencyLayer, ApplicationLayer]
    assert planned(spec(**changes), facts("app.jar")).problems == ()


def test_libraries_and_classes_have_layers_of_their_own() -> None:
    made = recipe()
    dependencies, classes = made.layers
    assert isinstance(dependencies, DependencyLayer)
    assert dependencies.paths == ("/opt/agent/lib", "/opt/agent/probe")
    assert Add(GSON.url, GSON.sha256, "/opt/agent/lib/gson-2.10.1.jar", mode=0o644) in dependencies.stage.instructions
    assert isinstance(classes, CompiledLayer)
    assert classes.paths == ("/app/target/classes",)


@pytest.mark.parametrize(
    ("base", "toolchain", "pom", "release"),
    [
        (DEBIAN, None, "", "17"),
        (TEMURIN, None, "", "17"),
        (DEBIAN, LockedBase("debian", "debian:trixie", Platform(), runtime_version="21"), "", "21"),
        (DEBIAN, None, POM, "17"),
        (DEBIAN, None, POM.replace("<project.build", "<maven.compiler.release>11</maven.compiler.release><project.build"), ""),
    ],
)
def test_the_release_is_the_images_java_or_that_of_an_older_jdk(
    base: LockedBase, toolchain: LockedBase | None, pom: str, release: str
) -> None:
    known = facts("Main.java", **({"pom": pom} if pom else {}))
    made = layer_of(recipe(known=known, base=base, toolchain=toolchain))
    assert made.settings["release"] == release
    assert made.settings["java"] == ("21" if base is DEBIAN else "17")
    words = [word for i in made.stage.instructions if isinstance(i, Run) for word in i.argv]
    assert not release or any(word.endswith(release) for word in words)


def test_two_jars_of_one_name_both_get_into_the_image() -> None:
    other = LockedFile("org.other:gson", "2.10.1", "https://y/gson-2.10.1.jar", "1" * 64, 10)
    locked = LockedPlatform(Platform(), DEBIAN, LockedDependencies((GSON, other)))
    layer = RUNTIME.recipe(spec(), facts(), locked).layers[0]
    assert isinstance(layer, DependencyLayer)
    targets = [i.target for i in layer.stage.instructions if isinstance(i, Add)]
    assert targets == ["/opt/agent/lib/gson-2.10.1.jar", "/opt/agent/lib/org.other.gson-2.10.1.jar"]


@pytest.mark.parametrize(
    ("check", "end"),
    [
        (HealthCheck("http", path="/health", timeout="5s"), ("AgentProbe", "8080", "5", "/health")),
        (HealthCheck("tcp", port=9090), ("AgentProbe", "9090", "30")),
        (None, ("AgentProbe", "8080", "30")),
    ],
)
def test_the_probe_is_a_class_of_the_image(check: HealthCheck | None, end: tuple[str, ...]) -> None:
    probe = recipe(spec(ports=(Port(8080),), health_check=check)).probe
    assert probe is not None
    assert probe.command[-len(end) :] == end
    assert probe.command[0] == "java"


def test_a_probe_of_the_authors_own_stays() -> None:
    probe = recipe(spec(health_check=HealthCheck("command", command=("java", "Check")))).probe
    assert probe is not None
    assert probe.command == ("java", "Check")


def test_the_dockerfile_compiles_in_stages_and_takes_only_the_result() -> None:
    text = render(recipe(known=facts("src/main/java/Main.java", pom=POM), toolchain=DEBIAN), lambda base: "debian:here")
    last = text[text.rindex("FROM ") :]
    assert "RUN" not in last
    assert last.splitlines()[2:4] == [
        "COPY --from=dependencies /opt/agent/lib /opt/agent/lib",
        "COPY --from=dependencies /opt/agent/probe /opt/agent/probe",
    ]
    assert f"ADD --chmod=644 --checksum=sha256:{GSON.sha256} {GSON.url} /opt/agent/lib/gson-2.10.1.jar" in text
    assert "mount=type=cache,sharing=locked,target=/root/.m2" in text


def test_the_settings_are_checked_by_the_schema() -> None:
    root = compiled({"runtime:java": SETTINGS}).root
    assert "mainClass" in root["$defs"]["spec"]["properties"]["config"]["properties"]["java"]["properties"]
