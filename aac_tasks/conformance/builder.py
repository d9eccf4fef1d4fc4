"""Any builder: the same small recipes give the same observable images, an edit makes one layer, a failure says what failed.

What needs commands is tried only with builders that say that they can (`Builder.can_build`). The base is one static program
(busybox), so neither a registry nor a package index is asked.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from aac_tasks.conformance.lending import Lending, Lent, lend
from aac_tasks.conformance.small_agent import (
    COMPILED,
    DEPENDENCIES,
    OWN,
    SHELL,
    SOURCES,
    base,
    compile_,
    context_file,
    install,
    recipe,
)
from aac_tasks.contracts.engines import Errand, ErrandBuilder
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.oci_config import config_from_oci
from aac_tasks.contracts.recipe import (
    ApplicationLayer,
    CommandLayer,
    DockerfileLayers,
    FileLayer,
    Recipe,
    RecipeLayer,
    Run,
    Write,
)
from aac_tasks.contracts.roles import Builder, BuildRequest
from aac_tasks.errors import StepError


@dataclass(frozen=True)
class BuilderUnderTest:
    """A builder, the environment of who builds (where its engine is), and the platform to build for."""

    builder: Builder
    environment: Mapping[str, str]
    platform: Platform = field(default_factory=Platform)


@dataclass(frozen=True)
class Site:
    """One agent's folder with its sources, and what a step would lend to the builder."""

    subject: BuilderUnderTest
    lent: Lent
    folder: Path

    def build(self, *layers: RecipeLayer, lent: Lent | None = None, **changes: object) -> StoredImage:
        """Build `RECIPE` with these layers; ``changes`` are fields of `Recipe`."""
        made = replace(recipe(self.subject.platform), layers=layers, **changes)  # type: ignore[arg-type]
        return self.subject.builder.build(self.request(made, lent or self.lent), (lent or self.lent).tools)

    def request(self, made: Recipe, lent: Lent) -> BuildRequest:
        """As step image makes it."""
        files = tuple(context_file(self.folder, path) for path in sorted(SOURCES))
        lowest = base(lent)
        return BuildRequest(
            made, files, self.folder, "", lambda: lowest, install, compile_, fetch_base=lambda locked: lowest
        )


