from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pysequoia
import pytest
from debian_archive import NOW, TinyArchive, file, keyring

from aac_plugins.bases.debian import DebianBase
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools

LINUX = Platform()
PYTHON = BaseRequest("debian", "debian:trixie", runtime="python")


def names(locked: LockedBase) -> list[str]:
    return [file.name for file in locked.files]


def test_python_without_a_version_is_locked_to_the_packages_of_a_minimal_root(base: DebianBase, tools: StepTools) -> None:
    locked = base.resolve(PYTHON, LINUX, tools)
    assert locked.runtime_version == "3.13"
    assert locked.facts["python"] == "/usr/bin/python3.13"
    assert locked.snapshot == "2026-11-21T09:15:44Z"
    assert locked.reference == "debian:trixie"
    assert sorted(names(locked)) == [
        "base-files",
        "ca-certificates",
        "libc-bin",
        "libc6",
        "libpython3.13-minimal",
        "libpython3.13-stdlib",
        "netbase",
        "python3.13-minimal",
        "tzdata",
    ]


def test_what_a_package_needs_is_unpacked_before_it(base: DebianBase, tools: StepTools) -> None:
    order = names(base.resolve(PYTHON, LINUX, tools))
    assert order.index("libc6") < order.index("libpython3.13-minimal") < order.index("python3.13-minimal")


def test_a_lock_names_the_public_archive_whatever_mirror_it_was_made_with(base: DebianBase, tools: StepTools) -> None:
    urls = [file.url for file in base.resolve(PYTHON, LINUX, tools).files]
    assert all(url.startswith("http://deb.debian.org/debian/pool/main/") for url in urls)


