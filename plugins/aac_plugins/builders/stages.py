"""A build stage as an engine is asked to run it: its Dockerfile, and a folder with all that it copies in.

Files that a stage fetches or writes are lent out of the blob store, where they were verified, instead of being fetched by
the engine: that works behind proxies and with private indexes, and with engines that know neither ``ADD --checksum`` nor
here-documents (Podman 4, Docker's classic endpoint). The base that it starts from is lent under a name of ours, too.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.oci.docker_load import base_image
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.dockerfile_text import IMAGE, STAGE, access_mounts, held, path, run_lines
from aac_tasks.contracts.image import Digest, Platform, StoredImage
from aac_tasks.contracts.recipe import Add, BuildSecret, Context, Instruction, Recipe, Run, Stage, Write
from aac_tasks.contracts.roles import BaseImage
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.context import ContextFile
    from aac_tasks.contracts.roles import BuildRequest
    from aac_tasks.contracts.tools import Tools

LENT = "lent"
"""The folder of what is lent. Each folder in it is a build context of its own, or BuildKit, which keeps of a context what a build
last copied out of it, would be sent all of it again with every build.
"""

DOCKERFILE = "Dockerfile"


@dataclass(frozen=True)
class Dialect:
    """How an engine names what is lent and its context in COPY, whether it knows ``RUN --mount``, and what commands get of the
    user's own: certificate authorities (see `AUTHORITIES`), and ``settings`` of their tools, by their paths.
    """

    lent: str = f"--from={LENT}{{}} /"
    context: str = "."
    mounts: bool = True
    authorities: bool = False
    settings: tuple[str, ...] = ()


CONTEXTS = Dialect()
"""BuildKit and Podman: several contexts, each with a name."""

ONE_CONTEXT = Dialect(f"{LENT}/{{}}/", "context/", mounts=False)
"""The classic endpoint: one tar with a folder for each."""


AUTHORITIES = "aac-authorities"
"""The build secret that holds the certificate authorities which the user's environment names: a company's proxy is unknown to
every toolchain image. As a secret it is in no layer, no cache key of the engine's, and in none of ours.
"""

SETTINGS = "aac-settings"
"""Before the number of a file of the user's settings (`Work.settings`), as the id of its secret."""

_BUNDLE = "/run/aac/authorities.crt"
_TRUSTING = (
    "SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CARGO_HTTP_CAINFO", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS",
    "PIP_CERT",
)  # fmt: skip
"""Where OpenSSL and Go, curl, requests, cargo, git, Node.js and pip look for them."""


