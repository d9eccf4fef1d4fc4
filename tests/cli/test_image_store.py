"""Images as the real commands handle them, of several platforms and in several workspaces, with layouts for registries."""

from __future__ import annotations

import copy
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from registry_user import User
from runner_stage import WEB, busybox

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.registries.layout import LayoutRegistry
from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.image import MEDIA_INDEX, Platform
from aac_tasks.contracts.oci_index import index_document
from aac_tasks.testing import need

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: ex, version: 1.0.0}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  build: {baseImage: "oci:base"}
  image: {registry: "oci:dist"}
  entrypoint: [/bin/sh, /app/run.sh]
  ports: [{container: 8080}]
  healthCheck: {type: tcp, interval: 1s}
  deploy: {target: process}
"""
RUN = """\
trap 'exit 0' TERM INT
httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www &
wait
"""
PLATFORMS = ("linux/amd64", "linux/arm64")
BOTH = ",".join(PLATFORMS)


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "ada", {"AAC_ALLOW_HOST": "1", "DOCKER_HOST": "unix:///nowhere"})
    put_base(user.folder)
    write_agent(user.folder)
    return user


def put_base(folder: Path) -> None:
    """A base of both platforms in a layout; one static program does for both, as nothing is run."""
    lent = lend(folder.parent / "bases", {"HOME": str(folder.parent)})
    with lent.blobs.scratch() as scratch:
        python = Entry("usr/bin/python3.13", "file", 0o755, data=b"only its name counts\n")
        layer = write_layer([*busybox(), python], lent.blobs, scratch, name="base", created=0)
    images = [write_image((layer,), WEB, lent.blobs, platform=Platform.parse(p), about=About()) for p in PLATFORMS]
    index = lent.blobs.put(index_document(images), media_type=MEDIA_INDEX)
    LayoutRegistry().push_index(index, images, f"oci:{folder}/base:base:1", lent.tools)


def write_agent(folder: Path, text: str = RUN) -> None:
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "run.sh").write_text(text)


def build(user: User, *words: str) -> str:
    """Build with the embedded builder; the digest."""
    said = user.agent("build", "--builder", "embedded", *words)
    assert said.code == 0, said
    digest: str = user.agent("inspect", "ex", "--json").json["digest"]
    return digest


def beside(user: User, name: str) -> User:
    """Another workspace of the same user."""
    other = copy.copy(user)
    other.folder = user.folder.parent / name
    shutil.copytree(user.folder, other.folder, ignore=shutil.ignore_patterns(".aac", "dist"))
    return other


def empty(user: User) -> User:
    """A folder with nothing in it."""
    other = beside(user, "empty")
    shutil.rmtree(other.folder)
    other.folder.mkdir()
    return other


# -- pull -----------------------------------------------------------------------------------------------------------


def test_platforms_with_commas_are_each_pulled_and_said(user: User) -> None:
    build(user, "--platform", BOTH)
    assert user.agent("push", "--builder", "embedded", "--platform", BOTH).code == 0
    said = user.agent("pull", "oci:dist:ex:1.0.0", "--platform", BOTH)
    assert (said.code, [line.split()[1] for line in said.out.splitlines()]) == (0, list(PLATFORMS)), said


def test_an_image_of_another_platform_than_the_one_asked_for_is_refused(user: User) -> None:
    build(user, "--platform", "linux/amd64")
    assert user.agent("push", "--builder", "embedded", "--platform", "linux/amd64").code == 0
    said = user.agent("pull", "oci:dist:ex:1.0.0", "--platform", "linux/arm64")
    assert (said.code, said.out) == (1, "")
    assert "oci:dist:ex:1.0.0 has no image for linux/arm64; it has: linux/amd64" in said.err
    assert user.agent("pull", "oci:dist:ex:1.0.0", "--platform", "linux/amd64").code == 0
    assert user.agent("pull", "oci:dist:ex:1.0.0").code == 0


def test_what_was_pulled_is_known_by_its_name_where_there_is_no_agent(user: User) -> None:
    digest = build(user, "--platform", BOTH)
    assert user.agent("push", "--builder", "embedded", "--platform", BOTH).code == 0
    other = empty(user)
    reference = f"oci:{user.folder}/dist:ex:1.0.0"
    pulled = other.agent("pull", reference, "--platform", BOTH)
    assert pulled.code == 0, pulled
    for word in ("ex:1.0.0", reference, pulled.out.split()[0], digest[7:17]):
        assert other.agent("inspect", word).code == 0, word
    assert other.agent("inspect", "ex:1.0.0", "--format", "{{.Digest}}").out == f"{digest}\n"
    assert other.agent("images", "--format", "{{.Name}} {{.Agent}} {{json .Platforms}}").out == (
        'ex:1.0.0 ex ["linux/amd64", "linux/arm64"]\n'
    )
    assert other.agent("images", "ex", "-q").out == f"{digest}\n"
    assert other.agent("tag", "ex:1.0.0", "mine:2").code == 0
    assert other.agent("inspect", "mine:2", "--format", "{{.Digest}}").out == f"{digest}\n"


# -- workspaces -----------------------------------------------------------------------------------------------------


def test_what_another_workspace_holds_is_neither_listed_nor_removed(user: User) -> None:
    digest = build(user, "--platform", "linux/amd64")
    other = empty(user)
    for flags in (("-a",), ("--filter", "dangling=true")):
        assert "no agent.yaml" in other.agent("images", *flags).err  # there is none to list either
    for flags in ((), ("--force",)):
        said = other.agent("rmi", digest, *flags)
        assert (said.code, said.out) == (1, "")
        assert f"belongs to the workspace {user.folder}" in said.err
    write_agent(user.folder, RUN + "# newer\n")
    newer = build(user, "--platform", "linux/amd64")
    assert other.agent("images", "--filter", "dangling=true", "-q").out == f"{digest}\n"  # nobody holds it any more
    assert other.agent("rmi", digest[7:19]).code == 0
    assert user.agent("inspect", newer).code == 0
    assert user.agent("save", "ex", "-o", "ex.tar").code == 0


def test_the_same_image_in_two_workspaces_goes_with_the_last(user: User) -> None:
    digest = build(user, "--platform", "linux/amd64")
    other = beside(user, "second")
    assert build(other, "--platform", "linux/amd64") == digest
    assert other.agent("rmi", "ex").code == 0
    assert other.agent("images", "-q").out == ""
    assert user.agent("save", "ex", "-o", "ex.tar").code == 0
    assert "removed ex" in user.agent("rmi", "ex").out


def test_names_that_were_given_elsewhere_keep_an_image(user: User) -> None:
    digest = build(user, "--platform", "linux/amd64")
    assert user.agent("save", "ex", "-o", "ex.tar").code == 0
    other = empty(user)
    assert other.agent("load", "-i", str(user.folder / "ex.tar"), "kept:1").code == 0
    assert user.agent("rmi", "ex").code == 0
    assert other.agent("inspect", "kept:1", "--format", "{{.Digest}}").out == f"{digest}\n"
    assert other.agent("save", "kept:1", "-o", "again.tar").code == 0


def test_a_workspace_that_is_gone_holds_nothing(user: User) -> None:
    digest = build(user, "--platform", "linux/amd64")
    other = empty(user)
    shutil.rmtree(user.folder)
    assert other.agent("images", "--filter", "dangling=true", "-q").out == f"{digest}\n"
    assert "removed" in other.agent("rmi", digest).out


@pytest.mark.real
@pytest.mark.parametrize(("command", "name"), [(("run", "-d"), "ex-run"), (("deploy",), "ex")])
def test_what_runs_elsewhere_from_an_older_build_is_held(user: User, command: tuple[str, ...], name: str) -> None:
    need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    for folder in (user.top.parent, user.top.parent.parent):  # an agent is another user, who must come through
        folder.chmod(0o711)
    digest = build(user, "--platform", "linux/amd64")
    ran = user.agent(*command, "--runner", "runc", "--builder", "embedded", "--platform", "linux/amd64", "ex")
    assert ran.code == 0, ran
    try:
        write_agent(user.folder, RUN + "# newer\n")
        build(user, "--platform", "linux/amd64")
        other = empty(user)
        assert "no agent.yaml" in other.agent("images", "--filter", "dangling=true").err
        assert "belongs to the workspace" in other.agent("rmi", digest).err
        assert user.agent("restart", name).code == 0
    finally:
        assert user.agent("stop", name).code == 0


# -- several platforms ----------------------------------------------------------------------------------------------


def test_images_shows_all_platforms_and_their_sum(user: User) -> None:
    digest = build(user, "--platform", BOTH)
    (row,) = user.agent("images", "-a", "--json").json["images"]
    assert (row["digest"], row["platforms"]) == (digest, list(PLATFORMS))
    parts = [user.agent("inspect", "ex", "--platform", p, "--json").json for p in PLATFORMS]
    assert [part["platform"] for part in parts] == list(PLATFORMS)
    assert all(part["size"] < row["size"] and part["digest"] != digest for part in parts)
    assert "linux/amd64, linux/arm64" in user.agent("images").out
    assert user.agent("images", "--filter", "platform=linux/arm64", "-q").out == f"{digest}\n"
    assert user.agent("images", "--platform", "linux/arm64", "-q").out == f"{digest}\n"
    assert user.agent("images", "--platform", "linux/s390x", "-q").out == ""
    assert user.agent("inspect", "ex", "--platform", BOTH, "--format", "{{.Digest}}").out == f"{digest}\n"
    assert user.agent("inspect", "ex", "--platform", "linux/arm64/v8", "--json").json["digest"] == parts[1]["digest"]
    refused = user.agent("inspect", "ex", "--platform", "linux/s390x")
    assert refused.code == 3 and "ex:1.0.0 has no image for linux/s390x; it has: linux/amd64, linux/arm64" in refused.err


def test_one_platform_of_an_index_does_not_go_alone(user: User) -> None:
    build(user, "--platform", BOTH)
    part = user.agent("inspect", "ex", "--platform", "linux/arm64", "--format", "{{.Digest}}").out.strip()
    assert user.agent("images", "--filter", "dangling=true", "-q").out == ""
    said = user.agent("rmi", part)
    assert said.code == 3 and "is one platform of ex:1.0.0; `agent rmi ex:1.0.0` removes all of them" in said.err
    assert user.agent("rmi", "ex").code == 0
    assert user.agent("inspect", part).code == 3
    assert user.agent("images", "-a", "-q").out == ""
    images = list((user.top / "cache" / "blobs").rglob(part[7:]))
    assert images == []


def test_a_saved_file_and_a_report_in_the_agents_own_folder_go_into_no_image(user: User) -> None:
    digest = build(user, "--platform", "linux/amd64")
    assert user.agent("save", "ex", "-o", "ex.tar").code == 0
    user.environment["AAC_CODE_QUALITY"] = str(user.folder / "quality.json")
    for _ in range(2):
        said = user.agent("build", "--builder", "embedded", "--platform", "linux/amd64")
        assert "– image:ex  up to date" in said.out, said
        assert (user.folder / "quality.json").exists()
    (user.folder / "ex.tar").write_text("the author's own now\n")
    assert build(user, "--platform", "linux/amd64") != digest
    (user.folder / "ex.tar").unlink()
    assert build(user, "--platform", "linux/amd64") == digest


def test_a_saved_image_of_several_platforms_is_loaded_with_all_of_them(user: User) -> None:
    digest = build(user, "--platform", BOTH)
    said = user.agent("save", "ex", "-o", "ex.tar")
    assert said.out.splitlines()[1:] == [f"it holds {', '.join(PLATFORMS)}"], said
    facts = user.agent("save", "ex", "-o", "ex.tar", "--json").json
    assert (facts["digest"], facts["platforms"], facts["left_out"]) == (digest, list(PLATFORMS), [])
    other = empty(user)
    assert user.agent("rmi", "ex").code == 0
    loaded = other.agent("load", "-i", str(user.folder / "ex.tar"))
    assert loaded.out == f"loaded ex:1.0.0 ({digest})\n", loaded
    shown = other.agent("images", "--format", "{{.Digest}} {{json .Platforms}}").out
    assert shown == f'{digest} ["linux/amd64", "linux/arm64"]\n'
    assert other.agent("save", "ex:1.0.0", "-o", "again.tar").code == 0
    assert (other.folder / "again.tar").read_bytes() == (user.folder / "ex.tar").read_bytes()


def test_what_an_archive_only_tells_of_is_passed_over(user: User) -> None:
    """As `docker save` tells of platforms that were never pulled."""
    build(user, "--platform", BOTH)
    arm = user.agent("inspect", "ex", "--platform", "linux/arm64", "--format", "{{.Digest}}").out.strip()
    amd = user.agent("inspect", "ex", "--platform", "linux/amd64", "--format", "{{.Digest}}").out.strip()
    assert user.agent("save", "ex", "-o", "ex.tar").code == 0
    with tarfile.open(user.folder / "ex.tar") as whole, tarfile.open(user.folder / "part.tar", "w") as part:
        for member in whole:
            if arm[7:] not in member.name:
                part.addfile(member, whole.extractfile(member))
    assert user.agent("rmi", "ex").code == 0
    assert empty(user).agent("load", "-i", str(user.folder / "part.tar")).out == f"loaded ex:1.0.0 ({amd})\n"


def test_save_says_which_platform_and_takes_another(user: User) -> None:
    build(user, "--platform", BOTH)
    digests = {p: user.agent("inspect", "ex", "--platform", p, "--format", "{{.Digest}}").out.strip() for p in PLATFORMS}
    for platform, left in (PLATFORMS, PLATFORMS[::-1]):
        said = user.agent("save", "ex", "-o", "ex.tar", "--platform", platform)
        assert f"it holds {platform}; without --platform also {left}" in said.out, said
        facts = user.agent("save", "ex", "-o", "ex.tar", "--platform", platform, "--json").json
        assert (facts["digest"], facts["platforms"], facts["left_out"]) == (digests[platform], [platform], [left])
    refused = user.agent("save", "ex", "-o", "no.tar", "--platform", "linux/s390x")
    assert refused.code == 3 and not (user.folder / "no.tar").exists()


# -- what is no image, and profiles ---------------------------------------------------------------------------------


def test_a_file_that_is_no_archive_gets_one_line(user: User) -> None:
    said = user.agent("load", "-i", "run.sh")
    assert (said.code, said.err.count("\n")) == (1, 1)
    assert "run.sh can't be read as an archive of an image: it is no tar file, gzipped or not" in said.err


def test_a_missing_file_of_variables_is_named_once(user: User) -> None:
    said = user.agent("run", "ex", "--env-file", "none.env")
    assert (said.code, said.err) == (3, "error: --env-file none.env: no such file\n")


def test_a_profile_keeps_what_is_not_said_again(user: User) -> None:
    first = ("--registry", "registry.example.org", "--repository-prefix", "team", "--username", "ada")
    assert user.agent("configure", "profile", "add", "work", *first).code == 0
    assert user.agent("configure", "profile", "add", "work", "--description", "ours").code == 0
    assert user.agent("configure", "profile", "add", "work", "--registry", "other.example.org").code == 0
    (kept,) = user.agent("configure", "profile", "list", "--json").json["profiles"]
    assert [kept[key] for key in ("place", "username", "description")] == ["other.example.org/team", "ada", "ours"]
    assert "--registry is missing" in user.agent("configure", "profile", "add", "new").err
