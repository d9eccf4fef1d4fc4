"""Unpacking: whiteouts mean what they say, and nothing gets out of the folder."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from plugins.oci.oci_bench import Shop, file_of, layer_of, special, tar_of, tree_of

from aac_plugins.oci.unpack import unpack
from aac_tasks.contracts.image import Digest, Layer
from aac_tasks.errors import StepError

DIR, SYM, LNK = tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def unpacked(shop: Shop, *tars: bytes) -> Path:
    out = shop.folder / "out"
    unpack([layer_of(shop.blobs, tar, f"l{i}") for i, tar in enumerate(tars)], shop.blobs, out)
    return out


FAULTS = {
    "a parent": (tar_of(("../outside", b"x")), "layer evil: ../outside leads out of the image"),
    "a parent inside": (tar_of(("a/../../outside", b"x")), "leads out of the image"),
    "an absolute path": (tar_of(("/outside", b"x")), "layer evil: /outside is an absolute path"),
    "a character device": (
        tar_of(special("dev/null", tarfile.CHRTYPE)),
        "dev/null is a device node or a fifo",
    ),
    "a block device": (tar_of(special("sda", tarfile.BLKTYPE)), "sda is a device node or a fifo"),
    "a fifo": (tar_of(special("pipe", tarfile.FIFOTYPE)), "pipe is a device node or a fifo"),
    "a hard link out": (tar_of(special("h", LNK, "../secret")), "h is a hard link to '../secret', which leads out of the image"),
    "an absolute hard link": (tar_of(special("h", LNK, "/secret")), "h is a hard link to '/secret', which is an absolute path"),
    "a hard link to nothing": (tar_of(special("h", LNK, "no")), "h is a hard link to 'no', which is no file"),
    "a hard link to a folder": (tar_of(special("d", DIR), special("h", LNK, "d")), "which is no file"),
    "a link out, written through": (
        tar_of(special("way", SYM, "../.."), ("way/outside", b"x")),
        "layer evil: way/outside lies below a symbolic link that leads out of the image",
    ),
    "a hard link through a link out": (
        tar_of(special("way", SYM, "../.."), special("h", LNK, "way/secret")),
        "h lies below a symbolic link that leads out of the image",
    ),
    "links in a circle": (
        tar_of(special("a", SYM, "b"), special("b", SYM, "a"), ("a/x", b"")),
        "in a circle",
    ),
    "a file as a folder": (tar_of(("a", b""), ("a/b", b"")), "a/b lies below a, which is no folder"),
    "a whiteout of the parent": (tar_of((".wh...", b"")), "is a whiteout of nothing"),
    "a whiteout without a name": (tar_of((".wh.", b"")), "is a whiteout of nothing"),
    "a cut file": (tar_of(("a", b"x" * 5000))[:3000], "broken archive"),
    "garbage": (b"no tar at all" * 100, "broken archive"),
    "garbage after a member": (tar_of(("a", b""))[:512] + b"\x01" * 1024, "broken archive"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_hostile_layer_is_refused_and_writes_nothing_outside(shop: Shop, fault: str) -> None:
    tar, message = FAULTS[fault]
    (shop.folder / "secret").write_text("s")
    layer = layer_of(shop.blobs, tar)
    before = sorted(p.name for p in shop.folder.iterdir())
    with pytest.raises(StepError) as caught:
        unpack([layer], shop.blobs, shop.folder / "in" / "out")
    assert message in str(caught.value)
    assert sorted(p.name for p in shop.folder.iterdir()) == sorted([*before, "in"])
    assert (shop.folder / "secret").stat().st_nlink == 1


def test_an_absolute_link_is_followed_inside_the_image_only(shop: Shop) -> None:
    out = unpacked(shop, tar_of(special("var/run", SYM, "/run"), ("var/run/x", b"1")))
    assert (out / "run" / "x").read_bytes() == b"1"


def test_a_link_up_that_stays_inside_is_followed(shop: Shop) -> None:
    out = unpacked(shop, tar_of(special("a/b", SYM, "../c"), ("a/b/x", b"1")))
    assert (out / "c" / "x").read_bytes() == b"1"


def test_whiteouts_remove_what_lower_layers_have_and_nothing_else(shop: Shop) -> None:
    lower = tar_of(("a/x", b"1"), ("a/y", b"1"), ("b/x", b"1"), ("b/deep/z", b"1"), ("c", b"1"))
    upper = tar_of(("b/new", b"2"), ("a/.wh.x", b""), ("b/.wh..wh..opq", b""), (".wh.c", b""), ("d/.wh.no", b""))
    out = unpacked(shop, lower, upper)
    assert {p for p, (kind, *_) in tree_of(out).items() if kind == "file"} == {"a/y", "b/new"}


def test_a_whiteout_spares_what_its_own_layer_wrote(shop: Shop) -> None:
    lower = tar_of(("a/old", b"1"))
    upper = tar_of(("a/new", b"2"), (".wh.a", b""))
    assert set(tree_of(unpacked(shop, lower, upper))) == {"a", "a/new"}


def test_a_whiteout_through_a_link_out_is_refused(shop: Shop) -> None:
    (shop.folder / "victim").write_text("v")
    with pytest.raises(StepError, match="leads out"):
        unpacked(shop, tar_of(special("way", SYM, "..")), tar_of(("way/.wh.victim", b"")))
    assert (shop.folder / "victim").exists()


def test_upper_layers_change_types(shop: Shop) -> None:
    lower = tar_of(("a/x", b"1"), ("b", b"1"), special("c", SYM, "a"))
    upper = tar_of(("a", b"file"), special("b", DIR, mode=0o755), special("c", DIR, mode=0o755), ("c/y", b"2"))
    assert tree_of(unpacked(shop, lower, upper)) == {
        "a": ("file", 0o644, b"file"),
        "b": ("dir", 0o755, ""),
        "c": ("dir", 0o755, ""),
        "c/y": ("file", 0o644, b"2"),
    }


def test_a_file_replaces_a_link_and_not_what_it_points_to(shop: Shop) -> None:
    (shop.folder / "victim").write_text("v")
    out = unpacked(shop, tar_of(special("a", SYM, "../victim")), tar_of(("a", b"new")))
    assert not (out / "a").is_symlink()
    assert (shop.folder / "victim").read_text() == "v"


def test_modes_and_dates_are_kept_without_set_id_bits_whatever_the_umask(shop: Shop) -> None:
    closed = special("closed", DIR, mode=0o500)
    closed.mtime = 1000
    tar = tar_of(
        closed,
        ("closed/x", b"1"),
        special("tmp", DIR, mode=0o1777),
        special("su", tarfile.REGTYPE, mode=0o6755),
    )
    old = os.umask(0o077)
    try:
        out = unpacked(shop, tar)
    finally:
        os.umask(old)
    modes = {p: mode for p, (_, mode, _) in tree_of(out).items()}
    assert modes == {"closed": 0o500, "closed/x": 0o644, "tmp": 0o1777, "su": 0o755}
    assert (out / "closed").stat().st_mtime == 1000


def test_hard_links_share_their_bytes(shop: Shop) -> None:
    out = unpacked(shop, tar_of(("a", b"1"), special("b/h", LNK, "a")))
    assert (out / "b" / "h").stat().st_ino == (out / "a").stat().st_ino


def test_owners_are_told_and_not_applied(shop: Shop) -> None:
    mine = special("mine", DIR, mode=0o755)
    mine.uid, mine.gid = 10001, 10002
    owners: dict[str, tuple[int, int]] = {}
    layer = layer_of(shop.blobs, tar_of(mine, ("x", b"")))
    unpack([layer], shop.blobs, shop.folder / "out", owners=owners)
    assert owners == {"mine": (10001, 10002)}
    assert (shop.folder / "out" / "mine").stat().st_uid == os.getuid()


def test_plain_tars_are_read_whatever_their_media_type(shop: Shop) -> None:
    unpack([layer_of(shop.blobs, tar_of(("a", b"1")), packed=False)], shop.blobs, shop.folder / "out")
    assert (shop.folder / "out" / "a").read_bytes() == b"1"


def test_zstd_is_refused_with_the_remedy(shop: Shop) -> None:
    with pytest.raises(StepError, match="compressed with zstd, which this Python can't read"):
        unpack([layer_of(shop.blobs, b"\x28\xb5\x2f\xfd....", packed=False)], shop.blobs, shop.folder / "out")


def test_a_layer_that_is_not_its_diff_id_is_refused(shop: Shop) -> None:
    layer = layer_of(shop.blobs, tar_of(("a", b"1")))
    other = Layer(layer.blob, Digest(f"sha256:{'0' * 64}"), "lying")
    with pytest.raises(StepError, match="layer lying: its tar hashes to"):
        unpack([other], shop.blobs, shop.folder / "out")


def test_a_folder_with_something_in_it_is_refused(shop: Shop) -> None:
    (shop.folder / "out").mkdir()
    (shop.folder / "out" / "x").touch()
    with pytest.raises(StepError, match="out is not empty"):
        unpack([shop.layer(file_of("a"))], shop.blobs, shop.folder / "out")


@pytest.mark.real
@pytest.mark.skipif(os.getuid() != 0, reason="GNU tar as root is the reference here")
def test_the_result_is_what_gnu_tar_makes_of_it(shop: Shop) -> None:
    layer = shop.layer(file_of("usr/bin/x", "1", 0o755), file_of("etc/y", "2", 0o600), file_of("é", "3"))
    reference = shop.folder / "reference"
    reference.mkdir()
    subprocess.run(["tar", "xzpf", shop.blobs.path(layer.blob.digest), "-C", reference], check=True)
    unpack([layer], shop.blobs, shop.folder / "out")
    assert tree_of(shop.folder / "out") == tree_of(reference)
