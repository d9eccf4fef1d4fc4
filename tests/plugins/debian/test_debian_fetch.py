from __future__ import annotations

import os
import stat
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from debian_archive import TinyArchive, file, folder, hard_link, link, members_of, special, text_of

from aac_plugins.bases.debian import DebianBase
from aac_plugins.debian.rules import ROOT_FORMAT
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools


def lock(base: DebianBase, tools: StepTools, *packages: str) -> LockedBase:
    return base.resolve(BaseRequest("debian", "", packages, runtime="python"), Platform(), tools)


def root(base: DebianBase, tools: StepTools, *packages: str) -> Path:
    """The layer's blob."""
    return tools.blobs.path(base.fetch(lock(base, tools, *packages), tools).layers[0].blob.digest)


def test_a_root_is_one_layer_with_an_interpreter_and_no_shell(base: DebianBase, tools: StepTools) -> None:
    image = base.fetch(lock(base, tools), tools)
    assert [layer.name for layer in image.layers] == ["base"]
    members = members_of(tools.blobs.path(image.layers[0].blob.digest))
    programs = {path for path in members if path.startswith(("usr/bin/", "usr/sbin/"))}
    assert programs == {"usr/bin/python", "usr/bin/python3", "usr/bin/python3.13"}
    assert members["usr/bin/python3"].linkname == "python3.13"
    assert "LANG=C.UTF-8" in image.config.env


