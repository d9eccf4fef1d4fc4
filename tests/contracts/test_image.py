from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from aac_tasks.contracts.image import Digest, ImageRef, Platform

HEX = "0123456789abcdef" * 4

# The grammar of https://github.com/distribution/reference/blob/main/reference.go, written as generators.
alphanumeric = st.text("abcxyz019", min_size=1, max_size=6)
separators = st.sampled_from([".", "_", "__", "-", "--", "---"])
components = st.builds(
    lambda first, rest: first + "".join(s + a for s, a in rest),
    alphanumeric,
    st.lists(st.tuples(separators, alphanumeric), max_size=3),
)
repositories = st.lists(components, min_size=1, max_size=4).map("/".join)
tags = st.from_regex(re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII), fullmatch=True)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(lambda h: f"sha256:{h}")
hosts = st.sampled_from(
    ["localhost", "localhost:5000", "127.0.0.1:5000", "ghcr.io", "registry.example.org:443"]
)
refs = st.builds(ImageRef, hosts, repositories, st.just("") | tags, st.just("") | digests)


@given(refs)
def test_a_reference_is_read_back_from_its_text(ref: ImageRef) -> None:
    assert ImageRef.parse(str(ref)) == ref


@given(st.text(max_size=30))
def test_any_text_is_a_reference_or_a_value_error(text: str) -> None:
    try:
        ref = ImageRef.parse(text)
    except ValueError:
        return
    assert ImageRef.parse(str(ref)) == ref


@given(repositories, tags)
def test_a_part_that_is_no_host_belongs_to_the_name(repository: str, tag: str) -> None:
    first = repository.partition("/")[0]
    assume("/" not in repository or ("." not in first and first != "localhost"))
    ref = ImageRef.parse(f"{repository}:{tag}")
    assert (ref.registry, ref.tag) == ("docker.io", tag)
    assert ref.repository == (repository if "/" in repository else f"library/{repository}")


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("python:3.12-slim", "docker.io", "library/python", "3.12-slim"),
        ("docker.io/python", "docker.io", "library/python", ""),
        ("me/agent", "docker.io", "me/agent", ""),
        ("localhost/agent:1", "localhost", "agent", "1"),
        ("localhost:5000/team/agent:1.10", "localhost:5000", "team/agent", "1.10"),
        ("ghcr.io/a/b/c", "ghcr.io", "a/b/c", ""),
    ],
)
def test_references_mean_what_docker_means(text: str, registry: str, repository: str, tag: str) -> None:
    ref = ImageRef.parse(text)
    assert (ref.registry, ref.repository, ref.tag, ref.digest) == (registry, repository, tag, "")


def test_a_reference_may_have_a_tag_and_a_digest() -> None:
    ref = ImageRef.parse(f"ghcr.io/a/b:1@sha256:{HEX}")
    assert (ref.tag, ref.digest) == ("1", f"sha256:{HEX}")
    assert str(ref.with_tag("2")) == "ghcr.io/a/b:2"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Agent", "not a repository name"),
        ("ghcr.io/a//b", "not a repository name"),
        ("ghcr.io/a/b/", "not a repository name"),
        ("ghcr.io/a_-b", "not a repository name"),
        ("ghcr.io/-a", "not a repository name"),
        ("", "not a repository name"),
        ("a/b:-1", "not a tag"),
        (f"a/b:{'x' * 129}", "not a tag"),
        ("a/b@sha256:12", "not a digest"),
        (f"a/b@md5:{HEX}", "not a digest"),
        ("a/b:1\n", "not a tag"),
    ],
)
def test_what_is_no_reference_is_refused_saying_which_part_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ImageRef.parse(text)


def test_a_digest_knows_its_digits() -> None:
    digest = Digest(f"sha256:{HEX}")
    assert (digest.hex, digest.short) == (HEX, HEX[:12])
    assert digest == f"sha256:{HEX}"


@pytest.mark.parametrize(
    "text", ["", HEX, f"sha256:{HEX[1:]}", f"sha256:{HEX.upper()}", f"sha256:{HEX}\n", f"sha512:{HEX}"]
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a digest"):
        Digest(text)


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64/v8", "darwin/arm64"])
def test_a_platform_is_read_back_from_its_text(text: str) -> None:
    assert str(Platform.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "linux", "linux/", "Linux/amd64", "linux/arm/v7/x", "linux/amd64\n", "linux//v8"]
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a platform"):
        Platform.parse(text)
