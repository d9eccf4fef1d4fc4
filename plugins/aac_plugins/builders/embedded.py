"""Builder ``embedded``: recipe → OCI image without daemon, root or Dockerfile. Dependencies are installed and sources
compiled by the host's own tools; the rest is `assembly`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.builders.assembly import FORMAT, Commanded, Installed, assemble
from aac_plugins.oci.sources import installed_entries
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.recipe import DependencyLayer
from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from aac_plugins.oci.layer import Entry
    from aac_tasks.contracts.image import StoredImage
    from aac_tasks.contracts.roles import BaseImage, Builder, BuildRequest
    from aac_tasks.contracts.tools import Tools

_REASONS = {
    "commands": "the recipe runs commands in the image (RUN); use --builder docker",
    "dockerfile": "build.dockerfile is the author's own Dockerfile; use --builder docker",
    "system-packages": "build.systemPackages on a registry image needs RUN; use --builder docker",
}


class EmbeddedBuilder:
    """See the module."""

    name: str = "embedded"
    format: int = FORMAT
    uses_toolchain: bool = False

    def can_build(self, recipe_needs: frozenset[str], tools: Tools) -> str:
        """Everything that runs no command inside the image, with the host's tools for what is compiled."""
        for need in sorted(recipe_needs):
            kind, _, program = need.partition(":")
            if kind != "tool":
                return _REASONS.get(need, f"the recipe needs {need}; use --builder docker")
            if tools.which(program) is None:
                return f"{program} is not installed; install it, or use --builder docker"
        return ""

    def build(self, request: BuildRequest, tools: Tools) -> StoredImage:
        """Build, or put together from what the store remembers."""
        return assemble(self, request, tools)

    def key(self, layer: Installed, request: BuildRequest) -> JsonObject:
        """Nothing of its own: versions of the host's tools are locked."""
        return {}

    def entries(self, layer: Installed, request: BuildRequest, folder: Path, tools: Tools) -> Sequence[Entry]:
        """Ask the runtime to fill a folder."""
        root = folder / "root"
        root.mkdir()
        if isinstance(layer, DependencyLayer):
            request.install(root)
        else:
            request.compile(layer, root)
        return installed_entries(root)

    def grow(self, layer: Commanded, image: BaseImage, request: BuildRequest, tools: Tools) -> BaseImage:
        """There is nothing here that runs commands in an image."""
        raise StepError(_REASONS[layer.kind])


@hookimpl
def aac_register_builders() -> Sequence[Builder]:
    """The one that needs nothing."""
    return (EmbeddedBuilder(),)
