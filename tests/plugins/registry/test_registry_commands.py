"""Profiles, AGENT_REGISTRY_URL, `push --all-tags` and `pull`, with the real commands against real registries."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.worlds import put_layout
from http_servers import Answer, http_server
from real_registry import registry_server
from registry_user import ADA, PASSWORD, Said, User
from registry_workbench import AMD64, bench, image, put_index, skopeo

from aac_plugins.registries.distribution import DistributionRegistry
from aac_tasks.contracts.image import Digest, Platform
from aac_tasks.state.blobs import Blobs
from aac_tasks.testing import need

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: tiny, version: 1.4.2}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  build: {baseImage: "oci:base"}
  entrypoint: [/bin/sh, /app/run.sh]
  ports: [{container: 8080}]
"""
RUN = """\
trap 'exit 0' TERM INT
httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www &
wait
"""


@pytest.fixture(scope="module")
def open_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("open")) as address:
        yield address


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry_server(tmp_path_factory.mktemp("locked"), {ADA: PASSWORD}) as address:
        yield address


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path / "ada", {"AAC_ALLOW_HOST": "1", "DOCKER_HOST": "unix:///nowhere"})


def has_agent(user: User, *more: str) -> None:
    """A tiny agent in the folder; ``more`` are lines of its spec."""
    (user.folder / "agent.yaml").write_text(AGENT + "".join(f"  {line}\n" for line in more))
    (user.folder / "run.sh").write_text(RUN)
    put_layout(user.folder / "base", Blobs(user.top / "store"))


def step(user: User, kind: str, *flags: str) -> Any:
    """A step of the plan."""
    said = user.agent("plan", "--json", *flags)
    assert said.code == 0, said.err
    return next(s for s in said.json["agents"][0]["steps"] if s["id"] == f"{kind}:tiny")


def refs(user: User, *flags: str) -> list[str]:
    return list((step(user, "push", *flags).get("action") or {"refs": []})["refs"])


def profile(user: User, *words: str, stdin: str = "") -> Said:
    return user.agent("configure", "profile", *words, stdin=stdin)


# where images go


def test_a_registry_that_agent_yaml_leaves_open_is_the_environments(user: User, open_: str) -> None:
    has_agent(user)
    user.environment |= {"AGENT_REGISTRY_URL": f"http://{open_}/team/", "AGENT_REGISTRY_TOKEN": "a-token-of-ada"}
    said = user.agent("push")
    assert said.code == 0, said.err
    need(shutil.which("skopeo"), "skopeo is not installed")
    seen = json.loads(skopeo("inspect", "--tls-verify=false", f"docker://{open_}/team/tiny:1.4.2"))
    assert seen["Digest"] == user.agent("inspect", "tiny", "--json").json["digest"]
    texts = [p.read_bytes() for p in user.folder.rglob("*") if p.is_file()] + [said.out.encode(), said.err.encode()]
    assert not any(b"a-token-of-ada" in text for text in texts)


def test_what_agent_yaml_says_goes_before_everything(user: User) -> None:
    has_agent(user, "image: {registry: ghcr.io/ada}")
    profile(user, "add", "work", "--registry", "registry.example", "--set-default")
    user.environment["AGENT_REGISTRY_URL"] = "other.example"
    assert refs(user, "--registry-profile", "work") == ["ghcr.io/ada/tiny:1.4.2"]


def test_a_profile_is_named_on_the_command_line_or_in_the_environment_or_is_the_default(user: User) -> None:
    has_agent(user)
    assert refs(user) == []
    profile(user, "add", "work", "--registry", "https://work.example", "--repository-prefix", "team/agents", "--set-default")
    profile(user, "add", "home", "--registry", "ghcr.io/ada")
    assert refs(user) == ["work.example/team/agents/tiny:1.4.2"]
    user.environment["AGENT_REGISTRY_PROFILE"] = "home"
    assert refs(user) == ["ghcr.io/ada/tiny:1.4.2"]
    user.environment["AGENT_REGISTRY_URL"] = "url.example"
    assert refs(user) == ["url.example/tiny:1.4.2"]
    assert refs(user, "--registry-profile", "work") == ["work.example/team/agents/tiny:1.4.2"]


def test_another_default_profile_is_seen_at_once(user: User) -> None:
    has_agent(user)
    profile(user, "add", "one", "--registry", "one.example", "--set-default")
    profile(user, "add", "two", "--registry", "two.example")
    assert refs(user) == ["one.example/tiny:1.4.2"]
    profile(user, "set-default", "two")
    assert refs(user) == ["two.example/tiny:1.4.2"]
    profile(user, "remove", "two")
    assert refs(user) == []


