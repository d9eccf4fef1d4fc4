"""What a plugin can be. Each is a small Protocol; methods that take ``tools`` have effects, the others are pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.context import ContextFile as ContextFile
from aac_tasks.contracts.image import Descriptor, Digest, ImageConfig, Layer, Platform, StoredImage
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.recipe import CompiledLayer, Recipe

if TYPE_CHECKING:  # a build knows neither the spec nor running images; making their classes takes longer than a layer
    from aac_tasks.contracts.plan import Facts
    from aac_tasks.contracts.running import ISOLATION as ISOLATION
    from aac_tasks.contracts.running import Deployed as Deployed
    from aac_tasks.contracts.running import Deployer as Deployer
    from aac_tasks.contracts.running import DeployRequest as DeployRequest
    from aac_tasks.contracts.running import Instance as Instance
    from aac_tasks.contracts.running import Probe as Probe
    from aac_tasks.contracts.running import Runner as Runner
    from aac_tasks.contracts.running import RunRequest as RunRequest
    from aac_tasks.contracts.running import Status as Status
    from aac_tasks.contracts.spec import AgentSpec
    from aac_tasks.contracts.tools import Tools

_OF_RUNNING = ("ISOLATION", "Deployed", "Deployer", "DeployRequest", "Instance", "Probe", "Runner", "RunRequest", "Status")


def __getattr__(name: str) -> object:
    """The roles that run images, when one of them is asked for (PEP 562)."""
    if name not in _OF_RUNNING:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aac_tasks.contracts import running

    return getattr(running, name)


@dataclass(frozen=True)
class RuntimePlan:
    """A runtime's answer before anything is locked: which base, which dependencies, how it starts.

    ``problems`` are what stands in the way of an image: (spec path, message) pairs. ``needs`` are what a builder must be
    able to do, see `Builder.can_build`. ``toolchain`` is the image that an engine compiles in, for languages that compile.
    ``images`` are those that an own Dockerfile names, to be pinned too.
    """

    base: BaseRequest
    dependencies: DependencyRequest = DependencyRequest()
    entrypoint: tuple[str, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    needs: tuple[str, ...] = ()
    toolchain: BaseRequest | None = None
    images: tuple[BaseRequest, ...] = ()


class Runtime(Protocol):
    """How a language becomes a recipe.

    ``settings_schema`` (JSON Schema or None) is mounted at ``spec.config.<name>`` of agent.yaml.
    """

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

    @property
    def settings_schema(self) -> JsonObject | None:
        """JSON Schema of its own settings, or None."""
        ...

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


class Follower(Runtime, Protocol):
    """A runtime whose files name others that it must know."""

    def follows(self, spec: AgentSpec, facts: Facts) -> tuple[str, ...]:
        """Files that those in ``facts`` speak of, with ``*`` and ``?`` where many are meant; asked until none is new."""
        ...


@dataclass(frozen=True)
class Compilation:
    """What to compile. ``sources`` is a copy of the build context that belongs to this agent and is kept between builds:
    files that did not change keep their times, and what a tool left there last time (``target/``) is still there.
    """

    layer: CompiledLayer
    base: LockedBase
    platform: Platform
    sources: Path


class Compiler(Runtime, Protocol):
    """A runtime whose recipes have a `CompiledLayer`."""

    def compile(self, compilation: Compilation, into: Path, tools: Tools) -> None:
        """Compile with the host's tools into ``into``, the image's root for this layer: same input, same bytes, everywhere.

        Raises:
            StepError: a tool is missing or has another version than the lock says, or the code does not compile.
        """
        ...


@dataclass(frozen=True)
class BaseImage:
    """The first layers, as blobs that are in the store, with the configuration they bring."""

    layers: tuple[Layer, ...]
    config: ImageConfig = ImageConfig()


class Base(Protocol):
    """Where the first layers come from."""

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

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


class LocalBase(Base, Protocol):
    """A base that lies on this machine alone: for an image that another one builds, its blobs travel."""

    def holdings(self, locked: LockedBase, tools: Tools) -> Sequence[Descriptor]:
        """Every blob of the image, brought into the store: manifest, configuration, layers."""
        ...


class Pinning(Base, Protocol):
    """A base whose names may stand in an own Dockerfile, and behind a service."""

    def pin(self, reference: str, tools: Tools, hint: str = "") -> str:
        """The name with its tag's digest, so that it stays what it is now, on any platform; StepError with ``hint`` if none."""
        ...

    def pinned(self, name: str, platform: Platform, tools: Tools) -> StoredImage:
        """The image that such a name with a digest stands for, in the blob store; what is there already is not fetched again."""
        ...


