"""What a plugin can be. Each is a small Protocol; methods that take ``tools`` have effects, the others are pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from aac_tasks.contracts.actions import DeployAction, InstanceSpec
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.context import ContextFile as ContextFile
from aac_tasks.contracts.image import Digest, ImageConfig, Layer, Platform, StoredImage
from aac_tasks.contracts.lock import (
    BaseRequest,
    DependencyRequest,
    LockedBase,
    LockedDependencies,
    LockedPlatform,
)
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import Recipe
from aac_tasks.contracts.result import Artifact
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.contracts.tools import Tools


@dataclass(frozen=True)
class RuntimePlan:
    """A runtime's answer before anything is locked: which base, which dependencies, how it starts.

    ``problems`` are what stands in the way of an image: (spec path, message) pairs.
    """

    base: BaseRequest
    dependencies: DependencyRequest = DependencyRequest()
    entrypoint: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


class Runtime(Protocol):
    """How a language becomes a recipe.

    ``settings_schema`` (JSON Schema or None) is mounted at ``spec.config.<name>`` of agent.yaml.
    """

    name: str
    settings_schema: JsonObject | None

    def wants(self, spec: AgentSpec) -> tuple[str, ...]:
        """Names of files in the agent's folder whose content ``plan`` and ``recipe`` need (absent ones are fine)."""
        ...

    def plan(self, spec: AgentSpec, facts: Facts) -> RuntimePlan:
        """What to lock. Pure: knows only what ``wants`` named."""
        ...

    def recipe(self, spec: AgentSpec, facts: Facts, locked: LockedPlatform) -> Recipe:
        """The image for one platform: base, dependency layers, application layer, entrypoint, language-native probe.

        Labels, annotations, user, ports, environment of agent.yaml and ``created`` are filled in by the compiler.
        """
        ...

    def resolve(self, request: DependencyRequest, base: LockedBase, tools: Tools) -> LockedDependencies:
        """Pin every dependency with URL and hash, for the base's platform and runtime version."""
        ...

    def install(self, locked: LockedDependencies, base: LockedBase, into: Path, tools: Tools) -> None:
        """Install into ``into``, which becomes the image's root for this layer: same input, same bytes, everywhere."""
        ...


@dataclass(frozen=True)
class BaseImage:
    """The first layers, as blobs that are in the store, with the configuration they bring."""

    layers: tuple[Layer, ...]
    config: ImageConfig = ImageConfig()


class Base(Protocol):
    """Where the first layers come from."""

    name: str

    def accepts(self, reference: str) -> bool:
        """Whether ``build.baseImage: reference`` is in this plugin's notation (``registry`` takes what nobody else does)."""
        ...

    def resolve(self, request: BaseRequest, platform: Platform, tools: Tools) -> LockedBase:
        """Pin it by digest, or by URL + SHA-256 per package; a version that is not there is refused naming those there are."""
        ...

    def fetch(self, locked: LockedBase, tools: Tools) -> BaseImage:
        """Bring its layers into the blob store, verified; what is there already is not fetched again."""
        ...

    def dockerfile_from(self, locked: LockedBase) -> str:
        """What follows FROM in a Dockerfile."""
        ...


@dataclass(frozen=True)
class BuildRequest:
    """Everything a builder needs. ``base`` and ``install`` are lent by the step, so builders know no other plugin.

    ``install(into)`` fills a folder with the dependency layer; ``context`` is sorted by path;
    ``dockerfile`` is the rendered text and ``folder`` the context's root, for builders with an engine.
    """

    recipe: Recipe
    context: tuple[ContextFile, ...]
    folder: Path
    dockerfile: str
    base: Callable[[], BaseImage]
    install: Callable[[Path], None]
    no_cache: bool = False


class Builder(Protocol):
    """Recipe → image. ``format`` is raised when the same recipe would give other bytes."""

    name: str
    format: int

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Empty when it can, else the reason why not. Needs: ``commands``, ``dockerfile``, ``system-packages`` …."""
        ...

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build; every blob of the answer is in the blob store, digests read back from what was written."""
        ...


@dataclass(frozen=True)
class Probe:
    """Whether a runner works here, found out by doing. ``isolation`` is one of ``ISOLATION``, strongest first."""

    works: bool
    isolation: str = ""
    version: str = ""
    reason: str = ""


ISOLATION = ("engine", "container", "namespace", "process")
"""docker and podman; crun and runc; a user namespace with chroot; only a process with limits (``host``)."""


