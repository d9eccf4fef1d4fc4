"""The template ``python``: a small agent that answers over HTTP, with nothing but the standard library.

Its files lie in ``python_files`` as they will be written; ``{name}`` in them becomes the agent's name.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence

from aac_tasks.contracts.template import Template
from aac_tasks.hookspecs import hookimpl

FILES = {
    "agent.yaml": "agent.yaml.txt",
    "main.py": "main.py.txt",
    "README.md": "README.md.txt",
    "dodo.py": "dodo.py.txt",
    ".dockerignore": "dockerignore.txt",
    ".gitignore": "gitignore.txt",
}
"""Where it is written → where it lies. As texts: nothing here is a module of ours, and no build tool loses a hidden file."""


@hookimpl
def aac_register_templates() -> Sequence[Template]:
    """What ``agent init`` starts from when nothing else is asked for."""
    folder = importlib.resources.files("aac_plugins.templates").joinpath("python_files")
    files = {target: folder.joinpath(source).read_text("utf-8") for target, source in FILES.items()}
    return (Template("python", "an HTTP agent that calls a model, standard library only", files),)
