"""`agent save` and `agent load`: what a file holds, and what comes back."""

from __future__ import annotations

import tarfile

from cli.image_users import BOTH, PLATFORMS, build, empty
from cli.image_users import user as user
from registry_user import User


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
