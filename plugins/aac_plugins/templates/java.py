"""The template ``java``: a small agent that answers over HTTP, built by Maven, with one library.

Its files lie in ``java_files`` as they will be written; ``{name}`` in them becomes the agent's name.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence

from aac_tasks.contracts.template import Template
from aac_tasks.hookspecs import hookimpl

FILES = {
    "agent.yaml": "agent.yaml.txt",
    "pom.xml": "pom.xml.txt",
    "src/main/java/Main.java": "Main.java.txt",
    "README.md": "README.md.txt",
    "dodo.py": "dodo.py.txt",
    ".dockerignore": "dockerignore.txt",
    ".gitignore": "gitignore.txt",
}
"""Where it is written → where it lies."""


@hookimpl
def aac_register_templates() -> Sequence[Template]:
    """``agent init NAME --template java``."""
    folder = importlib.resources.files("aac_plugins.templates").joinpath("java_files")
    files = {target: folder.joinpath(source).read_text("utf-8") for target, source in FILES.items()}
    return (Template("java", "an HTTP agent that calls a model, in Java with Maven", files),)