class BuilderConformance(Lending):
    """Subclass it with a fixture ``subject``."""

    @pytest.fixture
    def site(self, subject: BuilderUnderTest, tmp_path: Path) -> Site:
        """Sources under a strange umask, and tools that know where the engine is."""
        for path, text in SOURCES.items():
            file = tmp_path / "site" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            file.chmod(0o700 if path.endswith(".sh") else 0o640)
        return Site(subject, lend(tmp_path / "lent", subject.environment), tmp_path / "site")

    def test_the_files_of_every_layer_are_there_with_plain_modes_and_owned_by_root(self, site: Site) -> None:
        """0644 or 0755 whatever the sources or the installer had; links as they were made; nothing else."""
        image = site.build(DEPENDENCIES, FileLayer({"/etc/agent/config.json": "{}\n"}), ApplicationLayer())
        made = _tree(image, site.lent, skip=1)
        files = {path: info[1:] for path, info in made.items() if info[0] == "file"}
        assert files == {
            "opt/agent/bin/tool": (0o755, b"#!/bin/sh\n"),
            "opt/agent/lib/a.txt": (0o644, b"y = 2\n"),
            "etc/agent/config.json": (0o644, b"{}\n"),
            "app/main.txt": (0o644, b"hello\n"),
            "app/deep/er/file.txt": (0o644, b"x\n"),
            "app/run.sh": (0o755, b"#!/bin/sh\n"),
        }
        assert made["opt/agent/bin/link"] == ("link", 0, b"../lib/a.txt")
        assert {info[1] for info in made.values() if info[0] == "dir"} == {0o755}

    def test_the_image_runs_as_the_recipe_says(self, site: Site) -> None:
        """Entrypoint, command, user, folder, environment over the base's, ports, labels, probe, stop signal."""
        config = _config(site.build(ApplicationLayer()), site.lent)
        assert (config.entrypoint, config.cmd) == (("/bin/busybox", "httpd"), ("-f",))
        assert (config.user, config.working_dir, config.stop_signal) == ("10001:10001", "/app", "SIGINT")
        assert config.env == ("PATH=/opt/agent/bin:/bin", "LANG=C.UTF-8", "GREETING=it's \"$5\"")
        assert config.exposed_ports == ("53/udp", "8080/tcp")
        assert config.labels == {"base": "1", "team": "a b"}
        assert config.healthcheck is not None
        assert config.healthcheck.command == ("/bin/busybox", "true")
        assert (config.healthcheck.interval, config.healthcheck.retries) == (1.5, 7)

    def test_the_same_recipe_gives_the_same_image_on_another_machine(self, site: Site, tmp_path: Path) -> None:
        """A second store knows nothing of the first."""
        other = lend(tmp_path / "other", site.subject.environment)
        layers = (DEPENDENCIES, ApplicationLayer())
        assert site.build(*layers).manifest == site.build(*layers, lent=other).manifest

    def test_an_edited_line_makes_one_layer_and_asks_nobody(self, site: Site) -> None:
        """Neither an engine nor a tool is in reach the second time: the other layers come out of the store."""
        before = site.build(DEPENDENCIES, ApplicationLayer())
        (site.folder / "main.txt").write_text("hello, world\n", encoding="utf-8")
        alone = lend(site.lent.folder, {"PATH": "/nowhere", "DOCKER_HOST": "unix:///nowhere"})
        after = site.build(DEPENDENCIES, ApplicationLayer(), lent=alone)
        assert after.layers[:-1] == before.layers[:-1]
        assert after.layers[-1] != before.layers[-1]

    def test_labels_are_no_content(self, site: Site) -> None:
        """Tests are not run again for them."""
        one, other = site.build(ApplicationLayer()), site.build(ApplicationLayer(), labels={"other": "label"})
        assert one.manifest != other.manifest
        assert one.content_digest == other.content_digest

    def test_sources_are_compiled_into_a_layer(self, site: Site) -> None:
        """The stage sees the build context, and only what it is asked for comes out."""
        made = _tree(site.build(COMPILED), site.lent, skip=1)
        assert made.pop("out/app/program") == ("file", 0o755, b"HELLO\n")
        assert {info[0] for info in made.values()} == {"dir"}

    def test_an_errand_brings_what_its_commands_make_and_say_and_is_run_anew_each_time(self, site: Site) -> None:
        """For builders with an engine that can be sent; a command that fails is named, with its last words."""
        builder = site.subject.builder
        if not hasattr(builder, "errand"):
            return
        lowest, made = base(site.lent), []
        look = (*SHELL, "cat /errand/asked /errand/asked; cat /proc/sys/kernel/random/uuid > /errand/made")
        errand = Errand(
            "an errand", recipe(site.subject.platform).base, (Write("/errand/asked", "hello\n"), Run(look)), ("/errand",),
            lambda locked: lowest,
        )  # fmt: skip
        for name in ("first", "second"):
            said = cast("ErrandBuilder", builder).errand(errand, site.lent.folder / name, site.lent.tools)
            assert said.splitlines().count("hello") == 2
            assert (site.lent.folder / name / "errand/asked").read_text() == "hello\n"
            made.append((site.lent.folder / name / "errand/made").read_text())
        assert made[0] != made[1]
        wrong = (*SHELL, "echo it is the end; exit 3")
        with pytest.raises(StepError) as caught:
            failing = replace(errand, instructions=(Run((*SHELL, "true")), Run(wrong)))
            cast("ErrandBuilder", builder).errand(failing, site.lent.folder / "third", site.lent.tools)
        assert (caught.value.command, "it is the end" in caught.value.tail) == (wrong, True)

    def test_commands_change_the_image_and_not_how_it_runs(self, site: Site) -> None:
        """As root, in the base; layers below stay the same blobs."""
        command = CommandLayer((Run((*SHELL, "echo $WHO > /made"), {"WHO": "me"}),))
        if _refuses(site, "commands", command):
            return
        lowest = base(site.lent).layers[0]
        image = site.build(command, ApplicationLayer())
        assert image.layers[0].diff_id == lowest.diff_id
        assert _tree(image, site.lent, skip=1)["made"][2] == b"me\n"
        config = _config(image, site.lent)
        assert config.user == "10001:10001"
        assert not any(line.startswith("WHO=") for line in config.env)

    def test_an_own_dockerfile_is_built_with_its_arguments_and_target(self, site: Site) -> None:
        """Its last layers, its configuration; the recipe lies over it."""
        own = DockerfileLayers(OWN, "Dockerfile", "wanted", {"MODE": "fast"})
        if _refuses(site, "dockerfile", own):
            return
        image = site.build(own, user="", workdir="", entrypoint=(), command=(), probe=None)
        made = _tree(image, site.lent)
        assert made["app/main.txt"][2] == b"hello\n"
        assert not {"Dockerfile", "app/Dockerfile", "app/.dockerignore"} & made.keys()
        config = _config(image, site.lent)
        assert "MODE=fast" in config.env
        assert (config.user, config.working_dir, config.entrypoint) == ("1234:1234", "/app", ("/app/run.sh",))
        assert config.labels["team"] == "a b"

    def test_a_command_that_fails_is_told_with_its_last_lines(self, site: Site) -> None:
        """Nothing is built, and what it said is in the error."""
        command = CommandLayer((Run((*SHELL, "echo it is the end; exit 3")),))
        if _refuses(site, "commands", command):
            return
        with pytest.raises(StepError) as caught:
            site.build(command)
        assert "it is the end" in caught.value.tail
        assert "3" in caught.value.message

    def test_a_line_of_an_own_dockerfile_that_fails_is_named(self, site: Site) -> None:
        """By file and number, as an editor wants it."""
        own = DockerfileLayers("FROM scratch\nCOPY nothing.txt /\n", "docker/Dockerfile")
        if _refuses(site, "dockerfile", own):
            return
        with pytest.raises(StepError, match=r"docker/Dockerfile:2: nothing\.txt is not in the build context"):
            site.build(own)


def _refuses(site: Site, what: str, layer: RecipeLayer) -> bool:
    """Whether the builder says that it can't; then it must not try either."""
    if not site.subject.builder.can_build(frozenset({what}), site.lent.tools):
        return False
    with pytest.raises(StepError):
        site.build(layer)
    return True


def _config(image: StoredImage, lent: Lent) -> ImageConfig:
    with lent.blobs.open(image.config.digest) as file:
        return config_from_oci(json.load(file))


def _tree(image: StoredImage, lent: Lent, skip: int = 0) -> dict[str, tuple[str, int, bytes]]:
    """Path → (kind, mode, content or target) of all layers but the lowest ``skip``; all of it is root's."""
    found: dict[str, tuple[str, int, bytes]] = {}
    for layer in image.layers[skip:]:
        with lent.blobs.open(layer.blob.digest) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
            found.update(_members(tar))
    return found


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, tuple[str, int, bytes]]]:
    for member in tar:
        assert (member.uid, member.gid) == (0, 0), member.name
        name = member.name.strip("/")
        if member.issym():
            yield name, ("link", 0, member.linkname.encode())
        elif member.isdir():
            yield name, ("dir", member.mode, b"")
        else:
            held = tar.extractfile(member)
            yield name, ("file", member.mode, held.read() if held else b"")
