"""Files that an own Dockerfile copies last: what we put into the image is what the engine would have put there."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.image_trees import Tree, unpacked
from real.podman import Podman

from aac_plugins.builders.docker import DockerBuilder
from aac_plugins.builders.podman import PodmanBuilder
from aac_plugins.oci.lookup import Look, look
from aac_plugins.runtimes.copied_last import taken_apart
from aac_tasks.conformance.lending import Lent, lend
from aac_tasks.conformance.small_agent import context_file, recipe
from aac_tasks.contracts.context import ContextFile
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.recipe import DockerfileLayers
from aac_tasks.contracts.roles import BaseImage, Builder, BuildRequest
from aac_tasks.errors import StepError
from aac_tasks.testing import need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

HOST = {"AAC_BUILD_NETWORK": "host"}

BOTTOM = """FROM scratch AS wanted
ARG MODE=slow
COPY root /
RUN ["/bin/busybox", "sh", "-c", "mkdir -p /srv/odd /app && chmod 2750 /srv && chown 5:6 /srv && echo old > /srv/old"]
RUN ["/bin/busybox", "sh", "-c", "chmod 700 /srv/odd && ln -s srv /short && mkdir /srv/pkg && echo gone > /gone"]
RUN ["/bin/busybox", "sh", "-c", "rm /gone && chown 7:7 /srv/pkg"]
WORKDIR /app
"""
ACCOUNTS = {"passwd": "root:x:0:0::/:/bin/sh\nme:x:41:42::/:/bin/sh\n", "group": "root:x:0:\nstaff:x:50:\n"}

PLAIN = [
    "COPY main.py .\nCMD [\"/main\"]",
    "COPY main.py run.sh /app/",
    "COPY main.py other.py",
    "COPY main.py /srv",
    "COPY run.sh /srv/old",
    "COPY main.py /new/deep/er/",
    "COPY main.py /new/deep/er",
    "COPY pkg /app/pkg\nUSER 7\nENV MODE=$MODE\nCOPY run.sh pkg/inner.py /app/pkg/",
    "COPY pkg /srv/",
    "COPY pkg .",
    "COPY pkg/ /new/pkg",
    "COPY pkg main.py /both/",
    "COPY --chown=5 main.py /new/",
    "COPY --chown=5:0 pkg /new/deep",
    "COPY --chown=me pkg /srv",
    "COPY --chown=me:staff main.py /app/main.py",
    "COPY --chown=7:staff . /whole",
    "COPY *.py /app/",
    "COPY p?g run* /app/",
    'COPY ["a name.txt", "/srv/odd/"]',
    "COPY main.py /gone/",
    "COPY main.py /",
    "copy main.py \\\n  # a word\n  run.sh \\\n  ./in/",
]
"""What we do ourselves."""

BY_BUILDKIT = ["COPY --chmod=750 pkg /srv", "COPY --chmod=0640 --chown=5:6 main.py /new/er/"]
"""What the classic endpoint and Podman 4 read otherwise, or not at all."""

LEFT = [
    "COPY main.py /short/",
    "COPY main.py /bin/sh",
    "COPY pkg/link /app/",
    "COPY --chown=nobody-knows main.py /app/",
    "COPY pkg /srv/old/",
    "COPY clash /srv/",
    "COPY nothing /app/",
]
"""What is more than files and folders, or wrong: the engine's, after a look at the image."""


