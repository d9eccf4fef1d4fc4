"""What a Java agent depends on → one jar per artifact, pinned by URL and SHA-256.

Maven (or Gradle, for its projects) works out the set once, when the lock is written; what it downloaded was compared with
the repository's checksum, and is compared with it again before its SHA-256 is written down. From then on jars are fetched
by us, and no build asks which version is meant.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote
from xml.sax.saxutils import escape

from aac_plugins.debian.keystore import key_store
from aac_plugins.oci.engine_context import authorities
from aac_plugins.runtimes import java_probe, java_refusals
from aac_plugins.runtimes.java_install import JAR_MEDIA_TYPE, maven
from aac_plugins.runtimes.java_project import POM, REPOSITORIES, coordinates
from aac_plugins.runtimes.java_tools import DEPENDENCY_PLUGIN, find_jdk, major, maven_words, run_gradle, run_maven
from aac_tasks.contracts.engines import ToolchainImage
from aac_tasks.contracts.lock import DependencyRequest, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import Add, Run, Write
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError

CENTRAL = "https://repo.maven.apache.org/maven2"
_PLACE, _REPOSITORY_THERE = "/resolve", "/repository"
"""Where an image has the project, and what Maven downloads."""

_OWN, _TOLD = "aac.gradle", "aac-files"
"""What Gradle is told to do, and what that writes."""

_BEGIN = "-----BEGIN CERTIFICATE-----"
_REPOSITORY = re.compile(r"^\s*\*\s+(\S+) \(([^,\s]+),", re.MULTILINE)


def resolve(request: DependencyRequest, tools: Tools) -> LockedDependencies:
    """Pin everything that ``request`` needs when it runs, in the order of its class path.

    Raises:
        StepError: a tool is missing, something can't be found, or is not what its repository says.
    """
    compiled = {"javac": find_jdk(tools).major} if "compile" in request.groups else {}
    if POM in request.files:
        return LockedDependencies(_maven(request.files[POM], tools), tools=compiled)
    if set(request.files) - {REPOSITORIES}:
        return LockedDependencies(_gradle(request.files, tools), tools=compiled)
    files = _maven(_pom(request), tools) if request.requirements else ()
    return LockedDependencies(files, tools=compiled)


def _pom(request: DependencyRequest) -> str:
    """A project that has nothing but what ``spec.dependencies`` names."""
    needed = "".join(_dependency(text) for text in request.requirements)
    addresses = request.files.get(REPOSITORIES, "").splitlines()
    places = "".join(f"<repository><id>own{i}</id><url>{escape(a)}</url></repository>" for i, a in enumerate(addresses))
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>agent</groupId><artifactId>agent</artifactId><version>1</version>"
        f"<repositories>{places}</repositories><dependencies>{needed}</dependencies></project>\n"
    )


def _dependency(text: str) -> str:
    group, artifact, version, classifier = coordinates(text)
    kind = f"<classifier>{classifier}</classifier>" if classifier else ""
    return (
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>{kind}</dependency>"
    )


def _maven(pom: str, tools: Tools) -> tuple[LockedFile, ...]:
    tools.progress("resolving Java dependencies")
    with tools.scratch() as folder:
        (folder / POM).write_text(pom, "utf-8")
        done = run_maven(_goals(str(folder)), folder, tools)
        if done.exit_code != 0:
            raise java_refusals.unresolved(done.stdout + done.stderr, offline=tools.offline)
        return _locked_files(folder / "classpath", done.stdout, Path("/"), str(tools.cache / "maven"), tools)


def resolve_in(request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
    """As `resolve`, by the Maven or Gradle of a toolchain image.

    Raises:
        StepError: something can't be found, or is not what its repository says.
    """
    compiled = {"javac": major(image.locked.runtime_version)} if "compile" in request.groups else {}
    if set(request.files) - {REPOSITORIES, POM}:
        return LockedDependencies(_gradle_in(request.files, image, tools), tools=compiled)
    if POM not in request.files and not request.requirements:
        return LockedDependencies(tools=compiled)
    pom = request.files.get(POM) or _pom(request)
    trusting, properties = _trusted(tools)
    words = (*maven(_PLACE, *properties), *maven_words(_goals(_PLACE), _PLACE, _REPOSITORY_THERE, tools))
    with tools.scratch() as folder:
        said = image.run(
            (Write(f"{_PLACE}/{POM}", pom), *trusting, Run(words)),
            (f"{_PLACE}/classpath", _REPOSITORY_THERE),
            folder,
            lambda tail: java_refusals.unresolved(tail, offline=tools.offline),
        )
        classpath = folder / _PLACE.strip("/") / "classpath"
        return LockedDependencies(_locked_files(classpath, said, folder, _REPOSITORY_THERE, tools), tools=compiled)


def _trusted(tools: Tools) -> tuple[tuple[Add, ...], tuple[str, ...]]:
    """The certificate authorities that the user's environment names, as Java reads them, and what tells Java where they are."""
    bundle = authorities(tools)
    if not bundle:
        return (), ()
    certificates = Path(bundle).read_text("utf-8", "replace").split(_BEGIN)[1:]
    store = tools.blobs.put(
        key_store({str(number): _BEGIN + text for number, text in enumerate(certificates)}), media_type="application/octet-stream"
    )
    place = f"{_PLACE}/authorities"
    return (Add("", store.digest.hex, place),), (f"-Djavax.net.ssl.trustStore={place}", "-Djavax.net.ssl.trustStoreType=JKS")


def _goals(folder: str) -> tuple[str, ...]:
    goals = tuple(f"{DEPENDENCY_PLUGIN}:{goal}" for goal in ("build-classpath", "list-repositories"))
    return (*goals, "-DincludeScope=runtime", f"-Dmdep.outputFile={folder}/classpath", "-Dmdep.pathSeparator=|")