def test_the_newest_version_of_all_suites_wins(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add("libc6", "2.41-1+deb13u1", file("usr/lib/libc.so.6"), suite="trixie-security")
    archive.add("libc6", "2.40", file("usr/lib/libc.so.6"), suite="trixie-updates")
    archive.publish()
    libc = next(f for f in base.resolve(PYTHON, LINUX, tools).files if f.name == "libc6")
    assert libc.version == "2.41-1+deb13u1"
    assert libc.url.startswith("http://deb.debian.org/debian-security/pool/")


def test_stable_is_locked_under_its_own_name(base: DebianBase, tools: StepTools) -> None:
    assert base.resolve(BaseRequest("debian", "debian:stable"), LINUX, tools).reference == "debian:trixie"


def test_a_second_lock_asks_only_whether_the_release_files_changed(base: DebianBase, tools: StepTools, served: object) -> None:
    first = base.resolve(PYTHON, LINUX, tools)
    served.asked.clear()  # type: ignore[attr-defined]
    assert base.resolve(PYTHON, LINUX, tools) == first
    assert {path.rpartition("/")[2] for path in served.paths()} == {"InRelease"}  # type: ignore[attr-defined]
    assert served.paths(200) == []  # type: ignore[attr-defined]


def test_a_release_that_was_seen_can_be_locked_offline(
    archive: TinyArchive, base: DebianBase, tools: StepTools, make_tools: Callable[..., StepTools]
) -> None:
    online = base.resolve(PYTHON, LINUX, tools)
    offline = make_tools(archive.environment, offline=True)
    assert base.resolve(PYTHON, LINUX, offline) == online


def test_a_version_that_the_release_lacks_is_refused_naming_those_it_has(base: DebianBase, tools: StepTools) -> None:
    asked = BaseRequest("debian", "debian:trixie", runtime="python", version="3.9")
    with pytest.raises(StepError, match=r"Debian trixie has python 3\.13, not 3\.9"):
        base.resolve(asked, LINUX, tools)


@pytest.mark.parametrize("version", ["3", "3.13", "3.13.5"])
def test_a_version_may_be_said_in_part_or_in_full(base: DebianBase, tools: StepTools, version: str) -> None:
    asked = BaseRequest("debian", "", runtime="python", version=version)
    assert base.resolve(asked, LINUX, tools).runtime_version == "3.13"


def test_system_packages_come_with_what_they_need(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add("libpq5", "17", Depends="libssl3 (>= 3.0), libc6")
    archive.add("libssl3", "3.5")
    archive.publish()
    locked = base.resolve(BaseRequest("debian", "", packages=("libpq5",)), LINUX, tools)
    assert {"libpq5", "libssl3"} <= set(names(locked))


def test_a_package_that_does_not_exist_is_refused_with_near_names(base: DebianBase, tools: StepTools) -> None:
    with pytest.raises(StepError, match="'netbse' is not in this Debian release") as refused:
        base.resolve(BaseRequest("debian", "", packages=("netbse",)), LINUX, tools)
    assert "netbase" in refused.value.hint


def test_an_architecture_without_packages_is_refused(base: DebianBase, tools: StepTools) -> None:
    with pytest.raises(StepError, match="no packages for arm64"):
        base.resolve(PYTHON, Platform("linux", "arm64"), tools)
    with pytest.raises(StepError, match="no packages for windows/amd64"):
        base.resolve(PYTHON, Platform("windows"), tools)


def test_an_unsigned_archive_is_refused(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.publish(key=None)
    with pytest.raises(StepError, match="InRelease: not signed"):
        base.resolve(PYTHON, LINUX, tools)


def test_an_archive_signed_by_somebody_else_is_refused(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.publish(key=pysequoia.Tsk.generate("Somebody Else"))
    with pytest.raises(StepError, match="not signed by one of Debian's archive keys"):
        base.resolve(PYTHON, LINUX, tools)


def test_the_keys_of_a_mirror_of_ones_own_can_be_named(
    archive: TinyArchive, base: DebianBase, make_tools: Callable[..., StepTools], tmp_path: Path
) -> None:
    own = pysequoia.Tsk.generate("Our Mirror")
    archive.publish(key=own)
    ring = keyring(tmp_path / "own.gpg", own)
    tools = make_tools({**archive.environment, "AAC_DEBIAN_KEYRING": str(ring)})
    assert base.resolve(PYTHON, LINUX, tools).runtime_version == "3.13"


def test_a_release_file_that_was_changed_is_refused_and_not_remembered(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    good = archive.in_release().read_bytes()
    archive.in_release().write_bytes(good.replace(b"Codename: trixie", b"Codename: trixiE"))
    with pytest.raises(StepError, match="not signed by one of Debian's archive keys"):
        base.resolve(PYTHON, LINUX, tools)
    archive.in_release().write_bytes(good)
    assert base.resolve(PYTHON, LINUX, tools).runtime_version == "3.13"


def test_text_around_the_signed_part_is_never_read(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    signed = archive.in_release().read_bytes()
    archive.in_release().write_bytes(signed + b"\nSHA256:\n " + b"0" * 64 + b" 1 main/binary-amd64/Packages.xz\n")
    try:
        locked = base.resolve(PYTHON, LINUX, tools)
    except StepError as refused:
        assert "not signed" in str(refused)
    else:
        assert locked.runtime_version == "3.13"


def test_the_signed_release_file_of_another_suite_is_refused(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.publish(Suite="oldstable", Codename="bookworm")
    with pytest.raises(StepError, match="is the Release file of bookworm, not of trixie"):
        base.resolve(PYTHON, LINUX, tools)


def test_an_index_that_is_not_the_signed_one_is_refused(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.packages().write_bytes(archive.packages().read_bytes()[:-1] + b"x")
    with pytest.raises(StepError, match="not the file that the signed Release names"):
        base.resolve(PYTHON, LINUX, tools)


def test_an_index_that_never_ends_is_cut_off(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.packages().write_bytes(archive.packages().read_bytes() + bytes(4 << 20))
    with pytest.raises(StepError, match="not the file that the signed Release names"):
        base.resolve(PYTHON, LINUX, tools)


def test_a_release_file_that_is_out_of_date_is_refused_online_and_noted_offline(
    archive: TinyArchive,
    base: DebianBase,
    tools: StepTools,
    make_tools: Callable[..., StepTools],
    tmp_path: Path,
) -> None:
    archive.publish(valid_until="Sun, 29 Nov 2026 02:09:05 UTC")
    locked = base.resolve(PYTHON, LINUX, tools)
    later = DebianBase(lambda: (NOW + timedelta(days=30)).timestamp(), keyring(tmp_path / "same.gpg"))
    with pytest.raises(StepError, match="valid until 2026-11-29"):
        later.resolve(PYTHON, LINUX, tools)
    notes: list[str] = []
    assert later.resolve(PYTHON, LINUX, make_tools(archive.environment, offline=True, notes=notes)) == locked
    assert any("valid until 2026-11-29" in note for note in notes)


def test_an_unsigned_mirror_is_taken_only_when_said_and_that_is_shown(
    archive: TinyArchive, base: DebianBase, make_tools: Callable[..., StepTools]
) -> None:
    archive.publish(key=None)
    notes: list[str] = []
    tools = make_tools({**archive.environment, "AAC_DEBIAN_ALLOW_UNSIGNED": "1"}, notes=notes)
    assert base.resolve(PYTHON, LINUX, tools).runtime_version == "3.13"
    assert any("signature not checked" in note for note in notes)


def test_a_mirror_without_security_updates_can_be_said(
    archive: TinyArchive, base: DebianBase, make_tools: Callable[..., StepTools], served: object
) -> None:
    tools = make_tools({**archive.environment, "AAC_DEBIAN_SECURITY_MIRROR": "none"})
    base.resolve(PYTHON, LINUX, tools)
    assert not [path for path in served.paths() if "security" in path]  # type: ignore[attr-defined]


def test_something_that_is_no_mirror_is_named(base: DebianBase, make_tools: Callable[..., StepTools]) -> None:
    tools = make_tools({"AAC_DEBIAN_MIRROR": "http://127.0.0.1:9/nothing"})
    with pytest.raises(StepError, match=r"127.0.0.1:9"):
        base.resolve(PYTHON, LINUX, tools)


def test_only_the_current_index_of_a_suite_is_kept(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    base.resolve(PYTHON, LINUX, tools)
    archive.add("newcomer")
    archive.publish()
    base.resolve(PYTHON, LINUX, tools)
    kept = [path.name for path in (tools.cache / "debian").iterdir()]
    assert len([name for name in kept if name.startswith("trixie-amd64-")]) == 1


def test_docker_images_of_debian_are_not_this_bases() -> None:
    base = DebianBase()
    assert base.accepts("debian:trixie") and base.accepts("debian:stable")
    for other in (
        "debian:bookworm-slim",
        "docker.io/library/debian:trixie",
        "debian",
        "scratch",
        "python:3.12",
    ):
        assert not base.accepts(other)
