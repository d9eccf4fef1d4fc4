"""Builder ``docker``: what needs commands is done by a Docker engine: BuildKit through ``docker buildx``, else its classic
endpoint. The image is put together here, as the embedded builder does.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.builders.assembly import FORMAT
from aac_plugins.builders.commandline import Command, access_arguments, arguments, environment, lend_context, run_build, spoken
from aac_plugins.builders.docker_images import forget, taken
from aac_plugins.builders.engine import EngineMaker, Executor
from aac_plugins.builders.stages import CONTEXTS, Dialect, Work
from aac_plugins.oci.docker_api import PROBE_SECONDS, Engine, answering, context_name, engine_at, engine_of
from aac_plugins.oci.docker_load import inspect, load_image
from aac_tasks.contracts.result import Artifact
from aac_tasks.contracts.tools import Process
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from aac_tasks.contracts.engines import Checked, Errand
    from aac_tasks.contracts.image import Layer, StoredImage
    from aac_tasks.contracts.recipe import Recipe, Stage
    from aac_tasks.contracts.roles import BaseImage, Builder, BuildRequest
    from aac_tasks.contracts.tools import Completed, Tools

_VARIABLES = (
    "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "DOCKER_API_VERSION",
)  # fmt: skip
OLDEST = (1, 41)
"""The engine API that an engine must speak: Docker 20.10."""


class DockerBuilder:
    """See the module."""

    name: str = "docker"
    format: int = FORMAT
    uses_toolchain: bool = True

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Everything, with an engine that answers within a fifth of a second."""
        try:
            answering(tools, OLDEST)
        except StepError as error:
            return error.message
        return ""

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build, or put together from what the store remembers, without asking the engine."""
        return EngineMaker(self.name, connect).build(request, tools)

    def errand(self, errand: Errand, into: Path, tools: Tools) -> str:
        """Run a stage for what it says and makes."""
        return EngineMaker(self.name, connect).errand(errand, into, tools)

    def check(self, recipe: Recipe, dockerfile: str, tools: Tools) -> Checked:
        """BuildKit's own rules, where it has them."""
        from aac_plugins.builders.docker_check import NOT_CHECKED, check  # lazy: a build checks nothing

        executor = connect(tools)
        return check(recipe, dockerfile, executor.env, tools) if isinstance(executor, BuildKit) else NOT_CHECKED

    def load(self, image: StoredImage, name: str, tools: Tools) -> Artifact:
        """Only the layers that the engine lacks travel."""
        engine = engine_of(tools)
        loaded = load_image(engine, image, [name], tools)
        return Artifact("loaded", name, loaded.id, engine.host, data={"builder": self.name})

    def holds(self, artifact: Artifact, tools: Tools) -> str:
        """One inspect by reference; an engine that is silent counts as one that lacks the image."""
        try:
            known = inspect(engine_at(artifact.where), artifact.name, tools, timeout=PROBE_SECONDS)
        except StepError as error:
            return f"{artifact.name} can't be asked for: {error.message}"
        if not known:
            return f"{artifact.name} is gone from the engine"
        return "" if known.get("Id") == artifact.digest else f"{artifact.name} is another image in the engine"


def connect(tools: Tools) -> Executor:
    """BuildKit where the docker command has it, else the classic endpoint."""
    try:
        engine = answering(tools, OLDEST)
    except StepError as error:
        hint = "start it, set DOCKER_HOST, or build with another: `agent lock --builder NAME`"
        raise StepError(f"builder docker: {error.message}", hint=hint) from error
    if _has_buildx(engine, tools):
        return BuildKit(engine, tools)
    from aac_plugins.builders.classic import Classic  # lazy: few engines lack BuildKit

    return Classic(engine, tools)


def _has_buildx(engine: Engine, tools: Tools) -> bool:
    if tools.which("docker") is None:
        return False
    env = {**environment(tools, _VARIABLES), "DOCKER_HOST": engine.host}
    return tools.run(Process(("docker", "buildx", "version"), env=env, timeout=20.0)).exit_code == 0


@dataclass(frozen=True)
class BuildKit:
    """The engine's own BuildKit, driven by ``docker buildx build``: builders of another driver don't see lent images."""

    engine: Engine
    tools: Tools
    dialect: Dialect = CONTEXTS

    def lend(self, image: StoredImage, name: str) -> None:
        """Load it, unless it is there."""
        load_image(self.engine, image, [name], self.tools)

    def run(self, work: Work, stage: Stage, paths: Sequence[str], archive: Path) -> str:
        """Build the last stage, which holds the paths, into a tar."""
        done = self._build(work, f"--output=type=tar,dest={archive}")
        return spoken(f"{done.stdout}\n{done.stderr}")

    def make(self, work: Work, known: Sequence[Layer]) -> BaseImage:
        """Build into the engine under a name that is taken away again."""
        name = f"localhost/aac/work:{secrets.token_hex(8)}"
        try:
            self._build(work, f"--tag={name}")
            return taken(self.engine, name, known, work, self.tools)
        finally:
            forget(self.engine, name, self.tools)

    def _build(self, work: Work, output: str) -> Completed:
        context = lend_context(work, self.tools)
        flags, values = access_arguments(work, self.tools)
        argv = ["docker", "buildx", "build", "--progress=plain", output, *arguments(work), *flags, *self._caches(), str(context)]
        network = self.tools.environment("AAC_BUILD_NETWORK")
        argv[-1:-1] = [f"--network={network}"] if network else []
        return run_build(work, Command(argv, self.env, values), self.tools)

    @property
    def env(self) -> dict[str, str]:
        """What ``docker buildx`` sees of the user's environment."""
        env = environment(self.tools, _VARIABLES)
        # An attestation would make every build another image; variables are understood by older versions than flags.
        return env | {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1", "BUILDX_BUILDER": context_name(self.tools) or "default"}

    def _caches(self) -> list[str]:
        if "type=inline" in (self.tools.environment("AAC_BUILD_CACHE_TO") or ""):
            hint = "write it to a registry: type=registry,ref=HOST/NAME,mode=max"
            raise StepError("AAC_BUILD_CACHE_TO: type=inline lies in BuildKit's own image, which is not kept", hint=hint)
        flags = (("--cache-from", "AAC_BUILD_CACHE_FROM"), ("--cache-to", "AAC_BUILD_CACHE_TO"))
        return [f"{flag}={value}" for flag, name in flags for value in (self.tools.environment(name) or "").split()]


@hookimpl
def aac_register_builders() -> Sequence[Builder]:
    """Behind ``embedded``: nothing changes for who has an engine."""
    return (DockerBuilder(),)
