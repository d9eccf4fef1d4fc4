"""A real engine builds the Dockerfiles of Java agents on toolchains of Debian packages: the images are the embedded builder's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from java_samples import MAVEN, PLAIN, PREBUILT, need_java
from real.dockerd import Engine
from real.image_trees import configuration, differences, exported, unpacked
from real.test_docker_judge import build
from runner_stage import Stage

from aac_plugins.bases.debian import DebianBase
from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import base_image, load_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

KEY_STORE = Path("/etc/ssl/certs/java/cacerts")


@pytest.fixture
def stage(tmp_path: Path, aac_cache: Path) -> Stage:
    need_java()
    folder = tmp_path / "stage"
    folder.mkdir()
    (aac_cache / "aac").mkdir(exist_ok=True)
    (folder / "store").symlink_to(aac_cache / "aac")
    return Stage(folder)


def lend_toolchain(stage: Stage, engine: Engine, name: str, *packages: str) -> None:
    """Debian's JDK under the name that the Dockerfile has behind FROM; it trusts whom this machine's Java trusts."""
    base = DebianBase()
    request = BaseRequest("debian", "debian:trixie", packages, "jdk")
    image = base.fetch(base.resolve(request, Platform(), stage.tools), stage.tools)
    layers = list(image.layers)
    if KEY_STORE.exists():
        entry = Entry("etc/ssl/certs/java/cacerts", "file", 0o644, data=KEY_STORE.read_bytes())
        with stage.tools.scratch() as scratch:
            layers.append(write_layer([entry], stage.blobs, scratch, name="trusted", created=0))
    whole = base_image(BaseImage(tuple(layers), image.config), name, Platform(), stage.blobs)
    load_image(Api(str(engine.socket)), whole, [name], stage.tools)


def built_twice(files: Mapping[str, str | bytes], stage: Stage, project: Project, engine: Engine, scratch: Path) -> None:
    """Both images have the same configuration and files; only classes may differ, where the two JDKs are not the same."""
    tag = project.folder.name
    scratch = scratch / f"{tag}-scratch"
    scratch.mkdir()
    built = build(project, files, stage)
    base = built.lend_base(engine)
    arguments = ("--provenance=false", "-q", "-t", tag, "-f", str(built.dockerfile))
    engine.docker("build", *arguments, str(built.context(scratch)), timeout=300).ok()
    load_image(Api(str(engine.socket)), built.image, [f"{tag}-embedded"], stage.tools, like=[base])
    assert configuration(engine, tag) == configuration(engine, f"{tag}-embedded")
    theirs = exported(engine, tag, scratch)
    differing = differences(theirs, unpacked(built.image, stage.blobs, scratch / "root"))
    compiled = {path: (here.mode, here.owner) for path, node in differing.items() if (here := node[0]) is not None}
    assert compiled.keys() == differing.keys()
    assert all(path.startswith("app/target/classes/") and path.endswith(".class") for path in compiled)
    assert set(compiled.values()) <= {("0o644", (0, 0))}
    assert "opt/agent/probe/AgentProbe.class" in theirs


def test_plain_sources_and_a_jar_are_the_same_image_from_an_engine_and_from_us(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    lend_toolchain(stage, docker_engine, "docker.io/library/eclipse-temurin:21-jdk")
    built_twice(PLAIN, stage, project.sub("plain"), docker_engine, tmp_path)
    built_twice(PREBUILT, stage, project.sub("prebuilt"), docker_engine, tmp_path)


def test_a_maven_project_is_the_same_image_from_an_engine_and_from_us(
    docker_engine: Engine, project: Project, stage: Stage, tmp_path: Path
) -> None:
    lend_toolchain(stage, docker_engine, "docker.io/library/maven:3-eclipse-temurin-21", "maven")
    built_twice(MAVEN, stage, project.sub("maven"), docker_engine, tmp_path)
    run = ("run", "--rm", "--network=none", "-e", "ONCE=1", "maven")
    assert docker_engine.docker(*run).ok().stdout == '"hi"\n'
