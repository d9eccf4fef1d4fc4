"""The example in Java, as a user has it: built, tested, pushed; the same elsewhere; and what an edit redoes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from java_samples import MAVEN, need_java

from aac_tasks.testing import Project, command

pytestmark = [pytest.mark.network, pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("java-end")]

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/java"
ALLOWED = {"AAC_ALLOW_HOST": "1"}


def example() -> dict[str, bytes]:
    left_out = {".aac", "dist", "agent.lock"}
    files = (p for p in EXAMPLE.rglob("*") if p.is_file() and not left_out & set(p.relative_to(EXAMPLE).parts))
    return {p.relative_to(EXAMPLE).as_posix(): p.read_bytes() for p in files}


def image(project: Project) -> Mapping[str, Any]:
    shown: Mapping[str, Any] = json.loads(project.agent("inspect", "--json").ok().stdout)
    return shown


def layers(project: Project) -> dict[str, str]:
    return {layer["name"]: layer["blob"]["digest"] for layer in image(project)["image"]["layers"]}


def test_the_example_passes_its_tests_and_is_pushed(project: Project) -> None:
    need_java()
    project.write(example())
    said = project.agent("push", env=ALLOWED, timeout=600).ok()
    assert "✓ push:hello-java" in said.output
    index = json.loads(project.read("dist/index.json"))
    assert image(project)["digest"] in json.dumps(index)


def test_people_with_other_settings_in_other_folders_build_the_same_image(project: Project, lone_project: Project) -> None:
    need_java()
    one, other = project.sub("one"), lone_project.sub("another/much deeper folder")
    one.write(MAVEN)
    one.agent("build", timeout=600).ok()
    other.write({**MAVEN, "agent.lock": one.read("agent.lock")})
    env = {"TZ": "Asia/Kolkata", "LANG": "de_DE.UTF-8"}
    other.run(("/bin/sh", "-c", 'umask 077; exec "$@"', "sh", *command("agent"), "build"), env=env, timeout=900).ok()
    assert image(one)["digest"] == image(other)["digest"]


def replaced(name: str, old: str, new: str) -> Callable[[Project], object]:
    def edit(project: Project) -> None:
        text = project.read(name)
        assert text.count(old) == 1
        (project.folder / name).write_text(text.replace(old, new))

    return edit


SOURCE = "src/main/java/Main.java"
TABLE = (
    # what is edited, the edit, steps that are done again, layers that are another
    ("a source line", replaced(SOURCE, 'toJson("hi")', 'toJson("ho")'), {"image"}, {"compiled"}),
    ("a comment", replaced(SOURCE, "String text", "/* what is said */ String text"), {"image"}, set()),
    ("a resource", replaced("src/main/resources/text.txt", "text", "other"), {"image"}, {"compiled"}),
    ("a test of its own", replaced("src/test/java/MainTest.java", "broken", "still broken"), {"image"}, set()),
    ("a dependency of tests", replaced("pom.xml", "4.13.2", "4.13.1"), {"lock", "image"}, set()),
    ("a library", replaced("pom.xml", "2.10.1", "2.10"), {"lock", "dockerfile", "image"}, {"dependencies"}),
    ("the description", replaced("agent.yaml", "version: 0.1.0", "version: 0.1.0, description: x"),
     {"parse", "dockerfile", "image"}, set()),
    ("the probe's path", replaced("agent.yaml", "healthCheck: {path: /}", "healthCheck: {path: /x}"),
     {"parse", "dockerfile", "image"}, set()),
    ("the version of Java that is compiled for", replaced("pom.xml", "<project.build",
     "<maven.compiler.release>11</maven.compiler.release>"
     "<maven.compiler.source>11</maven.compiler.source><maven.compiler.target>11</maven.compiler.target><project.build"),
     {"lock", "dockerfile", "image"}, {"compiled"}),
)  # fmt: skip


def test_an_edit_redoes_what_it_touches_and_nothing_else(project: Project) -> None:
    need_java()
    project.write(MAVEN)
    project.agent("build", timeout=600).ok()
    for what, edit, steps, other in TABLE:
        before = layers(project)
        edit(project)
        said = project.agent("build", timeout=600).ok().output
        done = {kind for kind in ("parse", "lock", "dockerfile", "image") if f"✓ {kind}:" in said}
        after = layers(project)
        assert (what, done) == (what, steps)
        assert (what, {name for name in after if after[name] != before.get(name)}) == (what, other)
        assert "up to date" in project.agent("build").ok().output