def test_a_profiles_builder_is_taken_where_nothing_else_names_one(user: User) -> None:
    has_agent(user)
    profile(user, "add", "work", "--registry", "one.example", "--builder", "embedded", "--set-default")
    assert step(user, "lock")["action"]["builder"] == "embedded"
    refused = profile(user, "add", "other", "--registry", "one.example", "--builder", "embeded")
    assert refused.code == 3 and "did you mean 'embedded'?" in refused.err


def test_an_unknown_registry_profile_is_answered_with_the_nearest(user: User) -> None:
    has_agent(user)
    profile(user, "add", "work", "--registry", "one.example")
    said = user.agent("plan", "--registry-profile", "wrok")
    assert (said.code, said.err) == (3, "error: no registry profile 'wrok'; did you mean 'work'? (there are: work)\n")


# the profiles themselves


def test_profiles_are_a_private_file_without_secrets(user: User, locked: str) -> None:
    said = profile(user, "add", "work", "--registry", locked, "--username", ADA, "--password-stdin", "--json", stdin=PASSWORD)
    file = user.home / ".config/aac/profiles.json"
    assert said.json["file"] == str(file) and file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text()) == {"profiles": {"work": {"registry": locked, "username": ADA}}}
    assert locked in user.config.read_text()


def test_a_profile_whose_login_is_refused_is_not_made(user: User, locked: str) -> None:
    said = profile(user, "add", "work", "--registry", locked, "--username", ADA, "--password-stdin", stdin="wrong")
    assert said.code == 1 and "the registry answered 401" in said.err
    assert profile(user, "list", "--json").json["profiles"] == []


def test_profiles_are_listed_with_the_default_marked(user: User) -> None:
    assert profile(user, "list").out.startswith("no registry profiles; ")
    profile(user, "add", "work", "--registry", "one.example", "--description", "for work", "--set-default")
    assert profile(user, "list").out.splitlines()[1].split()[:2] == ["work", "(default)"]
    (listed,) = profile(user, "list", "--json").json["profiles"]
    assert (listed["name"], listed["place"], listed["default"]) == ("work", "one.example", True)


def test_a_test_asks_the_server_who_may_do_what(user: User, locked: str) -> None:
    profile(user, "add", "work", "--registry", locked, "--repository-prefix", "team")
    refused = profile(user, "test", "work", "--json")
    assert (refused.code, refused.json["push"], refused.json["login"]) == (1, False, "")
    assert f"not allowed to push to {locked}/team/aac-permission-check" in refused.json["refusal"]
    user.log_in(locked)
    may = profile(user, "test", "work", "--json")
    assert (may.code, may.json["push"], may.json["taken_back"]) == (0, True, True)
    assert may.json["login"] == f"{ADA} (the login kept for it)"
    assert profile(user, "add", "work", "--registry", locked, "--test").code == 0


def test_a_test_without_a_server_fails(user: User) -> None:
    profile(user, "add", "work", "--registry", "127.0.0.1:1")
    said = profile(user, "test", "work")
    assert said.code == 1 and "refuses connections" in said.err


def test_a_profile_with_http_is_leave_to_speak_it(user: User) -> None:
    with http_server(lambda _: Answer(404)) as proxy:
        user.environment["http_proxy"] = proxy.url
        profile(user, "add", "work", "--registry", "http://registry.example")
        assert profile(user, "test", "work").code == 1
    assert [seen.path for seen in proxy.seen] == ["http://registry.example/v2/aac-permission-check/blobs/uploads/"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "work"), "--registry is missing; expected HOST[:PORT]"),
        (("add", "work", "--registry", "ftp://x"), "'ftp://x' is not a registry"),
        (("add", "a/b", "--registry", "x"), "'a/b' can't be a profile's name"),
        (("add", "work", "--registry", "x", "--pat", "0123"), "--pat shows the token to every process here; say --token-stdin"),
        (("test",), "agent configure profile test: name the profile"),
        (("test", "work"), "no registry profile 'work' (there are: none; "),
        (("drop", "work"), "'drop' is nothing it can do; expected add, list, remove, test, set-default"),
    ],
)
def test_what_can_not_be_done_with_profiles_is_refused(user: User, words: tuple[str, ...], message: str) -> None:
    said = profile(user, *words)
    assert said.code == 3 and message in said.err


def test_a_broken_file_of_profiles_is_named(user: User) -> None:
    file = user.home / ".config/aac/profiles.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"profiles": {"work": {}}}')
    said = profile(user, "list")
    assert said.code == 3 and f"{file} holds no registry profiles" in said.err


# every name


