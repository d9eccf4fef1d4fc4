"""Images as the real commands handle them, of several platforms and in several workspaces, with layouts for registries."""

from __future__ import annotations

import os
import shutil

import pytest
from cli.image_users import BOTH, PLATFORMS, RUN, beside, build, empty, write_agent
from cli.image_users import user as user
from registry_user import User

from aac_tasks.testing import need


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