@dataclass(frozen=True)
class BuildRequest:
    """Everything a builder needs. ``base`` and ``install`` are lent by the step, so builders know no other plugin.

    ``install(into)`` fills a folder with the dependency layer, ``compile(layer, into)`` with a compiled one; ``context``
    is sorted by path. The rest is for builders with an engine: ``folder`` is the context's root, ``dockerfile`` the rendered
    text, ``fetch_base`` brings the base that a stage starts from, ``fetch(runtime, locked)`` brings locked files into the store,
    ``settings(runtime)`` are the user's for its tools (`SettingsRuntime`).
    """

    recipe: Recipe
    context: tuple[ContextFile, ...]
    folder: Path
    dockerfile: str
    base: Callable[[], BaseImage]
    install: Callable[[Path], None]
    compile: Callable[[CompiledLayer, Path], None]
    no_cache: bool = False
    fetch_base: Callable[[LockedBase], BaseImage] | None = None
    fetch: Callable[[str, LockedDependencies], None] | None = None
    settings: Callable[[str], Mapping[str, str]] | None = None


class Builder(Protocol):
    """Recipe → image. ``format`` is raised when the same recipe would give other bytes."""

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

    @property
    def format(self) -> int:
        """Raised when the same input would give other bytes."""
        ...

    @property
    def uses_toolchain(self) -> bool:
        """Whether it compiles in a toolchain image, and not with the host's tools."""
        ...

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Empty when it can, else the reason why not.

        Needs: ``commands`` (RUN in the image), ``dockerfile`` (the author's own), ``system-packages`` (on a base without
        Debian's index), ``tool:NAME`` (a program that compiles: the host's, or the toolchain image's).
        """
        ...

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build; every blob of the answer is in the blob store, digests read back from what was written."""
        ...


@dataclass(frozen=True)
class Pushed:
    """What the registry holds now, read back. ``sent`` counts bytes of blobs that had to travel."""

    ref: str
    digest: Digest
    sent: int = 0


class Registry(Protocol):
    """Where images go and come from. ``settings_schema`` (JSON Schema or None) is mounted at ``spec.image.<name>``."""

    @property
    def name(self) -> str:
        """What agent.yaml and tables call it."""
        ...

    @property
    def settings_schema(self) -> JsonObject | None:
        """JSON Schema of its own settings, or None."""
        ...

    def accepts(self, reference: str) -> bool:
        """Whether ``reference`` (``image.registry`` joined with repository and tag) is this plugin's."""
        ...

    def push(self, image: StoredImage, reference: str, tools: Tools, settings: JsonObject | None = None) -> Pushed:
        """Send what is missing, set the tag, read its digest back; StepError unless it is the image's.

        ``settings`` are those of ``spec.image.<name>``.
        """
        ...

    def resolve(self, reference: str, tools: Tools) -> Digest | None:
        """The digest a tag has now, None when there is no such tag."""
        ...

    def pull(self, reference: str, platform: Platform, tools: Tools) -> StoredImage:
        """Bring an image's blobs into the blob store, each verified."""
        ...


class IndexRegistry(Registry, Protocol):
    """A registry that also takes images of several platforms behind one name."""

    def push_index(self, index: Descriptor, images: Sequence[StoredImage], reference: str, tools: Tools) -> Pushed:
        """Send each image and then the index (its bytes are in the blob store), set the tag, read its digest back."""
        ...


class Archive(IndexRegistry, Protocol):
    """A registry in a file: ``pull`` also takes a reference without a name, where there is one image."""

    def pull_all(self, reference: str, tools: Tools) -> tuple[StoredImage, ...]:
        """As ``pull``, for every platform that it has."""
        ...

    def names(self, reference: str, tools: Tools) -> tuple[str, ...]:
        """The names that images have in it."""
        ...