@dataclass(frozen=True)
class RunRequest:
    """An image to start. ``env`` holds resolved values (secrets included: never logged, never stored).

    ``ports`` maps container port → host port (0: choose a free one). ``state`` is an empty folder for the instance's
    own files; it lives as long as the instance. ``log`` receives stdout and stderr. ``detach``: outlives this process.
    """

    image: StoredImage
    config: ImageConfig
    instance: InstanceSpec
    env: Mapping[str, str]
    state: Path
    log: Path
    detach: bool = False
    interactive: bool = False


@dataclass(frozen=True)
class Instance:
    """A running image: JSON in, JSON out, so that it is found again after a crash or tomorrow.

    ``ports`` maps ``8080/tcp`` → host port on ``address``. ``handle`` belongs to the runner.
    """

    runner: str
    name: str
    image: Digest
    ports: Mapping[str, int] = field(default_factory=dict)
    address: str = "127.0.0.1"
    handle: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Status:
    """``state`` is ``running``, ``exited`` or ``gone``; ``exit_code`` only when it exited and that is known."""

    state: str
    exit_code: int | None = None
    started: str = ""


class Runner(Protocol):
    """Image → running instance, for test, run and local deploys."""

    name: str

    def probe(self, tools: Tools) -> Probe:
        """Try it, within 200 ms."""
        ...

    def start(self, request: RunRequest, tools: Tools) -> Instance:
        """Start it and return at once; StepError, with nothing left behind, when it can't be started."""
        ...

    def status(self, instance: Instance, tools: Tools) -> Status:
        """Is that very instance running?"""
        ...

    def execute(
        self, instance: Instance, argv: tuple[str, ...], tools: Tools, *, timeout: float = 30.0
    ) -> tuple[int, str]:
        """Run a program inside; exit code and combined output."""
        ...

    def stop(self, instance: Instance, tools: Tools, *, grace: float = 10.0) -> None:
        """End it and remove what it left; nothing happens when it is gone already."""
        ...

    def signal(self, instance: Instance, number: int, tools: Tools) -> None:
        """Send it a signal."""
        ...


@dataclass(frozen=True)
class Pushed:
    """What the registry holds now, read back. ``sent`` counts bytes of blobs that had to travel."""

    ref: str
    digest: Digest
    sent: int = 0


class Registry(Protocol):
    """Where images go and come from. ``settings_schema`` (JSON Schema or None) is mounted at ``spec.image.<name>``."""

    name: str
    settings_schema: JsonObject | None

    def accepts(self, reference: str) -> bool:
        """Whether ``reference`` (``image.registry`` joined with repository and tag) is this plugin's."""
        ...

    def push(self, image: StoredImage, reference: str, tools: Tools) -> Pushed:
        """Send what is missing, set the tag, read its digest back; StepError unless it is the image's."""
        ...

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        """The digest a tag has now, None when there is no such tag."""
        ...

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        """Bring an image's blobs into the blob store, each verified."""
        ...


@dataclass(frozen=True)
class DeployRequest:
    """What a deployer gets: the action, the image, the chosen runner, and what it said it deployed last time.

    ``start(detach log ..)`` style effects go through ``runner``; ``resolve_env`` turns the instance's env into values.
    """

    action: DeployAction
    image: StoredImage
    config: ImageConfig
    runner: Runner | None
    resolve_env: Callable[[InstanceSpec], Mapping[str, str]]
    previous: JsonObject
    lock: AbstractContextManager[object] | None = None


@dataclass(frozen=True)
class Deployed:
    """``url`` is where it answers; ``data`` is kept and given back as ``previous``, to ``status``, ``logs`` and ``remove``."""

    url: str
    data: JsonObject
    artifacts: tuple[Artifact, ...] = ()


class Deployer(Protocol):
    """Where agents run. ``pulls``: the target fetches the image from a registry, so ``deploy`` needs ``push``.

    ``settings_schema`` (JSON Schema or None) is mounted at ``spec.deploy.<name>``.
    """

    name: str
    format: int
    pulls: bool
    settings_schema: JsonObject | None

    def deploy(self, request: DeployRequest, tools: Tools) -> Deployed:
        """Replace what ran by this image once it is well; when it never becomes well, what ran before still runs."""
        ...

    def status(self, data: JsonObject, tools: Tools) -> Status:
        """What runs now."""
        ...

    def logs(self, data: JsonObject, tools: Tools) -> IO[bytes]:
        """What it wrote, oldest first."""
        ...

    def remove(self, data: JsonObject, tools: Tools) -> None:
        """Stop it and remove what the target keeps of it."""
        ...
