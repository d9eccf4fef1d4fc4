"""Builder ``podman``: what needs commands is done by ``podman build``, without a daemon, as root or not. The image is put
together here, as the embedded builder does.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.builders.assembly import FORMAT
from aac_plugins.builders.commandline import IGNORE, Command, access_arguments, arguments, environment, lend_context, run_build
from aac_plugins.builders.engine import EngineMaker, Executor
from aac_plugins.builders.stages import CONTEXTS, Dialect, Work
from aac_plugins.oci.docker_archive import write_archive, write_layout
from aac_plugins.oci.engine_images import import_image
from aac_tasks.contracts.image import ImageRef
from aac_tasks.contracts.result import Artifact
from aac_tasks.contracts.tools import Completed, Process
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from aac_tasks.contracts.canonical import JsonObject
    from aac_tasks.contracts.engines import Errand
    from aac_tasks.contracts.image import Layer, StoredImage
    from aac_tasks.contracts.recipe import Stage
    from aac_tasks.contracts.roles import BaseImage, Builder, BuildRequest
    from aac_tasks.contracts.tools import Tools

_VARIABLES = (
    "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINER_HOST", "CONTAINER_CONNECTION",
    "REGISTRY_AUTH_FILE", "STORAGE_DRIVER", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip
OLDEST = (4, 2)
"""The first Podman with named build contexts."""

_MADE = re.compile(r"^--> ([0-9a-f]{11,64})$", re.MULTILINE)
"""What each step became; the last ones copy a path each, and the one before them is the whole first stage."""


class PodmanBuilder:
    """See the module."""

    name: str = "podman"
    format: int = FORMAT
    uses_toolchain: bool = True

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Everything, when the command is there, new enough, and its storage can be opened."""
        if tools.which("podman") is None:
            return "podman is not installed"
        try:
            done = Podman(tools).ask("version", "--format={{.Client.Version}}")
        except StepError as error:
            return error.message
        version = tuple(int(n) for n in re.findall(r"\d+", done.stdout)[:2])
        if done.exit_code or not version:
            return f"podman does not work: {done.tail.splitlines()[-1] if done.tail else 'it says nothing'}"
        if version < OLDEST:
            return f"podman {done.stdout.strip()} is too old; {OLDEST[0]}.{OLDEST[1]} or newer is needed"
        return ""

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build, or put together from what the store remembers, without asking Podman."""
        return EngineMaker(self.name, connect).build(request, tools)

    def errand(self, errand: Errand, into: Path, tools: Tools) -> str:
        """Run a stage for what it says and makes."""
        return EngineMaker(self.name, connect).errand(errand, into, tools)

    def load(self, image: StoredImage, name: str, tools: Tools) -> Artifact:
        """Into the user's storage, which reads only the layers that it lacks."""
        return Podman(tools).keep(image, name)

    def holds(self, artifact: Artifact, tools: Tools) -> str:
        """One inspect by name."""
        found = Podman(tools).id_of(artifact.name)
        if not found:
            return f"{artifact.name} is gone from podman"
        return "" if found == artifact.digest else f"{artifact.name} is another image in podman"


def connect(tools: Tools) -> Executor:
    """There is nothing to reach but the command."""
    if tools.which("podman") is None:
        raise StepError("podman is not installed", hint="install it, or build with another: `agent lock --builder NAME`")
    return Podman(tools)


