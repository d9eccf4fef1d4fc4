"""The actions that make an image. A module of their own: a build after an edit is half over in the time that the classes of
the other actions, which run images, take to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from aac_tasks.contracts.canonical import JsonObject, fingerprint
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest
from aac_tasks.contracts.recipe import Recipe


@dataclass(frozen=True)
class ParseAction:
    """Write the resolved spec (profile applied, canonical spelling) for people and tools."""

    spec: JsonObject


@dataclass(frozen=True)
class LockAction:
    """Resolve what depends on the day. ``builder`` empty means: the first that can build this, decided now.

    ``needs`` says what a builder must be able to do (see `Builder.can_build`); ``toolchain`` is where an engine compiles,
    ``images`` are those of an own Dockerfile, ``services`` those that tests start, by the service's name.
    """

    runtime: str
    base: BaseRequest
    dependencies: DependencyRequest
    platforms: tuple[Platform, ...]
    builder: str = ""
    needs: tuple[str, ...] = ()
    toolchain: BaseRequest | None = None
    images: tuple[BaseRequest, ...] = ()
    services: Mapping[str, BaseRequest] = field(default_factory=dict)

    @cached_property
    def question(self) -> str:
        """What a lock answers: everything asked, but not the builder, which is moved only by name, nor the platforms: a
        lock holds those that were ever asked for, and `--platform` adds one.
        """
        return fingerprint(encode(replace(self, builder="", platforms=())))


@dataclass(frozen=True)
class DockerfileAction:
    """Files to write into the agent's state folder: name → text."""

    files: Mapping[str, str]


def dockerfile_name(platform: Platform, platforms: int) -> str:
    """Of the rendered file in the state folder."""
    return "Dockerfile" if platforms == 1 else f"Dockerfile.{str(platform).replace('/', '-')}"


@dataclass(frozen=True)
class ImageAction:
    """Build one image per recipe (one per platform) and name it ``name`` locally."""

    builder: str
    recipes: tuple[Recipe, ...]
    name: str
