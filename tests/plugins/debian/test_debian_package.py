from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from debian_archive import ar, deb, file, folder, hard_link, link, special

from aac_plugins.debian.deb import Member, open_package
from aac_tasks.errors import StepError

CONTROL = "Package: p\nVersion: 1\n"


def opened(tmp_path: Path, data: bytes) -> list[Member]:
    path = tmp_path / "p.deb"
    path.write_bytes(data)
    return list(open_package("p", path, tmp_path).members())


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_files_folders_and_links_come_out_with_their_bytes(tmp_path: Path, compression: str) -> None:
    large = bytes(range(256)) * 5000
    content = [
        folder("usr"),
        file("usr/large", large),
        link("usr/link", "large"),
        hard_link("usr/hard", "./usr/large"),
    ]
    usr, found, soft, hard = opened(tmp_path, deb(CONTROL, content, compression))
    assert (usr.path, usr.type, soft.target, hard.target) == ("usr", "dir", "large", "usr/large")
    with found.open() as stream:
        assert stream.read(7) + stream.read() == large


def test_a_name_longer_than_a_tar_header_comes_out_whole(tmp_path: Path) -> None:
    path = "/".join(["a-rather-long-folder-name"] * 8) + "/file"
    assert [m.path for m in opened(tmp_path, deb(CONTROL, [file(path)]))] == [path]


EVIL = {
    "parent": (special("../etc/passwd", tarfile.REGTYPE), "points outside of the image"),
    "inner-parent": (special("./usr/../../etc/passwd", tarfile.REGTYPE), "points outside of the image"),
    "absolute": (special("/etc/passwd", tarfile.REGTYPE), "points outside of the image"),
    "character-device": (special("./dev/null", tarfile.CHRTYPE), "is a device"),
    "block-device": (special("./dev/sda", tarfile.BLKTYPE), "is a device"),
    "pipe": (special("./run/pipe", tarfile.FIFOTYPE), "is a pipe"),
    "hard-link-out": (hard_link("usr/passwd", "../../etc/passwd"), "points outside of the image"),
    "absolute-hard-link": (hard_link("usr/passwd", "/etc/passwd"), "points outside of the image"),
    "link-above-the-root": (link("usr/out", "../../etc"), "points outside of the image"),
    "empty-link": (link("usr/out", ""), "points outside of the image"),
}


@pytest.mark.parametrize("name", EVIL)
def test_what_has_no_place_in_an_image_is_refused_naming_the_package(tmp_path: Path, name: str) -> None:
    member, message = EVIL[name]
    with pytest.raises(StepError, match=f"package p: .*{message}"):
        opened(tmp_path, deb(CONTROL, [file("usr/ok"), member]))


def test_links_inside_the_root_are_fine_however_they_are_written(tmp_path: Path) -> None:
    members = opened(tmp_path, deb(CONTROL, [link("usr/lib64/ld.so", "../lib/ld.so"), link("etc/mtab", "/proc/mounts")]))
    assert [m.target for m in members] == ["../lib/ld.so", "/proc/mounts"]


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    good = deb(CONTROL, [file("usr/a", "a" * 10000)])
    for data, message in (
        (b"<html>not found</html>", "not an ar archive"),
        (ar({"debian-binary": b"2.0\n"}), "has no control.tar"),
        (ar({"control.tar": b""}), "can't be unpacked|no control file"),
        (good[: len(good) // 2], "can't be unpacked|has no"),
        (good[:-20], "can't be unpacked"),
        (deb(CONTROL, [], "zst").replace(b"data.tar.zst", b"data.tar.lz4"), "compressed in an unknown way"),
    ):
        with pytest.raises(StepError, match=message):
            opened(tmp_path, data)


def test_zstd_is_read_or_refused_saying_what_reads_it(tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r"zstd|can't be unpacked"):
        opened(tmp_path, deb(CONTROL, [file("usr/a")], "zst"))
