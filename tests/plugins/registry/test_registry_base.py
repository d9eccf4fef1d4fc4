"""The registry base against a real docker-registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real_registry import registry_server
from registry_workbench import AMD64, Bench, bench, image, put_index

from aac_plugins.bases.registry import RegistryBase
from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.errors import StepError


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def published(server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with ``library/python:3.12-slim`` for two platforms, as Docker Hub has it; its index."""
    at = bench(tmp_path_factory.mktemp("publisher"))
    platforms = (AMD64, Platform("linux", "arm64", "v8"))
    images = [image(at, str(p), env=("PYTHON_VERSION=3.12.7",), platform=p) for p in platforms]
    for one in images:
        for tag in ("3.12-slim", "3.12.7-slim", f"3.11-slim-{one.platform.architecture}"):
            DistributionRegistry().push(one, f"{server}/library/python:{tag}", at.tools)
    return put_index(at, server, "library/python", "3.12-slim", images)


@pytest.fixture
def here(server: str, published: str, tmp_path: Path) -> Bench:
    return bench(tmp_path / "here", {"AAC_DOCKER_MIRROR": f"http://{server}"})


def ask(reference: str, version: str = "") -> BaseRequest:
    return BaseRequest("registry", reference, runtime="python", version=version)


def test_a_short_name_is_pinned_by_its_digest_for_the_platform(here: Bench, published: str) -> None:
    locked = RegistryBase().resolve(ask("python:3.12-slim", "3.12"), AMD64, here.tools)
    assert locked.reference == "docker.io/library/python:3.12-slim"
    assert locked.runtime_version == "3.12"
    assert locked.digest.startswith("sha256:") and locked.digest != published
    other = RegistryBase().resolve(ask("python:3.12-slim"), Platform("linux", "arm64"), here.tools)
    assert other.digest != locked.digest


def test_locking_brings_no_layer(here: Bench) -> None:
    RegistryBase().resolve(ask("python:3.12-slim"), AMD64, here.tools)
    sizes = [p.stat().st_size for p in (here.blobs.folder / "blobs").rglob("*") if p.is_file()]
    assert len(sizes) == 2  # manifest and configuration


def test_what_is_locked_is_fetched_with_its_configuration(here: Bench) -> None:
    base = RegistryBase()
    fetched = base.fetch(base.resolve(ask("python:3.12-slim"), AMD64, here.tools), here.tools)
    assert "PYTHON_VERSION=3.12.7" in fetched.config.env
    assert [layer.name for layer in fetched.layers] == ["base", "base"]
    assert all(here.blobs.has(layer.blob.digest) for layer in fetched.layers)


def test_what_is_in_the_store_is_fetched_again_without_any_network(here: Bench, tmp_path: Path) -> None:
    base = RegistryBase()
    locked = base.resolve(ask("python:3.12-slim"), AMD64, here.tools)
    fetched = base.fetch(locked, here.tools)
    offline = bench(tmp_path / "here", offline=True)
    assert base.fetch(locked, offline.tools) == fetched


def test_offline_a_missing_base_names_what_is_missing(here: Bench, tmp_path: Path) -> None:
    locked = RegistryBase().resolve(ask("python:3.12-slim"), AMD64, here.tools)
    offline = bench(tmp_path / "other", offline=True)
    with pytest.raises(StepError, match=r"offline: GET https://registry-1\.docker\.io/v2/library/python/manifests/sha256"):
        RegistryBase().fetch(locked, offline.tools)


def test_a_tag_that_is_not_there_is_refused_naming_those_there_are(here: Bench) -> None:
    with pytest.raises(StepError) as caught:
        RegistryBase().resolve(ask("python:3.13-slim"), AMD64, here.tools)
    said = str(caught.value)
    assert said.startswith("base docker.io/library/python:3.13-slim: ")
    assert "has no 3.13-slim; it has 3.12-slim, " in said


def test_another_version_than_asked_for_is_refused(here: Bench) -> None:
    with pytest.raises(StepError, match=r"holds python 3\.12, not the 3\.11 asked for"):
        RegistryBase().resolve(ask("python:3.12-slim", "3.11"), AMD64, here.tools)


def test_a_platform_that_is_not_there_is_refused_naming_those_there_are(here: Bench) -> None:
    with pytest.raises(StepError, match="no image for linux/riscv64; it has: linux/amd64, linux/arm64"):
        RegistryBase().resolve(ask("python:3.12-slim"), Platform("linux", "riscv64"), here.tools)


def test_a_digest_that_the_registry_lost_is_told(here: Bench) -> None:
    locked = RegistryBase().resolve(ask("python:3.12-slim"), AMD64, here.tools)
    with pytest.raises(StepError, match=r"has no sha256:0+ any more"):
        RegistryBase().fetch(replace(locked, digest="sha256:" + "0" * 64), here.tools)


def test_a_pin_is_of_all_platforms_and_brings_the_image_of_one(here: Bench, published: str, tmp_path: Path) -> None:
    base = RegistryBase()
    pin = base.pin("python:3.12-slim", here.tools)
    assert pin == f"docker.io/library/python@{published}" == base.pin(pin, here.tools)
    image = base.pinned(pin, AMD64, here.tools)
    assert image.platform == AMD64
    assert all(here.blobs.has(blob) for blob in (image.manifest, image.config, *(layer.blob for layer in image.layers)))
    assert base.pinned(pin, Platform("linux", "arm64"), here.tools).platform.architecture == "arm64"
    assert base.pinned(pin, AMD64, bench(tmp_path / "here", offline=True).tools) == image


def test_a_pinned_image_that_is_not_there_is_told(here: Bench) -> None:
    with pytest.raises(StepError, match=r"has no sha256:0+ any more"):
        RegistryBase().pinned("docker.io/library/python@sha256:" + "0" * 64, AMD64, here.tools)
    with pytest.raises(StepError, match=r"^docker\.io/library/python:4: .* has no 4") as failed:
        RegistryBase().pin("python:4", here.tools, "what to do")
    assert failed.value.hint == "what to do"


def test_a_dockerfile_names_the_base_by_its_digest(here: Bench) -> None:
    locked = RegistryBase().resolve(ask("python:3.12-slim"), AMD64, here.tools)
    assert RegistryBase().dockerfile_from(locked) == f"docker.io/library/python@{locked.digest}"


def test_a_mirror_that_is_no_address_is_refused(tmp_path: Path) -> None:
    at = bench(tmp_path, {"AAC_DOCKER_MIRROR": "127.0.0.1:5000"})
    with pytest.raises(StepError, match=r"AAC_DOCKER_MIRROR: '127\.0\.0\.1:5000' is not a registry's address"):
        RegistryBase().resolve(ask("python:3.12"), AMD64, at.tools)


@pytest.mark.parametrize(
    ("reference", "taken"),
    [
        ("python:3.12-slim", True),
        ("ghcr.io/team/base:1", True),
        ("debian:trixie", False),
        ("oci:./layout", False),
        ("scratch", False),
    ],
)
def test_the_notation_of_other_bases_is_left_to_them(reference: str, taken: bool) -> None:
    assert RegistryBase().accepts(reference) is taken