def test_all_tags_are_those_of_agent_yaml_the_version_and_latest(user: User, open_: str) -> None:
    has_agent(user, f"image: {{registry: {open_}/tags, tags: [stable]}}")
    assert user.agent("push").code == 0
    assert user.agent("push", "--all-tags").code == 0
    digest = user.agent("inspect", "tiny", "--json").json["digest"]
    tools = bench(user.top / "other").tools
    found = {tag: DistributionRegistry().resolve(f"{open_}/tags/tiny:{tag}", tools) for tag in ("stable", "1.4.2", "latest")}
    assert found == dict.fromkeys(found, digest)


def test_a_tag_that_somebody_moved_is_pushed_again(user: User, open_: str) -> None:
    has_agent(user, f"image: {{registry: {open_}/moved}}")
    user.agent("push")
    other = bench(user.top / "other")
    DistributionRegistry().push(image(other), f"{open_}/moved/tiny:1.4.2", other.tools)
    assert f"{open_}/moved/tiny:1.4.2 moved to sha256:" in user.agent("why", "push:tiny").out
    assert user.agent("push").code == 0
    digest = user.agent("inspect", "tiny", "--json").json["digest"]
    assert DistributionRegistry().resolve(f"{open_}/moved/tiny:1.4.2", other.tools) == digest


def stored(user: User, digest: str) -> bool:
    return Blobs(user.top / "cache").has(Digest(digest))


def test_a_pulled_image_is_in_the_store_and_said(user: User, open_: str) -> None:
    other = bench(user.top / "other")
    made = image(other, "to pull")
    DistributionRegistry().push(made, f"{open_}/pull:1", other.tools)
    said = user.agent("pull", f"{open_}/pull:1", "--json")
    assert said.json["digest"] == made.manifest.digest and "index" not in said.json
    assert (said.json["platform"], said.json["layers"]) == ("linux/amd64", 2)
    assert all(stored(user, layer.blob.digest) for layer in made.layers)
    assert user.agent("pull", f"{open_}/pull@{made.manifest.digest}").out.startswith(f"{open_}/pull@{made.manifest.digest}")
    assert [one["names"] for one in user.agent("images", "--json").json["images"]] == [
        [f"{open_}/pull:1", f"{open_}/pull@{made.manifest.digest}"]
    ]


def test_of_an_index_the_platform_is_taken_that_was_asked_for(user: User, open_: str) -> None:
    other, arm = bench(user.top / "other"), Platform("linux", "arm64")
    both = [image(other, str(p), platform=p) for p in (AMD64, arm)]
    for number, one in enumerate(both):
        DistributionRegistry().push(one, f"{open_}/index:{number}", other.tools)
    index = put_index(other, open_, "index", "all", both)
    said = user.agent("pull", f"{open_}/index:all", "--platform", "linux/arm64", "--json").json
    assert (said["digest"], said["index"], said["platform"]) == (both[1].manifest.digest, index, "linux/arm64")
    two = user.agent("pull", f"{open_}/index:all", "--platform", "linux/arm64", "--platform", "linux/amd64", "--json").json
    assert [one["platform"] for one in two["images"]] == ["linux/arm64", "linux/amd64"]
    refused = user.agent("pull", f"{open_}/index:all", "--platform", "linux/s390x")
    assert refused.code == 1 and "no image for linux/s390x; it has: linux/amd64, linux/arm64" in refused.err


def test_an_agent_is_pulled_by_the_name_that_it_is_pushed_under(user: User, open_: str) -> None:
    has_agent(user, f"image: {{registry: {open_}/mine}}")
    user.agent("push")
    shutil.rmtree(user.top / "cache")
    said = user.agent("pull", "tiny", "--json")
    assert said.json["reference"] == f"{open_}/mine/tiny:1.4.2"
    assert stored(user, said.json["digest"])


def test_an_image_of_a_layout_folder_is_pulled_too(user: User) -> None:
    put_layout(user.folder / "base", Blobs(user.top / "store"))
    assert user.agent("pull", "oci:base:base:1", "--json").json["layers"] == 1


@pytest.mark.parametrize(
    ("word", "code", "message"),
    [
        ("{}/never:1", 1, "there is no such image in the registry"),
        ("tiny", 3, "spec.image.registry: not set"),
        ("tny", 3, "no agent 'tny' here; did you mean 'tiny'?"),
        ("Upper/Case:1", 3, "is no image that a registry here knows"),
    ],
)
def test_what_can_not_be_pulled_is_said(user: User, open_: str, word: str, code: int, message: str) -> None:
    has_agent(user)
    said = user.agent("pull", word.format(open_))
    assert said.code == code and message in said.err, said