@dataclass(frozen=True)
class Site:
    """A folder with a build context, and who builds it."""

    lent: Lent
    folder: Path
    builder: Builder

    @property
    def files(self) -> tuple[ContextFile, ...]:
        """The build context, as a step's snapshot has it."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_symlink() or path.is_file())
        links = {path: str(path.readlink()) for path in paths if path.is_symlink()}
        named = [(path, path.relative_to(self.folder).as_posix()) for path in paths]
        found = [
            ContextFile(name, "link", path, target=links[path]) if path in links else context_file(self.folder, name)
            for path, name in named
        ]
        return tuple(sorted([*found, ContextFile("pkg/empty", "dir", self.folder / "pkg/empty")], key=lambda file: file.path))

    def build(self, layer: DockerfileLayers, *, no_cache: bool = False) -> StoredImage:
        """The image, as step image builds it."""
        made = replace(recipe(Platform()), layers=(layer,), user="", workdir="", entrypoint=(), command=(), probe=None)
        request = BuildRequest(
            made, self.files, self.folder, "", lambda: BaseImage((), ImageConfig()), _never, _never, no_cache=no_cache
        )
        return self.builder.build(request, self.lent.tools)

    def tree(self, image: StoredImage, folder: Path) -> tuple[Tree, Look]:
        """What a container of it would see, and owners and modes with their set-id bits."""
        return unpacked(image, self.lent.blobs, folder), look(image.layers, [""], (), self.lent.tools)

    def configuration(self, image: StoredImage) -> dict[str, object]:
        """How it runs."""
        with self.lent.blobs.open(image.config.digest) as file:
            return dict(json.load(file)["config"])


def _never(*_: object) -> None:
    raise AssertionError("nothing is installed or compiled")


def site_of(folder: Path, builder: Builder, env: dict[str, str]) -> Site:
    busybox = shutil.which("busybox")
    need(busybox, "no static busybox (Debian: busybox-static)")
    context = folder / "context"
    for name in ("root/bin", "root/etc", "pkg/empty", "clash"):
        (context / name).mkdir(parents=True)
    shutil.copy(str(busybox), context / "root/bin/busybox")
    (context / "root/bin/sh").symlink_to("busybox")
    for name, text in ACCOUNTS.items():
        (context / "root/etc" / name).write_text(text)
    for name in ("main.py", "run.sh", "pkg/inner.py", "pkg/plain", "clash/odd", "a name.txt"):
        (context / name).write_text(f"# {name}\n")
    (context / "run.sh").chmod(0o755)
    (context / "pkg/link").symlink_to("inner.py")
    return Site(lend(folder, env), context, builder)


@pytest.fixture(scope="module")
def docker(docker_engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_of(tmp_path_factory.mktemp("own-copies"), DockerBuilder(), {**docker_engine.env})


@pytest.mark.parametrize("tail", [*PLAIN, *BY_BUILDKIT])
def test_what_is_copied_is_what_the_engine_copies(tail: str, docker: Site, tmp_path: Path) -> None:
    ours, theirs = _both(docker, tail)
    assert ours.layers[-1].name == "application"
    assert docker.tree(ours, tmp_path / "ours") == docker.tree(theirs, tmp_path / "theirs")
    assert docker.configuration(ours) == docker.configuration(theirs)


@pytest.mark.parametrize("tail", LEFT)
def test_what_is_not_plain_is_the_engines_all_the_same(tail: str, docker: Site, tmp_path: Path) -> None:
    try:
        ours, theirs = _both(docker, tail)
    except StepError as error:
        assert "Dockerfile:8" in error.message, "the line is that of the whole file"
        return
    assert {layer.name for layer in ours.layers} == {"dockerfile"}
    assert docker.tree(ours, tmp_path / "ours") == docker.tree(theirs, tmp_path / "theirs")


def test_other_engines_agree(docker_engine: Engine, podman: Podman, tmp_path: Path) -> None:
    """Docker's classic endpoint, and Podman."""
    (tmp_path / "no-docker").mkdir()
    classic = {**docker_engine.env, "PATH": str(tmp_path / "no-docker")}
    engines = {"classic": (DockerBuilder(), classic), "podman": (PodmanBuilder(), {**os.environ, **podman.env, **HOST})}
    for name, (builder, env) in engines.items():
        site = site_of(tmp_path / name, builder, env)
        for number, tail in enumerate(("COPY pkg /srv/", "COPY --chown=5:6 *.py /new/deep/\nCOPY run.sh .")):
            ours, theirs = _both(site, tail)
            assert ours.layers[-1].name == "application"
            assert site.tree(ours, tmp_path / f"{name}-ours{number}") == site.tree(theirs, tmp_path / f"{name}-theirs{number}")
            assert site.configuration(ours) == site.configuration(theirs)


@pytest.mark.parametrize("trigger", ["COPY . /all", "COPY pkg/inner.py /one", "ADD . /all"])
def test_a_trigger_of_the_base_reads_what_it_likes(trigger: str, docker: Site, docker_engine: Engine, tmp_path: Path) -> None:
    name = f"localhost/triggers:{tmp_path.name.replace('_', '-')}"
    base = f"FROM scratch\nONBUILD {trigger}\nONBUILD LABEL was=here\n"
    docker_engine.docker("build", "--provenance=false", "-q", "-t", name, "-", stdin=base.encode()).ok()
    whole = DockerfileLayers(f"FROM {name}\nCOPY root /\nWORKDIR /app\nCOPY run.sh .\n")
    apart = taken_apart(whole)
    assert (len(apart.copies), apart.reads) == (1, ("root",))
    ours, theirs = docker.build(apart), docker.build(whole)
    assert {layer.name for layer in ours.layers} == {"dockerfile"}, "the engine made all of it"
    assert docker.tree(ours, tmp_path / "ours") == docker.tree(theirs, tmp_path / "theirs")
    assert docker.configuration(ours) == docker.configuration(theirs)


def test_an_edit_of_what_is_copied_last_asks_no_engine(docker: Site) -> None:
    apart = taken_apart(DockerfileLayers(f"{BOTTOM}COPY pkg /app/pkg\n"))
    before = docker.build(apart)
    (docker.folder / "pkg/inner.py").write_text("# edited\n")
    alone = replace(docker, lent=lend(docker.lent.folder, {"DOCKER_HOST": "unix:///nowhere"}))
    after = alone.build(apart)
    assert after.layers[:-1] == before.layers[:-1]
    assert after.layers[-1] != before.layers[-1]


def _both(site: Site, tail: str) -> tuple[StoredImage, StoredImage]:
    whole = DockerfileLayers(f"{BOTTOM}{tail}\nLABEL some=thing\n", "Dockerfile", "wanted", {"MODE": "fast"})
    apart = taken_apart(whole)
    assert apart.copies, "it is plain"
    return site.build(apart), site.build(whole)
