"""Base ``scratch``: nothing at all, for programs that bring everything they need."""

from __future__ import annotations

from collections.abc import Sequence

from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, LockedBase
from aac_tasks.contracts.roles import Base, BaseImage
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


class ScratchBase:
    """An image without base layers, called ``scratch`` as in a Dockerfile."""

    name = "scratch"

    def accepts(self, reference: str) -> bool:
        """Only the word itself."""
        return reference == self.name

    def resolve(self, request: BaseRequest, platform: Platform, tools: Tools) -> LockedBase:
        """Nothing to pin; StepError when packages or an interpreter are asked for."""
        if request.packages:
            raise StepError(
                f"base scratch is empty and can't hold the packages {', '.join(request.packages)}",
                hint="use a base with packages, such as spec.build.baseImage: debian:trixie",
            )
        if request.runtime:
            raise StepError(
                f"base scratch has no {request.runtime} in it",
                hint="leave spec.build.baseImage out, or name an image that has it",
            )
        return LockedBase(base=self.name, reference=self.name, platform=platform)

    def fetch(self, locked: LockedBase, tools: Tools) -> BaseImage:
        """No layers."""
        return BaseImage(())

    def dockerfile_from(self, locked: LockedBase) -> str:
        """Docker's own word for it."""
        return self.name


@hookimpl
def aac_register_bases() -> Sequence[Base]:
    """The empty base."""
    return (ScratchBase(),)