@dataclass(frozen=True)
class Work:
    """What an engine shall build. ``folder`` is ours and holds the Dockerfile and ``lent/``; ``files`` is the build context
    below ``root``, None when nothing copies it. ``what`` is what messages call it; ``target``, ``args`` and ``own``
    (its name) are an own Dockerfile's; ``commands`` are what its RUN lines run, where an error shall name one; ``settings``
    are files for them, lent as secrets: path → text.
    """

    what: str
    folder: Path
    platform: Platform
    files: Sequence[ContextFile] | None = None
    root: Path = Path()
    no_cache: bool = False
    secrets: tuple[BuildSecret, ...] = ()
    ssh: bool = False
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()
    own: str = ""
    commands: tuple[tuple[str, ...], ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> str:
        """The name under which an engine without another cache keeps the stage until its next build; "" for a stage that is
        not built again after an edit, because it does not copy sources.
        """
        return "" if self.files is None else f"localhost/aac/cache:{fingerprint([str(self.root), self.what])[:16]}"

    @property
    def dockerfile(self) -> Path:
        """The file to build."""
        return self.folder / DOCKERFILE

    @property
    def lent(self) -> Path:
        """The folder of what is lent; exists."""
        return self.folder / LENT


def work_of(request: BuildRequest, what: str, folder: Path, platform: Platform, *, context: bool) -> Work:
    """Work with an empty ``lent`` folder and what the recipe lends to its commands."""
    (folder / LENT).mkdir()
    (folder / LENT).chmod(0o755)
    recipe = request.recipe
    return Work(
        what,
        folder,
        platform,
        request.context if context else None,
        request.folder,
        request.no_cache,
        recipe.secrets,
        recipe.ssh,
    )


def lent_base(base: BaseImage, platform: Platform, tools: Tools) -> tuple[StoredImage, str]:
    """The base as an image of its own, and the name under which an engine is to know it; equal bases have equal names."""
    image = base_image(base, "lent", platform, tools.blobs)
    return image, f"localhost/aac/base:{image.manifest.digest.short}"


def stage_text(stage: Stage, named: str, recipe: Recipe, lend: Lender, dialect: Dialect) -> str:
    """The stage's Dockerfile, started from image ``named``; its files are lent on the way."""
    lines = [f"FROM {held(named, IMAGE, 'image', 'a name')} AS {held(stage.name, STAGE, 'stage', 'a name')}", "USER 0:0"]
    for group in _grouped(stage.instructions):
        lines += _group_lines(group, recipe, lend, dialect)
    return "\n".join(lines) + "\n"


def outlet(stage: Stage, paths: Sequence[str]) -> str:
    """A last stage that holds nothing but ``paths``."""
    copies = (f"COPY --from={stage.name} {path(stage.made.get(p, p))} {path(p)}" for p in paths)
    return "\n".join(["FROM scratch", *copies]) + "\n"


def commands_text(named: str, commands: Sequence[Run], recipe: Recipe, dialect: Dialect) -> str:
    """Commands in an image itself."""
    lines = [f"FROM {held(named, IMAGE, 'image', 'a name')}", "USER 0:0"]
    for command in commands:
        lines += _run(command, recipe, dialect)
    return "\n".join(lines) + "\n"


def _group_lines(group: Sequence[Instruction], recipe: Recipe, lend: Lender, dialect: Dialect) -> Iterator[str]:
    first = group[0]
    if isinstance(first, Run):
        yield from _run(first, recipe, dialect)
    elif isinstance(first, Context):
        yield f"COPY --chown=0:0 {dialect.context} {path(first.target).rstrip('/')}/"
    else:
        folder = lend([i for i in group if isinstance(i, Add | Write)])
        yield f"COPY {dialect.lent.format(folder)} {_folder_of(first)}"


def _run(run: Run, recipe: Recipe, dialect: Dialect) -> Iterator[str]:
    if dialect.mounts:
        mounts = [f"--mount=type=secret,id={SETTINGS}-{n},target={path(target)} " for n, target in enumerate(dialect.settings)]
        if dialect.authorities:
            run = replace(run, env={**dict.fromkeys(_TRUSTING, _BUNDLE), **run.env})
            mounts.append(f"--mount=type=secret,id={AUTHORITIES},target={_BUNDLE} ")
        return run_lines(run, "".join(mounts) + access_mounts(recipe))
    if recipe.secrets or recipe.ssh:
        raise StepError("build secrets and ssh need BuildKit, which this docker lacks", hint="install the buildx plugin")
    return run_lines(Run(run.argv, run.env))


def _grouped(instructions: Sequence[Instruction]) -> Iterator[list[Instruction]]:
    """Files for one folder, or below it, are copied at once: an image has at most 125 layers, build stages included."""
    group: list[Instruction] = []
    targets: set[str] = set()
    for instruction in instructions:
        target = path(instruction.target) if isinstance(instruction, Add | Write) else ""
        if group and not (target and target not in targets and _below(target, _folder_of(group[0]))):
            yield group
            group, targets = [], set()
        group.append(instruction)
        targets.add(target)
    if group:
        yield group


def _below(target: str, folder: str) -> bool:
    """Folders of a stage's own root are copied one by one: some of them are links in some images."""
    return posixpath.dirname(target) == "/" if folder == "/" else folder != "" and target.startswith(folder)


def _folder_of(instruction: Instruction) -> str:
    if not isinstance(instruction, Add | Write):
        return ""
    return f"{posixpath.dirname(path(instruction.target)).rstrip('/')}/"


Lender = Callable[[Sequence[Add | Write]], str]
"""Puts files into a new folder of the lent ones; the folder's name there."""


def lender(work: Work, tools: Tools) -> Lender:
    """A lender that fills the work's ``lent`` folder with numbered folders."""
    number = 0

    def lend(files: Sequence[Add | Write]) -> str:
        nonlocal number
        folder = work.lent / str(number)
        number += 1
        folder.mkdir()
        folder.chmod(0o755)
        for file in files:
            place = folder / posixpath.relpath(file.target, posixpath.dirname(files[0].target))
            for parent in reversed(place.relative_to(folder).parents[:-1]):
                (folder / parent).mkdir(exist_ok=True)
                (folder / parent).chmod(0o755)
            _lend(file, place, tools)
        return folder.name

    return lend


def _lend(file: Add | Write, place: Path, tools: Tools) -> None:
    if isinstance(file, Write):
        place.write_text(file.text, encoding="utf-8")
        place.chmod(0o644)
        return
    digest = Digest(f"sha256:{file.sha256}")
    if not tools.blobs.has(digest):
        _fetch(file, digest, tools)
    try:
        os.link(tools.blobs.path(digest), place)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(tools.blobs.path(digest), place)
        place.chmod(0o644)


def _fetch(add: Add, digest: Digest, tools: Tools) -> None:
    if tools.offline:
        raise StepError(f"not downloaded yet: {add.url}", hint="build once without --offline")
    with tools.http(HttpRequest("GET", add.url, timeout=120.0)) as answer:
        if answer.status != 200:
            raise StepError(f"{add.url} answered {answer.status}", hint="run `agent lock` to resolve it again")
        tools.blobs.put(answer.stream(), media_type="application/octet-stream", expect=digest)