@dataclass(frozen=True)
class Podman:
    """The command, and its storage."""

    tools: Tools
    dialect: Dialect = CONTEXTS

    def ask(self, *words: str, cwd: Path | None = None) -> Completed:
        """Run ``podman WORDS``."""
        return self.tools.run(Process(("podman", *words), cwd=cwd, env=environment(self.tools, _VARIABLES), timeout=300.0))

    def told(self, *words: str) -> Completed:
        """As `ask`; StepError when it fails."""
        done = self.ask(*words)
        if done.exit_code:
            raise StepError(f"podman {words[0]} failed", tail=done.tail)
        return done

    def lend(self, image: StoredImage, name: str) -> None:
        """Load it, unless it is there."""
        if self.ask("image", "exists", name).exit_code:
            self._load(image, name)

    def id_of(self, name: str) -> str:
        """The id of the image that has this name, "" when none has."""
        found = self.ask("image", "inspect", "--format={{.Id}}", name).stdout.strip()
        return f"sha256:{found}" if found else ""

    def keep(self, image: StoredImage, name: str) -> Artifact:
        """Let ``name`` stand for the image. The storage's list of images tells by its times whether that may have changed."""
        if self.id_of(name) != image.config.digest:
            self.tools.progress(f"loading {name} into podman")
            if not self._pull(image, name):
                self._load(image, name)
        if self.id_of(name) != image.config.digest:
            raise StepError(f"podman took {name} and does not show it")
        place = self.ask("info", "--format={{.Store.GraphRoot}}/{{.Store.GraphDriverName}}-images/images.json").stdout.strip()
        where = f"file:{place}" if Path(place).is_file() else "podman"
        return Artifact("loaded", name, image.config.digest, where, data={"builder": "podman"})

    def _pull(self, image: StoredImage, name: str) -> bool:
        """Out of a folder of links to our blobs, of which it opens those that it lacks; a podman elsewhere can't."""
        passing = f"aac-{secrets.token_hex(8)}"  # it makes the name of an image out of its folder's
        with self.tools.scratch() as folder:
            write_layout(image, folder / passing, self.tools.blobs)
            done = self.ask("pull", "--quiet", f"oci:{passing}", cwd=folder)
        if done.exit_code:
            return False
        self.told("tag", f"localhost/{passing}", str(ImageRef.parse(name)))  # as the runner's archives have it
        self.ask("untag", f"localhost/{passing}", f"localhost/{passing}")
        return True

    def _load(self, image: StoredImage, name: str) -> None:
        with self.tools.scratch() as folder, write_archive(image, [name], self.tools.blobs) as archive:
            file = folder / "image.tar"
            with file.open("wb") as out:
                while piece := archive.read(1 << 20):
                    out.write(piece)
            self.tools.progress(f"loading {name} into podman")
            self.told("load", "--quiet", f"--input={file}")

    def run(self, work: Work, stage: Stage, paths: Sequence[str], archive: Path) -> str:
        """Build the last stage, which holds the paths, into a tar; Podman makes images of both stages, which go away."""
        made = work.folder / "image.id"
        said = self._build(work, f"--output=type=tar,dest={archive}", f"--iidfile={made}")
        self._forget(made.read_text(encoding="utf-8").strip())
        for stage_image in _MADE.findall(said)[-1 - len(paths) : -len(paths)]:
            self._keep(stage_image, work.kept)
        return said

    def make(self, work: Work, known: Sequence[Layer]) -> BaseImage:
        """Build into the storage under a name that is taken away again."""
        name = f"localhost/aac/work:{secrets.token_hex(8)}"
        try:
            self._build(work, f"--tag={name}", "--format=docker")  # OCI's format has no health check
            shown = self._shown(name)

            def save(archive: Path) -> None:
                self.told("save", "--quiet", "--format=docker-archive", f"--output={archive}", name)

            return import_image(shown, known, save, "dockerfile" if work.own else "commands", self.tools)
        finally:
            self._forget(name)

    def _build(self, work: Work, *output: str) -> str:
        context = lend_context(work, self.tools)
        flags, values = access_arguments(work, self.tools)
        ignore = work.folder / IGNORE
        if ignore.is_file():
            flags.append(f"--ignorefile={ignore}")
        argv = ["podman", "build", *output, *arguments(work), *flags, str(context)]
        network = self.tools.environment("AAC_BUILD_NETWORK")
        argv[-1:-1] = [f"--network={network}"] if network else []
        said: list[str] = []
        try:
            run_build(work, Command(argv, environment(self.tools, _VARIABLES), values), self.tools, said.append)
        except StepError:
            for left in _MADE.findall("\n".join(said))[-1:]:
                self._forget(left)
            raise
        return "\n".join(said)

    def _shown(self, name: str) -> JsonObject:
        shown = json.loads(self.told("image", "inspect", name).stdout)
        return shown[0] if isinstance(shown, list) and shown and isinstance(shown[0], Mapping) else {}

    def _keep(self, image: str, name: str) -> None:
        """Let ``name`` stand for it, and take away what stood there before; without a name the image goes."""
        before = self.ask("image", "inspect", "--format={{.Id}}", name).stdout.strip() if name else image
        if name:
            self.told("tag", image, name)
        if not name or (before and not before.startswith(image)):
            self._forget(before)

    def _forget(self, name: str) -> None:
        """And those below that nothing else needs; what cleans up must not hide what went wrong."""
        self.ask("rmi", "--force", name)


@hookimpl
def aac_register_builders() -> Sequence[Builder]:
    """Behind ``docker``."""
    return (PodmanBuilder(),)
