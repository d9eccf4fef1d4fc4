"""The distribution registry against a real docker-registry, with skopeo as witness."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_ca import make_ca, make_certificate
from real_registry import free_port, registry_server
from registry_workbench import AMD64, Bench, bench, configure, image, log_in, put_index, skopeo

from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import MEDIA_INDEX, Digest, Platform
from aac_tasks.contracts.oci_index import index_document
from aac_tasks.errors import StepError
from aac_tasks.testing import need

USER, PASSWORD = "ada", "pass:word with blank"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("locked"), {USER: PASSWORD}) as address:
        yield address


@pytest.fixture
def here(tmp_path: Path) -> Bench:
    return bench(tmp_path / "here")


def test_what_is_pushed_is_what_skopeo_reads(here: Bench, server: str) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    made = image(here, "for skopeo")
    pushed = DistributionRegistry().push(made, f"{server}/team/agent:1.0", here.tools)
    raw = skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{server}/team/agent:1.0")
    assert pushed.digest == made.manifest.digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert pushed.ref == f"{server}/team/agent:1.0"


def test_what_is_pushed_is_pulled_into_an_empty_store_with_the_same_digests(here: Bench, server: str, tmp_path: Path) -> None:
    made = image(here, "there and back")
    DistributionRegistry().push(made, f"{server}/back:1", here.tools)
    there = bench(tmp_path / "there")
    pulled = DistributionRegistry().pull(f"{server}/back:1", AMD64, there.tools)
    assert pulled.manifest == made.manifest
    assert pulled.content_digest == made.content_digest
    assert all(there.blobs.has(layer.blob.digest) for layer in pulled.layers)
    by_digest = DistributionRegistry().pull(f"{server}/back@{made.manifest.digest}", AMD64, there.tools)
    assert by_digest == pulled


def test_the_second_push_sends_nothing(here: Bench, server: str) -> None:
    made = image(here, "twice")
    first = DistributionRegistry().push(made, f"{server}/twice:1", here.tools)
    second = DistributionRegistry().push(made, f"{server}/twice:2", here.tools)
    assert first.sent == made.config.size + sum(layer.blob.size for layer in made.layers)
    assert second.sent == 0


def test_after_an_edit_only_the_changed_layer_and_the_configuration_travel(here: Bench, server: str) -> None:
    registry = DistributionRegistry()
    registry.push(image(here, "before"), f"{server}/edit:1", here.tools)
    after = image(here, "after")
    assert registry.push(after, f"{server}/edit:1", here.tools).sent == after.config.size + after.layers[1].blob.size
    assert registry.resolve(f"{server}/edit:1", here.tools) == after.manifest.digest


def test_a_tag_that_is_not_there_resolves_to_nothing(here: Bench, server: str) -> None:
    registry = DistributionRegistry()
    registry.push(image(here), f"{server}/some:1", here.tools)
    assert registry.resolve(f"{server}/some:2", here.tools) is None
    assert registry.resolve(f"{server}/none:1", here.tools) is None


def test_a_pull_of_what_is_not_there_says_so(here: Bench, server: str) -> None:
    with pytest.raises(StepError, match="there is no such image in the registry"):
        DistributionRegistry().pull(f"{server}/never:1", AMD64, here.tools)


def test_the_image_of_the_platform_is_chosen_from_an_index(here: Bench, server: str, tmp_path: Path) -> None:
    registry, arm = DistributionRegistry(), Platform("linux", "arm64")
    both = [image(here, str(p), platform=p) for p in (AMD64, arm)]
    for number, one in enumerate(both):
        registry.push(one, f"{server}/multi:{number}", here.tools)
    index = put_index(here, server, "multi", "all", both)
    there = bench(tmp_path / "there")
    assert registry.pull(f"{server}/multi:all", arm, there.tools).manifest == both[1].manifest
    assert registry.resolve(f"{server}/multi:all", there.tools) == index
    with pytest.raises(StepError, match="no image for linux/s390x; it has: linux/amd64, linux/arm64"):
        registry.pull(f"{server}/multi:all", Platform("linux", "s390x"), there.tools)


def test_an_image_that_skopeo_converted_to_dockers_types_is_pulled_too(here: Bench, server: str, tmp_path: Path) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    made = image(here, "as docker")
    DistributionRegistry().push(made, f"{server}/oci:1", here.tools)
    tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
    skopeo("copy", *tls, "--format", "v2s2", f"docker://{server}/oci:1", f"docker://{server}/v2s2:1")
    pulled = DistributionRegistry().pull(f"{server}/v2s2:1", AMD64, bench(tmp_path / "there").tools)
    assert pulled.manifest.media_type == "application/vnd.docker.distribution.manifest.v2+json"
    assert [layer.diff_id for layer in pulled.layers] == [layer.diff_id for layer in made.layers]


def test_with_a_login_from_dockers_file_the_closed_registry_takes_and_gives(here: Bench, locked: str) -> None:
    log_in(here, locked, USER, PASSWORD)
    made = image(here, "behind a door")
    registry = DistributionRegistry()
    assert registry.push(made, f"{locked}/closed:1", here.tools).digest == made.manifest.digest
    assert registry.resolve(f"{locked}/closed:1", here.tools) == made.manifest.digest


def test_a_credential_helper_is_asked(here: Bench, locked: str, tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "docker-credential-test"
    program.write_text(
        f'#!/bin/sh\nread server\n[ "$server" = "{locked}" ] || exit 1\n'
        f'printf \'{{"ServerURL":"%s","Username":"{USER}","Secret":"{PASSWORD}"}}\' "$server"\n'
    )
    program.chmod(0o755)
    at = bench(tmp_path / "with helper", {"PATH": f"{folder}:{here.environment['PATH']}"})
    made = image(at, "by a helper")
    for config in ({"credHelpers": {locked: "test"}}, {"credsStore": "test", "auths": {locked: {}}}):
        configure(at, config)
        assert DistributionRegistry().push(made, f"{locked}/helped:1", at.tools).digest == made.manifest.digest


def test_the_token_of_the_environment_opens_the_registry_that_it_is_for(locked: str, tmp_path: Path) -> None:
    secret = {"AGENT_REGISTRY_TOKEN": f"{USER}:{PASSWORD}"}
    right = bench(tmp_path / "right", {**secret, "AGENT_REGISTRY_URL": f"http://{locked}"})
    DistributionRegistry().push(image(right), f"{locked}/token:1", right.tools)
    other = bench(tmp_path / "other", {**secret, "AGENT_REGISTRY_URL": "https://registry.example"})
    with pytest.raises(StepError, match="not allowed to push"):
        DistributionRegistry().push(image(other), f"{locked}/token:1", other.tools)


def test_without_a_login_the_message_says_how_to_log_in(here: Bench, locked: str) -> None:
    with pytest.raises(StepError) as caught:
        DistributionRegistry().push(image(here), f"{locked}/closed:1", here.tools)
    assert str(caught.value) == (
        f"not allowed to push to {locked}/closed: the registry answered 401\n"
        f"  → log in with an account that may: agent login {locked} -u USER "
        "(or set AGENT_REGISTRY_URL and AGENT_REGISTRY_TOKEN)"
    )


def test_a_wrong_password_is_refused_and_never_shown(here: Bench, locked: str) -> None:
    log_in(here, locked, USER, "wrong-pass-word")
    with pytest.raises(StepError) as caught:
        DistributionRegistry().resolve(f"{locked}/closed:1", here.tools)
    assert "not allowed to pull from" in str(caught.value)
    assert "wrong-pass-word" not in str(caught.value)


def test_a_registry_on_this_machine_may_speak_tls(tmp_path: Path) -> None:
    ca = make_ca(tmp_path / "ca")
    at = bench(tmp_path / "here", {"SSL_CERT_FILE": str(ca)})
    made = image(at)
    with registry_server(tmp_path / "tls", tls=make_certificate(ca, "registry", "IP:127.0.0.1")) as address:
        assert DistributionRegistry().push(made, f"{address}/secure:1", at.tools).digest == made.manifest.digest


def test_a_registry_that_does_not_run_is_named(here: Bench) -> None:
    port = free_port()
    with pytest.raises(StepError, match=rf"127\.0\.0\.1:{port} refuses connections"):
        DistributionRegistry().push(image(here), f"127.0.0.1:{port}/x:1", here.tools)


def test_offline_a_push_to_another_machine_says_what_is_missing(tmp_path: Path) -> None:
    at = bench(tmp_path, offline=True)
    with pytest.raises(StepError, match=r"offline: HEAD https://registry\.example/v2/x/blobs/sha256:.* would be needed"):
        DistributionRegistry().push(image(at), "registry.example/x:1", at.tools)


@pytest.mark.parametrize("reference", ["agent", "ghcr.io/a/b:1", "localhost:5000/a", "[::1]:5000/a:1", f"a@sha256:{'0' * 64}"])
def test_references_to_registries_are_accepted(reference: str) -> None:
    assert DistributionRegistry().accepts(reference)


@pytest.mark.parametrize("reference", ["oci:./out:agent:1", "Upper/Case", "a b", "host:port/x", "evil.example/../x", "a@b.c/x"])
def test_other_notations_are_not_accepted(reference: str) -> None:
    assert not DistributionRegistry().accepts(reference)


def test_a_push_to_a_digest_is_refused(here: Bench) -> None:
    with pytest.raises(StepError, match="a push needs a tag, not a digest"):
        DistributionRegistry().push(image(here), f"localhost/x@{Digest('sha256:' + '0' * 64)}", here.tools)


def test_an_index_of_several_platforms_is_pushed_and_each_pulls_its_own(here: Bench, server: str, tmp_path: Path) -> None:
    need(shutil.which("skopeo"), "skopeo is not installed")
    arm = Platform("linux", "arm64", "v8")
    images = (image(here, "for amd64"), image(here, "for arm64", platform=arm))
    index = here.blobs.put(index_document(images), media_type=MEDIA_INDEX)
    pushed = DistributionRegistry().push_index(index, images, f"{server}/several:1", here.tools)
    raw = skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{server}/several:1")
    assert pushed.digest == index.digest == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert DistributionRegistry().resolve(f"{server}/several:1", here.tools) == index.digest
    there = bench(tmp_path / "there")
    for one in images:
        pulled = DistributionRegistry().pull(f"{server}/several:1", one.platform, there.tools)
        assert pulled.manifest == one.manifest
    assert DistributionRegistry().push_index(index, images, f"{server}/several:2", here.tools).sent == 0
