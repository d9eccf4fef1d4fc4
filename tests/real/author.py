"""What an author may have written: an agent.yaml with numbers in it, and a few files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NAMES = ("run", "data/a", "data/b")
ALWAYS = {"dodo.py": "from aac_tasks.dodo import *\n", "pyproject.toml": '[tool.aac]\nrunner = "paper"\n'}

AGENT = """apiVersion: agent.dev/v1
kind: Agent  # {comment}
metadata: {{name: hello, description: d{description}}}
spec:
  runtime: paper
  model: {{provider: openai, name: m}}
  config: {{value: {config}}}
  resources: {{limits: {{memory: {memory}Mi}}}}
  tests: [{{type: structure, name: files, files: [{{path: /app/run}}], maxSize: {check}MB}}]
"""


@dataclass(frozen=True)
class Tree:
    """What the author wrote: numbers of agent.yaml, and files (``f0`` plain with content 0, ``x1`` executable, ``lrun`` link)."""

    yaml: tuple[tuple[str, int], ...] = (("check", 1), ("comment", 0), ("config", 0), ("description", 0), ("memory", 64))
    files: tuple[tuple[str, str], ...] = (("run", "x0"),)

    def of(self, *names: str) -> object:
        return tuple(v for k, v in self.yaml if k in names)

    def inputs(self, kind: str) -> object:
        """What the step depends on, said independently of any key."""
        return {
            "parse": self.of("check", "config", "description", "memory"),
            "lock": (),
            "dockerfile": self.of("config", "description"),
            "image": (self.of("config", "description"), self.files),
            "test": (self.of("check", "config"), self.files),
        }[kind]

    def with_value(self, name: str, value: int) -> Tree:
        return Tree(tuple(sorted({**dict(self.yaml), name: value}.items())), self.files)

    def with_file(self, name: str, what: str | None) -> Tree:
        files = {**dict(self.files), name: what}
        return Tree(self.yaml, tuple(sorted((k, v) for k, v in files.items() if v)))


def put(folder: Path, tree: Tree) -> None:
    """Write a whole tree."""
    folder.mkdir(parents=True)
    for name, text in {**ALWAYS, "agent.yaml": AGENT.format(**dict(tree.yaml))}.items():
        (folder / name).write_text(text)
    for name, what in tree.files:
        put_file(folder / name, what)


def put_file(path: Path, what: str | None) -> None:
    """Make a file what it is said to be; nothing of what was there is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if what is None:
        if path.parent.name == "data" and not os.listdir(path.parent):  # noqa: PTH208  # a folder without files would be one more entry
            path.parent.rmdir()
    elif what[0] == "l":
        path.symlink_to(what[1:])
    else:
        path.write_text(what[1:])
        path.chmod(0o755 if what[0] == "x" else 0o644)
