"""One fixed recipe, built in a folder of its own; other Pythons run it too, with little installed.

``python tiny_image.py FOLDER forward|backward`` prints the manifest's digest.
"""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from aac_plugins.builders.embedded import EmbeddedBuilder
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import HealthProbe, ImageConfig, Platform, StoredImage
from aac_tasks.contracts.lock import LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import ApplicationLayer, CompiledLayer, DependencyLayer, FileLayer, Recipe, Stage
from aac_tasks.contracts.roles import BaseImage, BuildRequest, ContextFile
from aac_tasks.contracts.tools import Tools
from aac_tasks.state.blobs import Blobs

CONTEXT = {
    "main.py": "print('hello')\n",
    "lib/naïve.py": "x = 1\n",
    f"{'long/' * 30}f": "deep\n",
    "run.sh": "#!/x\n",
}
INSTALLED = {
    "opt/agent/bin/tool": "#!/usr/bin/python3\n",
    "opt/agent/lib/a.py": "y = 2\n",
    "opt/agent/lib/big": "z" * (3 << 20),
}
BASE = ImageConfig(
    env=("PATH=/usr/bin", "LANG=C.UTF-8"),
    cmd=("sh",),
    exposed_ports=("9/tcp",),
    labels={"base": "1", "x": "b"},
)
RECIPE = Recipe(
    name="tiny",
    platform=Platform(),
    base=LockedBase("test", "test:1", Platform(), digest=f"sha256:{'0' * 64}"),
    layers=(
        DependencyLayer(
            runtime="test",
            runtime_version="1",
            locked=LockedDependencies((LockedFile("a", "1", "https://example.org/a", "0" * 64, 1),)),
            paths=("/opt/agent",),
            stage=Stage("deps", ()),
        ),
        FileLayer({"/etc/agent/config.json": "{}\n"}),
        ApplicationLayer(),
    ),
    env={"PATH": "/opt/agent/bin:/usr/bin", "Z": "1", "AGENT": "tiny"},
    entrypoint=("/usr/bin/python3", "/app/main.py"),
    ports=("8080",),
    probe=HealthProbe("http", port=8080, command=("/usr/bin/python3", "-c", "probe"), interval=0.5),
    labels={"x": "ours"},
    annotations={"org.opencontainers.image.title": "tiny"},
    created=1700000000,
)


@dataclass
class Yard:
    """A folder to build in, and the tools that the builder uses."""

    folder: Path

    def __post_init__(self) -> None:
        self.blobs = Blobs(self.folder / "store")
        self.installs = 0
        self.compiled = 0

    @property
    def tools(self) -> Tools:
        return cast(Tools, self)

    def scratch(self) -> contextlib.AbstractContextManager[Path]:
        return self.blobs.scratch()

    def progress(self, text: str, done: int = 0, total: int = 0) -> None:
        pass

    def base(self) -> BaseImage:
        with self.scratch() as scratch:
            entries = [Entry("usr/bin/python3", "file", 0o755, data=b"elf"), Entry("tmp", "dir", 0o1777)]
            layer = write_layer(entries, self.blobs, scratch, name="base", created=0)
        return BaseImage((layer,), BASE)

    def install(self, into: Path) -> None:
        self.installs += 1
        write_files(into, INSTALLED, ("opt/agent/bin/tool",), sorted)
        (into / "opt/agent/lib/__pycache__").mkdir()
        (into / "opt/agent/lib/__pycache__/a.cpython-3.pyc").write_bytes(b"\0")
        (into / "opt/agent/lib/b.pyc").write_bytes(b"\0")
        (into / "opt/agent/python").symlink_to("/usr/bin/python3")
        (into / "opt/agent/same").symlink_to("lib/a.py")

    def compile(self, layer: CompiledLayer, into: Path) -> None:
        self.compiled += 1
        write_files(into, {f"app/{layer.settings['name']}": "program"}, (f"app/{layer.settings['name']}",), sorted)

    def request(self, recipe: Recipe = RECIPE, context: Sequence[ContextFile] | None = None) -> BuildRequest:
        files = self.context(sorted) if context is None else tuple(context)
        return BuildRequest(recipe, files, self.folder / "context", "", self.base, self.install, self.compile)

    def context(self, order: Callable[[Iterator[str]], list[str]]) -> tuple[ContextFile, ...]:
        root = self.folder / "context"
        if not root.exists():
            write_files(root, CONTEXT, ("run.sh",), order)
            (root / "link").symlink_to("lib/naïve.py")
            (root / "empty").mkdir()
        files = [context_file(root, path) for path in (*CONTEXT, "link", "empty")]
        return tuple(sorted(files, key=lambda f: f.path))


def context_file(root: Path, path: str) -> ContextFile:
    source = root / path
    if source.is_symlink():
        return ContextFile(path, "link", source, target=str(source.readlink()))
    if source.is_dir():
        return ContextFile(path, "dir", source)
    data = source.read_bytes()
    executable = bool(source.stat().st_mode & 0o100)
    return ContextFile(path, "file", source, executable, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def write_files(
    root: Path, files: dict[str, str], executables: Sequence[str], order: Callable[[Iterator[str]], list[str]]
) -> None:
    for path in order(iter(files)):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path], encoding="utf-8")
        if path in executables:
            (root / path).chmod((root / path).stat().st_mode | 0o100)


def build(yard: Yard, recipe: Recipe = RECIPE) -> StoredImage:
    return EmbeddedBuilder().build(yard.request(recipe), yard.tools)


def relabelled(recipe: Recipe = RECIPE) -> Recipe:
    return replace(recipe, labels={"other": "label"}, annotations={}, created=recipe.created + 1)


def main(folder: str, order: str) -> None:
    yard = Yard(Path(folder))
    yard.context(lambda names: sorted(names, reverse=order == "backward"))
    print(build(yard).manifest.digest)


if __name__ == "__main__":
    main(*sys.argv[1:])
