from __future__ import annotations

import base64
import hashlib
import struct

import pytest
from debian_archive import TinyArchive, file, members_of

from aac_plugins.bases.debian import DebianBase
from aac_plugins.debian.keystore import key_store
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools

PEM = f"# comment\n-----BEGIN CERTIFICATE-----\n{base64.b64encode(b'der' * 30).decode()}\n-----END CERTIFICATE-----\n"


def lock(base: DebianBase, tools: StepTools, runtime: str, version: str = "") -> LockedBase:
    return base.resolve(BaseRequest("debian", "", runtime=runtime, version=version), Platform(), tools)


def test_nodejs_is_the_one_package_of_its_name(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    archive.add("nodejs", "20.19.2+dfsg-1", file("usr/bin/node"), Depends="libc6, node-corepack")
    archive.publish()
    locked = lock(base, tools, "nodejs", "20")
    assert (locked.runtime_version, locked.facts["nodejs"]) == ("20.19", "/usr/bin/node")
    with pytest.raises(StepError, match=r"Debian trixie has nodejs 20\.19, not 22"):
        lock(base, tools, "nodejs", "22")


def test_java_is_the_release_s_default_unless_another_is_named(archive: TinyArchive, base: DebianBase, tools: StepTools) -> None:
    for number in ("21", "25"):
        home = f"usr/lib/jvm/java-{number}-openjdk-amd64"
        archive.add(f"openjdk-{number}-jre-headless", f"{number}.0.5+2-1~deb13u1", file(f"{home}/bin/java"))
    archive.add("default-jre-headless", "2:1.21-76", Depends="openjdk-21-jre-headless, java-common")
    authority = file("usr/share/ca-certificates/mozilla/Real_Root.crt", PEM)
    archive.add("ca-certificates", "2026", authority, suite="trixie-updates")
    archive.publish()
    locked = lock(base, tools, "java")
    assert (locked.runtime_version, lock(base, tools, "java", "25").runtime_version) == ("21", "25")
    members = members_of(tools.blobs.path(base.fetch(locked, tools).layers[0].blob.digest))
    assert members["usr/bin/java"].linkname == "../lib/jvm/java-21-openjdk/bin/java"
    assert members["usr/lib/jvm/java-21-openjdk"].linkname == "java-21-openjdk-amd64"
    assert members["etc/ssl/certs/java/cacerts"].size > 100


def test_a_language_without_a_package_list_is_refused_naming_those_with_one(base: DebianBase, tools: StepTools) -> None:
    with pytest.raises(StepError, match=r"'cobol' has no package list .*python, nodejs, java"):
        lock(base, tools, "cobol")


def test_a_java_key_store_holds_each_certificate_under_its_name_and_a_check_sum() -> None:
    store = key_store({"Root.crt": PEM, "empty.crt": "no certificate"})
    assert struct.unpack_from(">IIII", store) == (0xFEEDFEED, 2, 1, 2)
    assert store[16:26] == b"\0\x08root.crt"
    assert store[-20 - 94 : -20] == struct.pack(">I", 90) + b"der" * 30
    password = "".join(f"\0{letter}" for letter in "changeit").encode()
    assert hashlib.sha1(password + b"Mighty Aphrodite" + store[:-20]).digest() == store[-20:]  # noqa: S324


def test_a_static_program_s_root_has_no_c_library_until_a_package_needs_one(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    archive.add("needs-libc", "1", file("usr/bin/needs-libc"), Depends="libc6")
    archive.publish()
    names = [f.name for f in lock(base, tools, "static").files]
    assert "ca-certificates" in names and "libc6" not in names and "libc-bin" not in names
    request = BaseRequest("debian", "", ("needs-libc",), runtime="static")
    assert "libc6" in [f.name for f in base.resolve(request, Platform(), tools).files]


def test_toolchains_are_the_compilers_and_the_links_that_scripts_would_make(
    archive: TinyArchive, base: DebianBase, tools: StepTools
) -> None:
    for name, version in (("golang-1.24-go", "1.24.4-1"), ("rustc", "1.85.0+dfsg3-1"), ("cargo", "1.85.0+dfsg3-1")):
        archive.add(name, version, file(f"usr/lib/{name}"))
    for name in ("gcc", "libc6-dev", "coreutils"):
        archive.add(name, "14.2.0-1", file(f"usr/lib/{name}"))
    archive.add("golang-go", "2:1.24~2", Depends="golang-1.24-go")
    archive.publish()
    go, rust = lock(base, tools, "go"), lock(base, tools, "rust")
    assert (go.runtime_version, rust.runtime_version) == ("1.24", "1.85")
    blobs = {name: members_of(tools.blobs.path(base.fetch(locked, tools).layers[0].blob.digest))
             for name, locked in (("go", go), ("rust", rust))}  # fmt: skip
    assert blobs["go"]["usr/bin/go"].linkname == "../lib/go-1.24/bin/go"
    assert blobs["rust"]["usr/bin/cc"].linkname == "gcc"
