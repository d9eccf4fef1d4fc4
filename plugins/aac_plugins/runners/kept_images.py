"""Images that an engine keeps under names of ours: told, and taken away."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from aac_plugins.oci.docker_api import Engine
from aac_plugins.oci.docker_load import inspect
from aac_tasks.contracts.canonical import JsonObject, table
from aac_tasks.contracts.engines import KeptImage
from aac_tasks.contracts.image import StoredImage
from aac_tasks.contracts.running import Probe
from aac_tasks.contracts.tools import Tools


class KeepsImages(ABC):
    """An engine that was given images, and still has them when the store has not."""

    @abstractmethod
    def engine(self, tools: Tools) -> Engine:
        """The engine that new instances get."""

    @abstractmethod
    def probe(self, tools: Tools) -> Probe:
        """Whether there is one."""

    def kept(self, images: Sequence[StoredImage], names: Sequence[str], tools: Tools) -> tuple[KeptImage, ...]:
        """One inspect a name; an image under somebody else's names is not ours to take away."""
        return tuple(self._kept(images, names, tools)) if self.probe(tools).works else ()

    def _kept(self, images: Sequence[StoredImage], names: Sequence[str], tools: Tools) -> Iterator[KeptImage]:
        engine, ids = self.engine(tools), [digest for image in images for digest in image.ids]
        for name in names:
            shown = inspect(engine, name, tools)
            own = str(shown.get("Id"))
            if own in ids and (name not in ids or not shown.get("RepoTags")):
                yield KeptImage(name, tuple(_made_of(engine, own, tools)))

    def forget(self, name: str, tools: Tools, *, force: bool) -> None:
        """The image goes with its last name."""
        self.engine(tools).call(tools, "DELETE", f"/images/{name}", force=str(int(force)))


def _made_of(engine: Engine, image: str, tools: Tools) -> Iterator[str]:
    """Names of containers, also of those that ended. (Podman's filter for that knows no digest, so all are looked at.)"""
    answer = engine.call(tools, "GET", "/containers/json", all="1")
    for container in map(table, answer if isinstance(answer, (list, tuple)) else ()):
        if str(container.get("ImageID")).removeprefix("sha256:") == image.removeprefix("sha256:"):
            yield _name(container)


def _name(container: JsonObject) -> str:
    names = container.get("Names")
    return str(names[0]).lstrip("/") if isinstance(names, (list, tuple)) and names else str(container.get("Id"))[:12]
