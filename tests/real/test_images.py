"""Images as a user handles them: named, saved, read by other tools, loaded again, removed and built again."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path

import pytest
from cli.image_users import put_base, write_agent
from real.dockerd import Engine
from real.podman import Podman
from real.small_agent import small_agent

from aac_tasks.testing import Project, clean_environment, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]


@pytest.fixture
def built(tmp_path: Path) -> tuple[Project, str, str]:
    """A project, its agent, the digest of its image."""
    project, name, _ = small_agent(tmp_path, "runc")
    project.agent("build").ok()
    return project, name, project.agent("inspect", "--format", "{{.Digest}}").ok().stdout.strip()


def images(project: Project, *flags: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(project.agent("images", "--json", *flags).ok().stdout)["images"]
    return found


def test_what_inspect_says_stands_in_the_image(built: tuple[Project, str, str]) -> None:
    project, name, digest = built
    facts = json.loads(project.agent("inspect", name, "--json").ok().stdout)
    assert facts["names"] == [f"{name}:1.0.0"]
    assert facts["entrypoint"] == ["/bin/sh", "/app/main.sh"]
    assert facts["labels"]["dev.agent.name"] == name
    assert facts["spec"]["models"][0]["name"] == "gpt-4o-mini"
    assert sum(layer["size"] for layer in facts["layers"]) < facts["size"]
    for word in (f"{name}:1.0.0", digest, digest[7:15]):
        assert json.loads(project.agent("inspect", word, "--json").ok().stdout)["digest"] == digest
    assert "no image 'nothing' here; expected an agent" in project.agent("inspect", "nothing").exits(3).stderr


def test_a_name_comes_and_goes_and_the_image_stays(built: tuple[Project, str, str]) -> None:
    project, name, digest = built
    project.agent("tag", name, "team/small").ok()
    assert images(project)[0]["names"] == [f"{name}:1.0.0", "team/small:latest"]
    assert "is not a repository name" in project.agent("tag", name, "Team/small").exits(3).stderr
    project.write({"main.sh": "echo another"}).agent("build").ok()
    assert project.agent("images", "-q", "--filter", "name=team/small").ok().stdout == f"{digest}\n"
    assert f"{name}:1.0.0 is what agent {name} is built as" in project.agent("tag", "team/small", f"{name}:1.0.0").exits(3).stderr
    project.agent("rmi", "team/small").ok()
    assert [row["names"] for row in images(project)] == [[f"{name}:1.0.0"]]
    assert images(project, "--filter", "dangling=true") == []


def test_a_removed_image_leaves_what_others_share_and_is_built_again(built: tuple[Project, str, str]) -> None:
    project, name, digest = built
    old = images(project)[0]
    project.write({"main.sh": "echo another"}).agent("build").ok()
    (dangling,) = images(project, "--filter", "dangling=true")
    assert dangling["digest"] == digest
    project.agent("rmi", digest[7:19]).ok()
    assert images(project, "-a")[0]["digest"] != digest
    assert images(project)[0]["layers"][0]["digest"] == old["layers"][0]["digest"]  # type: ignore[index]
    removed = project.agent("rmi", name, "--json").ok().stdout
    assert json.loads(removed)["removed"][0]["freed"] > 100_000
    assert images(project, "-a") == []
    assert project.agent("inspect", name).exits(3)
    assert "is gone from the store" in project.agent("why", f"image:{name}").ok().stdout
    project.agent("build").ok()
    assert len(images(project)) == 1


def test_a_saved_image_is_read_by_docker_podman_and_skopeo(
    built: tuple[Project, str, str], docker_engine: Engine, podman: Podman
) -> None:
    project, name, digest = built
    assert f"saved {name}:1.0.0 to out/small.tar" in project.agent("save", name, "-o", "out/small.tar").ok().stdout
    file = project.folder / "out/small.tar"
    assert f"Loaded image: {name}:1.0.0" in docker_engine.docker("load", "-i", str(file)).ok().stdout
    run = ("run", "--rm", "--network=none", f"{name}:1.0.0", "end")
    assert docker_engine.docker(*run).exits(5).stdout == "args: end, greeting: \n"
    assert f"{name}:1.0.0" in podman.run("load", "-i", str(file)).ok().stdout
    need(shutil.which("skopeo"), "skopeo is not installed")
    for kind in ("docker-archive", "oci-archive"):
        seen = project.run(("skopeo", "inspect", "--config", f"{kind}:{file}")).ok().stdout
        assert json.loads(seen)["config"]["Labels"]["dev.agent.name"] == name
    seen = project.run(("skopeo", "inspect", f"oci-archive:{file}")).ok().stdout
    assert json.loads(seen)["Digest"] == digest


def test_a_saved_image_of_several_platforms_is_read_by_the_same_tools(
    project: Project, docker_engine: Engine, podman: Podman
) -> None:
    put_base(project.folder)
    write_agent(project.folder, "exit 5\n")
    project.agent("build", "-q", "--builder", "embedded", "--platform", "linux/amd64,linux/arm64").ok()
    project.agent("save", "ex", "-o", "ex.tar").ok()
    file, digest = project.folder / "ex.tar", project.agent("inspect", "ex", "--format", "{{.Digest}}").ok().stdout.strip()
    assert "Loaded image: ex:1.0.0" in docker_engine.docker("load", "-i", str(file)).ok().stdout
    docker_engine.docker("run", "--rm", "--network=none", "ex:1.0.0").exits(5)
    assert "ex:1.0.0" in podman.run("load", "-i", str(file)).ok().stdout
    docker_engine.docker("rmi", "ex:1.0.0").ok()
    podman.run("rmi", "ex:1.0.0").ok()
    need(shutil.which("skopeo"), "skopeo is not installed")
    raw = project.run(("skopeo", "inspect", "--raw", f"oci-archive:{file}")).ok().stdout
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == digest
    for cpu in ("amd64", "arm64"):
        seen = project.run(("skopeo", "--override-arch", cpu, "inspect", "--config", f"oci-archive:{file}")).ok().stdout
        assert json.loads(seen)["architecture"] == cpu


def test_archives_of_all_these_tools_are_loaded(
    built: tuple[Project, str, str], docker_engine: Engine, podman: Podman, tmp_path: Path
) -> None:
    project, name, digest = built
    need(shutil.which("skopeo"), "skopeo is not installed")
    project.agent("save", name, "-o", "own.tar").ok()
    own = project.folder / "own.tar"
    (tmp_path / "own.tar.gz").write_bytes(gzip.compress(own.read_bytes(), 1))
    docker_engine.docker("load", "-i", str(own)).ok()
    docker_engine.docker("save", "-o", str(tmp_path / "docker.tar"), f"{name}:1.0.0").ok()
    podman.run("load", "-i", str(own)).ok()
    podman.run("save", "-o", str(tmp_path / "podman.tar"), f"{name}:1.0.0").ok()
    oci = f"oci-archive:{tmp_path}/oci.tar:{name}:1.0.0"
    project.run(("skopeo", "--tmpdir", str(tmp_path), "copy", f"oci-archive:{own}", oci)).ok()
    content = images(project)[0]["content_digest"]
    for file in ("own.tar.gz", "docker.tar", "podman.tar", "oci.tar"):
        other = Project(tmp_path / file.replace(".", "-"), clean_environment(tmp_path / "home", tmp_path / f"cache-{file}"))
        other.folder.mkdir()
        loaded = json.loads(other.agent("load", "-i", str(tmp_path / file), "mine:2", "--json").ok().stdout)
        (row,) = images(other)
        assert (row["names"], row["content_digest"], row["digest"]) == (["mine:2"], content, loaded["digest"]), file
        assert (loaded["digest"] == digest) == (file in ("own.tar.gz", "oci.tar")), file


def test_what_is_no_agents_archive_is_refused_and_nothing_is_kept(built: tuple[Project, str, str], tmp_path: Path) -> None:
    project, name, _ = built
    project.agent("save", name, "-o", "own.tar").ok()
    data = (project.folder / "own.tar").read_bytes()
    cases = {
        "empty.tar": (b"", "can't be read as an archive|holds no image"),
        "text.tar": (b"hello" * 1000, "can't be read as an archive"),
        "short.tar": (data[: len(data) // 2], "can't be read|lacks|is cut short|hash"),
        "changed.tar": (data.replace(b"dev.agent.name", b"dev.agent.nome"), "hash"),
    }
    other = Project(tmp_path / "other", clean_environment(tmp_path / "home", tmp_path / "cache-other"))
    other.folder.mkdir()
    for file, (content, said) in cases.items():
        (tmp_path / file).write_bytes(content)
        ran = other.agent("load", "-i", str(tmp_path / file)).exits(1)
        assert any(word in ran.stderr for word in said.split("|")), ran.stderr
        assert not (other.folder / ".aac/images.json").exists()
    assert "no such file" in other.agent("load", "-i", "nowhere.tar").exits(3).stderr