def test_top_folders_are_links_into_usr(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add(
        "old",
        "1",
        folder("bin"),
        file("bin/tool", "x", 0o755),
        file("lib64/ld.so", "x"),
        link("lib", "usr/lib"),
    )
    archive.publish()
    members = members_of(root(base, tools, "old"))
    assert {members[top].linkname for top in ("bin", "sbin", "lib", "lib64")} == {
        "usr/bin",
        "usr/sbin",
        "usr/lib",
        "usr/lib64",
    }
    assert "usr/bin/tool" in members and "usr/lib64/ld.so" in members and members["usr/sbin"].isdir()


def test_certificates_are_joined_as_update_ca_certificates_does(base: DebianBase, tools: StepTools) -> None:
    layer = root(base, tools)
    assert text_of(layer, "etc/ssl/certs/ca-certificates.crt") == "-----A_Root-----\n-----B_Root-----\n"
    assert members_of(layer)["usr/lib/ssl/cert.pem"].linkname == "/etc/ssl/certs/ca-certificates.crt"


def test_users_and_folders_are_those_that_programs_expect(base: DebianBase, tools: StepTools) -> None:
    layer = root(base, tools)
    users = {line.split(":")[0]: line.split(":")[2] for line in text_of(layer, "etc/passwd").splitlines()}
    assert users == {"root": "0", "nobody": "65534", "app": "10001"}
    members = members_of(layer)
    assert members["tmp"].mode == 0o1777 and members["var/tmp"].mode == 0o1777
    assert {(member.uid, member.gid) for member in members.values()} == {(0, 0)}


def test_scanners_find_every_package_and_its_licence(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add("libfoo", "1.2-3", file("usr/share/doc/libfoo/copyright", "GPL"), file("usr/share/doc/libfoo/NEWS"))
    archive.publish()
    layer = root(base, tools, "libfoo")
    assert "Version: 1.2-3\n" in text_of(layer, "var/lib/dpkg/status.d/libfoo")
    assert text_of(layer, "usr/share/doc/libfoo/copyright") == "GPL"
    assert "usr/share/doc/libfoo/NEWS" not in members_of(layer)


def test_manuals_translations_and_compiled_python_are_left_out(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    dropped = (
        "usr/share/man/man1/a.1.gz",
        "usr/share/locale/de/LC_MESSAGES/a.mo",
        "usr/share/info/a.info.gz",
        "usr/share/lintian/overrides/a",
        "usr/share/bash-completion/completions/a",
        "usr/lib/python3/__pycache__/a.cpython-313.pyc",
        "usr/lib/python3/a.pyc",
    )
    archive.add("talkative", "1", *(file(path) for path in dropped), file("usr/share/talkative/data"))
    archive.publish()
    members = members_of(root(base, tools, "talkative"))
    assert not set(dropped) & set(members)
    assert "usr/share/talkative/data" in members and "usr/share/man" not in members


def test_set_user_id_bits_do_not_come_into_an_image(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add(
        "su",
        "1",
        file("usr/bin/su", "x", 0o4755),
        file("usr/bin/wall", "x", 0o2755),
        folder("var/mail", 0o2775),
    )
    archive.publish()
    members = members_of(root(base, tools, "su"))
    assert [stat.S_IMODE(members[p].mode) for p in ("usr/bin/su", "usr/bin/wall", "var/mail")] == [
        0o755,
        0o755,
        0o775,
    ]


def test_hard_links_stay_links(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add("perl", "5", file("usr/bin/perl", "x" * 9000, 0o755), hard_link("usr/bin/perl5.40", "./usr/bin/perl"))
    archive.publish()
    member = members_of(root(base, tools, "perl"))["usr/bin/perl5.40"]
    assert member.islnk() and member.linkname == "usr/bin/perl"


def test_a_link_to_a_folder_is_kept_where_another_package_has_the_folder(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    archive.add("first", "1", folder("usr/share/real"), link("usr/share/alias", "real"))
    archive.add("second", "1", folder("usr/share/alias"), Depends="first")
    archive.publish()
    assert members_of(root(base, tools, "second"))["usr/share/alias"].linkname == "real"


def test_a_second_fetch_asks_nobody_and_writes_nothing(base: DebianBase, tools: StepTools, served: object) -> None:
    locked = lock(base, tools)
    first = base.fetch(locked, tools)
    written = tools.blobs.path(first.layers[0].blob.digest).stat().st_mtime_ns
    served.asked.clear()  # type: ignore[attr-defined]
    assert base.fetch(locked, tools) == first
    assert served.asked == []  # type: ignore[attr-defined]
    assert tools.blobs.path(first.layers[0].blob.digest).stat().st_mtime_ns == written


def test_a_layer_that_was_removed_is_made_again(base: DebianBase, tools: StepTools) -> None:
    locked = lock(base, tools)
    first = base.fetch(locked, tools)
    tools.blobs.path(first.layers[0].blob.digest).unlink()
    assert base.fetch(locked, tools) == first
    assert tools.blobs.has(first.layers[0].blob.digest)


def test_the_layer_depends_on_the_packages_alone(
    archive: TinyArchive, base: DebianBase, make_tools: Callable[..., StepTools]
) -> None:
    one = make_tools(archive.environment, store="one")
    locked = lock(base, one)
    digest = base.fetch(locked, one).layers[0].blob.digest
    umask, zone = os.umask(0o077), os.environ.get("TZ")
    os.environ["TZ"] = "Pacific/Kiritimati"
    time.tzset()
    try:
        archive.publish(Date="Sun, 22 Nov 2026 09:15:44 UTC")
        other = make_tools(archive.environment, store="other")
        again = lock(base, other)
        assert again.snapshot != locked.snapshot
        assert base.fetch(again, other).layers[0].blob.digest == digest
        assert base.dockerfile_from(again) == base.dockerfile_from(locked)
    finally:
        os.umask(umask)
        os.environ.pop("TZ") if zone is None else os.environ.update(TZ=zone)
        time.tzset()


def test_the_order_of_files_in_a_package_does_not_show_in_the_layer(
    archive: TinyArchive, base: DebianBase, make_tools: Callable[..., StepTools]
) -> None:
    files = [file(f"usr/share/many/{name}", name) for name in "zaymb"]
    digests = []
    for store, order in (("forth", files), ("back", files[::-1])):
        archive.paragraphs.clear()
        archive.minimal()
        archive.python()
        archive.add("many", "1", *order)
        archive.publish()
        digests.append(root(base, make_tools(archive.environment, store=store), "many").name)
    assert digests[0] == digests[1]


def test_other_packages_give_another_name_for_the_dockerfile(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    plain, more = lock(base, tools), lock(base, tools, "python3-minimal")
    assert base.dockerfile_from(plain).startswith("localhost/aac/debian:trixie-")
    assert base.dockerfile_from(plain) != base.dockerfile_from(more)


def test_a_package_with_other_bytes_than_the_index_says_is_refused(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    deb = archive.add("victim", "1")
    archive.publish()
    locked = lock(base, tools, "victim")
    data = deb.read_bytes()
    deb.write_bytes(data[:-2] + b"!!")
    with pytest.raises(StepError, match=r"package victim 1: .*hash to"):
        base.fetch(locked, tools)
    deb.write_bytes(data + bytes(1 << 22))
    with pytest.raises(StepError, match=r"package victim 1: .*longer than"):
        base.fetch(locked, tools)
    deb.write_bytes(data)
    base.fetch(locked, tools)


def test_a_package_that_the_archive_has_dropped_comes_from_the_archive_of_old_files(
    archive: TinyArchive, base: DebianBase, tools: StepTools, served: object
) -> None:
    deb = archive.add("gone", "1")
    archive.publish()
    locked = lock(base, tools, "gone")
    kept = archive.top / "snapshot" / "debian" / "20261121T091544Z" / deb.relative_to(archive.top / "debian")
    kept.parent.mkdir(parents=True)
    deb.rename(kept)
    base.fetch(locked, tools)
    assert any(path.startswith("/snapshot/") for path in served.paths(200))  # type: ignore[attr-defined]


def test_a_package_that_is_nowhere_is_named(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    deb = archive.add("gone", "1")
    archive.publish()
    locked = lock(base, tools, "gone")
    deb.unlink()
    with pytest.raises(StepError, match=r"package gone 1: .*answered 404") as refused:
        base.fetch(locked, tools)
    assert "lock again" in refused.value.hint


def test_offline_names_the_packages_that_are_missing(
    base: DebianBase, tools: StepTools, make_tools: Callable[..., StepTools]
) -> None:
    locked = lock(base, tools)
    elsewhere = make_tools({}, store="elsewhere", offline=True)
    with pytest.raises(StepError, match="offline, and 9 Debian packages are not in the store: base-files"):
        base.fetch(locked, elsewhere)


def test_a_package_that_is_refused_leaves_no_scratch_behind(
    archive: TinyArchive, base: DebianBase, tools: StepTools, tmp_path: Path
) -> None:
    archive.add("evil", "1", special("./dev/sda", tarfile.BLKTYPE))
    archive.publish()
    with pytest.raises(StepError, match=r"package evil: ./dev/sda is a device"):
        root(base, tools, "evil")
    assert not list((tmp_path / "store" / "store" / "tmp").iterdir())


def test_the_bytes_of_a_root_change_only_when_its_format_is_raised(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    archive.add("bits", "1", folder("var/mail", 0o2775), file("bin/su", "x", 0o4755), link("usr/a", "../etc"))
    archive.publish()
    layer = base.fetch(lock(base, tools, "bits"), tools).layers[0]
    assert (ROOT_FORMAT, layer.diff_id) == (
        1,
        "sha256:c0708f57a53950d077f0cc26699b3b50c60567d9cf428e027ef064e2df344c9b",
    )


def test_a_lock_without_a_hash_is_refused(base: DebianBase, tools: StepTools) -> None:
    locked = lock(base, tools)
    edited = replace(locked, files=(replace(locked.files[0], sha256=""), *locked.files[1:]))
    with pytest.raises(StepError, match="package base-files: 'sha256:' is not a digest"):
        base.fetch(edited, tools)