def _locked_files(classpath: Path, said: str, root: Path, repository: str, tools: Tools) -> tuple[LockedFile, ...]:
    """Every jar of a class path; its paths are those below ``root``, where Maven's ``repository`` is too."""
    addresses = {"central": CENTRAL, **dict(_REPOSITORY.findall(said))}
    places = (root / path.lstrip("/") for path in classpath.read_text("utf-8").strip().split("|") if path)
    return tuple(_locked_by_maven(place, root / repository.lstrip("/"), addresses, tools) for place in places)


def _locked_by_maven(path: Path, repository: Path, addresses: Mapping[str, str], tools: Tools) -> LockedFile:
    try:
        *group, artifact, version, name = path.relative_to(repository).parts
        origin = (path.parent / "_remote.repositories").read_text("utf-8")
    except (ValueError, OSError) as error:
        raise StepError(
            f"{path.name} is in no Maven repository, so nobody else could fetch it",
            hint="publish it, and depend on it by its coordinates",
        ) from error
    found = re.search(rf"^{re.escape(name)}>([^=]*)=", origin, re.MULTILINE)
    address = addresses.get(found.group(1)) if found else None
    if address is None:
        raise StepError(
            f"it is not known which repository {name} came from", hint=f"remove {path.parent}, then run `agent lock` again"
        )
    _check(path, path.with_name(f"{name}.sha1"))
    url = f"{address.rstrip('/')}/{quote(path.relative_to(repository).as_posix())}"
    return _pinned(f"{'.'.join(group)}:{artifact}", version, url, path.read_bytes(), tools)


def _check(path: Path, checksum: Path) -> None:
    """Against the repository's own checksum, which Maven keeps beside the file: the cache may have been touched since."""
    said = checksum.read_text("utf-8").split() if checksum.is_file() else []
    found = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    if said and said[0].lower() != found:
        raise StepError(
            f"{path.name} in Maven's cache is not what its repository offers: SHA-1 {found}, not {said[0].lower()}",
            hint=f"remove {path.parent}, then run `agent lock` again",
        )


def _pinned(name: str, version: str, url: str, jar: bytes, tools: Tools) -> LockedFile:
    if version.endswith("-SNAPSHOT"):
        raise StepError(
            f"{name} {version} means another file every day and can't be locked", hint="depend on a released version of it"
        )
    stored = tools.blobs.put(jar, media_type=JAR_MEDIA_TYPE)
    return LockedFile(name, version, url, stored.digest.removeprefix("sha256:"), stored.size)


def _gradle(files: Mapping[str, str], tools: Tools) -> tuple[LockedFile, ...]:
    tools.progress("resolving Java dependencies")
    with tools.scratch() as folder:
        for name, text in {**files, _OWN: java_probe.own_text(_OWN)}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        done = run_gradle(("-I", str(folder / _OWN), "aacFiles"), folder, tools)
        if done.exit_code != 0:
            raise java_refusals.unresolved(done.stdout + done.stderr, offline=tools.offline)
        return _locked_by_gradle(folder / _TOLD, tools)


def _gradle_in(files: Mapping[str, str], image: ToolchainImage, tools: Tools) -> tuple[LockedFile, ...]:
    written = (Write(f"{_PLACE}/{name}", text) for name, text in {**files, _OWN: java_probe.own_text(_OWN)}.items())
    trusting, properties = _trusted(tools)
    words = ("gradle", "--no-daemon", "-q", "-g", "/gradle", "-p", _PLACE, *properties, "-I", f"{_PLACE}/{_OWN}", "aacFiles")
    with tools.scratch() as folder:
        refused = functools.partial(java_refusals.unresolved, offline=tools.offline)
        image.run((*written, *trusting, Run(words)), (f"{_PLACE}/{_TOLD}",), folder, refused)
        return _locked_by_gradle(folder / _PLACE.strip("/") / _TOLD, tools)


def _locked_by_gradle(told: Path, tools: Tools) -> tuple[LockedFile, ...]:
    """Every jar of a class path as ``aac.gradle`` tells of it."""
    lines = [line.split("|") for line in told.read_text("utf-8").splitlines()]
    addresses = [line[1].rstrip("/") for line in lines if line[0] == "repository" and line[1].startswith("http")]
    found = (line[1:] for line in lines if line[0] == "file")
    return tuple(_found_again(tuple(f), tuple(dict.fromkeys((*addresses, CENTRAL))), tools) for f in found)


def _found_again(found: tuple[str, ...], addresses: tuple[str, ...], tools: Tools) -> LockedFile:
    """Gradle does not tell where a file came from: the first repository whose checksum for its path is the file's."""
    group, artifact, version, name, sha1 = found
    for url in _addresses(f"{group.replace('.', '/')}/{artifact}/{version}/{name}", addresses):
        if _answered(f"{url}.sha1", tools).decode("ascii", "replace").split()[:1] != [sha1]:
            continue
        jar = _answered(url, tools)
        if hashlib.sha1(jar, usedforsecurity=False).hexdigest() == sha1:
            return _pinned(f"{group}:{artifact}", version, url, jar, tools)
    raise StepError(
        f"no repository has {group}:{artifact}:{version} as Gradle found it", hint="publish it in a Maven repository"
    )


def _answered(url: str, tools: Tools) -> bytes:
    """Nothing where there is nothing."""
    with tools.http(HttpRequest("GET", url)) as answer:
        return answer.read() if answer.status == 200 else b""


def _addresses(path: str, addresses: tuple[str, ...]) -> Iterator[str]:
    return (f"{address}/{quote(path)}" for address in addresses)
