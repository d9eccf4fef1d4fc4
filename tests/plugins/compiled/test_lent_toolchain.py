"""What a toolchain image is asked where the host has no Go, Rust or Maven. Real engines: `tests/real/test_lock_in_image.py`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from http_servers import Answer, Seen, http_server
from plugins.compiled.compile_bench import tools_in

from aac_plugins.runtimes.go import GoRuntime
from aac_plugins.runtimes.java import JavaRuntime
from aac_plugins.runtimes.rust import RustRuntime
from aac_tasks.contracts.image import Digest, Platform
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import Add, Instruction, Run, Write
from aac_tasks.errors import StepError

DEBIAN = LockedBase("debian", "debian:trixie", Platform(), runtime_version="1.24")


@dataclass
class Image:
    """An image whose commands say ``said`` and leave ``made`` (path → text)."""

    locked: LockedBase = DEBIAN
    said: str = ""
    made: Mapping[str, str] = field(default_factory=dict)
    instructions: list[Instruction] = field(default_factory=list)
    others: list[BaseRequest] = field(default_factory=list)

    def other(self, request: BaseRequest) -> Image:
        self.others.append(request)
        return self

    def run(
        self, instructions: Sequence[Instruction], paths: Sequence[str], into: Path, refused: Callable[[str], StepError]
    ) -> str:
        self.instructions.extend(instructions)
        for path, text in self.made.items():
            place = into / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return self.said

    @property
    def commands(self) -> list[tuple[str, ...]]:
        return [one.argv for one in self.instructions if isinstance(one, Run)]

    @property
    def texts(self) -> dict[str, str]:
        return {one.target: one.text for one in self.instructions if isinstance(one, Write)}


OURS = {"go.mod": "module hello\n"}
THEIRS = {"go.mod": "module hello\n\ngo 1.23\n\ntoolchain go1.26.1\n"}


@pytest.mark.parametrize(
    ("requirements", "files", "toolchain", "words", "begun"),
    [
        (("a.org/b@v1",), OURS, "local", ("get", "a.org/b/...@v1"), "module hello\n\ngo 1.24\n"),
        ((), OURS, "auto", ("mod", "download", "all"), "module hello\n\ngo 1.24\n"),
        ((), THEIRS, "auto", ("mod", "download", "all"), THEIRS["go.mod"]),
        (("go@1.24",), THEIRS, "local", ("mod", "download", "all"), THEIRS["go.mod"]),
    ],
)
def test_only_a_go_mod_of_the_author_s_may_name_a_newer_go_than_the_image_s(
    requirements: tuple[str, ...], files: Mapping[str, str], toolchain: str, words: tuple[str, ...], begun: str, tmp_path: Path
) -> None:
    image = Image(said="fetching\ngo1.24.4\ndone", made={"/src/go.mod": "as go left it", "/src/go.sum": "sums"})
    locked = GoRuntime().resolve_in(DependencyRequest(requirements, files), image, tools_in(tmp_path))
    assert locked == LockedDependencies(texts={"go.mod": "as go left it", "go.sum": "sums"}, tools={"go": "1.24.4"})
    assert image.texts == {"/src/go.mod": begun}
    asked, resolved = image.commands
    assert asked[-2:] == ("env", "GOVERSION")
    assert resolved[-len(words) :] == words
    assert all(f"GOTOOLCHAIN={toolchain}" in command for command in image.commands)


def test_a_go_that_says_no_version_is_not_locked(tmp_path: Path) -> None:
    image = Image(said="devel", made={"/src/go.mod": ""})
    with pytest.raises(StepError, match="which is no release"):
        GoRuntime().resolve_in(DependencyRequest((), OURS), image, tools_in(tmp_path))


def test_cargo_is_shown_the_package_without_its_sources(tmp_path: Path) -> None:
    said = "rustc 1.85.0 (x 2025)\nrelease: 1.85.0\nhost: x\ncc (Debian 14.2.0-19) 14.2.0\nCopyright\n"
    image = Image(said=said, made={"/src/Cargo.lock": "locked"})
    files = {"Cargo.toml": '[package]\nname = "a"\n\n[[bin]]\nname = "other"\n'}
    locked = RustRuntime().resolve_in(DependencyRequest(files=files), image, tools_in(tmp_path))
    assert locked.texts == {**files, "Cargo.lock": "locked"}
    assert locked.tools == {"rustc": "1.85.0", "cc": "(Debian 14.2.0-19) 14.2.0"}
    assert image.texts == {"/src/Cargo.toml": files["Cargo.toml"], "/src/src/main.rs": "", "/src/src/bin/other.rs": ""}
    assert image.commands[:2] == [("rustc", "-vV"), ("cc", "--version")]
    assert image.commands[2][-3:] == ("generate-lockfile", "--manifest-path", "/src/Cargo.toml")


def test_a_complete_lock_file_asks_no_image(tmp_path: Path) -> None:
    image, tools = Image(), tools_in(tmp_path)
    go = {"go.mod": "module a\n", "go.sum": ""}
    rust = {"Cargo.toml": "", "Cargo.lock": ""}
    assert GoRuntime().resolve_in(DependencyRequest(files=go), image, tools) == LockedDependencies(texts=go)
    assert RustRuntime().resolve_in(DependencyRequest(files=rust), image, tools) == LockedDependencies(texts=rust)
    java = JavaRuntime().resolve_in(DependencyRequest(groups=("compile",)), Image(at("jdk", "21")), tools)
    assert java == LockedDependencies(tools={"javac": "21"})
    assert (image.instructions, image.others) == ([], [])


def at(reference: str, version: str, *packages: str, base: str = "registry") -> LockedBase:
    files = tuple(LockedFile(name, "1", "https://example.org", "0" * 64) for name in packages)
    return LockedBase(base, reference, Platform(), files=files, runtime_version=version)


HUB = "docker.io/library"
LIBRARY = "/repository/org/a/b/1"
RESOLVED = {
    "/resolve/classpath": f"{LIBRARY}/b-1.jar",
    f"{LIBRARY}/b-1.jar": "jar",
    f"{LIBRARY}/_remote.repositories": "b-1.jar>own=\n",
}
NOBODY = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"), "")


@pytest.mark.parametrize(
    ("locked", "others"),
    [
        (at("debian:trixie", "21", "maven", base="debian"), []),
        (at("debian:trixie", "21", base="debian"), [BaseRequest("debian", "debian:trixie", ("maven",), "jdk", "21")]),
        (at(f"{HUB}/maven:3-eclipse-temurin-21", "21"), []),
        (at(f"{HUB}/eclipse-temurin:17-jdk", "17.0"), [BaseRequest("registry", f"{HUB}/maven:3-eclipse-temurin-17", (), "java")]),
    ],
)
def test_jars_are_pinned_by_a_maven_of_the_image_or_of_one_like_it(
    locked: LockedBase, others: list[BaseRequest], tmp_path: Path
) -> None:
    said = "[INFO] Repositories used by this build:\n * own (https://repo.example.org/m2/, default, releases)\n"
    image = Image(locked, said, RESOLVED)
    found = JavaRuntime().resolve_in(DependencyRequest(("org.a:b:1",)), image, tools_in(tmp_path, **NOBODY))
    assert [(file.name, file.version, file.url) for file in found.files] == [
        ("org.a:b", "1", "https://repo.example.org/m2/org/a/b/1/b-1.jar")
    ]
    assert image.others == others
    (maven,) = image.commands
    assert maven[0] == "java"
    assert {"-Dmaven.repo.local=/repository", "-Dmdep.outputFile=/resolve/classpath", "/resolve/pom.xml"} <= set(maven)
    assert not any("trustStore" in word for word in maven)


def test_a_maven_in_an_image_trusts_whom_the_user_trusts(tmp_path: Path) -> None:
    bundle = tmp_path / "authorities.pem"
    bundle.write_text("# ours\n-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")
    image = Image(at("debian:trixie", "21", "maven", base="debian"), "* own (https://a.org, x)", RESOLVED)
    tools = tools_in(tmp_path / "tools", SSL_CERT_FILE=str(bundle))
    JavaRuntime().resolve_in(DependencyRequest(("org.a:b:1",)), image, tools)
    (lent,) = (one for one in image.instructions if isinstance(one, Add))
    assert b"hello" in tools.blobs.path(Digest(f"sha256:{lent.sha256}")).read_bytes()
    assert f"-Djavax.net.ssl.trustStore={lent.target}" in image.commands[0]


def test_gradle_tells_names_and_checksums_and_the_first_repository_that_has_such_a_jar_is_pinned(tmp_path: Path) -> None:
    jar, place = b"a jar", "/m2/org/a/b/1/b-1.jar"
    sha1 = hashlib.sha1(jar, usedforsecurity=False).hexdigest()
    shelves = {f"/other{place}.sha1": b"0" * 40, f"/own{place}.sha1": f"{sha1}  b-1.jar".encode(), f"/own{place}": jar}

    def answer(request: Seen) -> Answer:
        return Answer(200, shelves[request.path]) if request.path in shelves else Answer(404)

    with http_server(answer) as server:
        address = server.url
        told = f"file|org.a|b|1|b-1.jar|{sha1}\nrepository|{address}/other/m2/\nrepository|{address}/own/m2/\n"
        image = Image(at(f"{HUB}/gradle:jdk21", "21"), made={"/resolve/aac-files": told})
        asked = DependencyRequest(files={"build.gradle": "plugins { id 'java' }"}, groups=("compile",))
        locked = JavaRuntime().resolve_in(asked, image, tools_in(tmp_path, **NOBODY))
        absent = Image(made={"/resolve/aac-files": told.replace(sha1, "1" * 40)})
        with pytest.raises(StepError, match=r"no repository has org\.a:b:1 as Gradle found it"):
            JavaRuntime().resolve_in(asked, absent, tools_in(tmp_path, **NOBODY))
    (file,) = locked.files
    assert (file.name, file.version, file.url, file.size) == ("org.a:b", "1", f"{address}/own{place}", len(jar))
    assert file.sha256 == hashlib.sha256(jar).hexdigest()
    assert locked.tools == {"javac": "21"}
    assert image.texts.keys() == {"/resolve/build.gradle", "/resolve/aac.gradle"}
    assert image.commands[0][0] == "gradle"
    assert image.commands[0][-1] == "aacFiles"


def test_of_a_gradle_project_that_needs_nothing_nothing_is_pinned(tmp_path: Path) -> None:
    image = Image(at(f"{HUB}/gradle:jdk21", "21"), made={"/resolve/aac-files": ""})
    locked = JavaRuntime().resolve_in(DependencyRequest(files={"build.gradle": ""}), image, tools_in(tmp_path, **NOBODY))
    assert locked == LockedDependencies()
