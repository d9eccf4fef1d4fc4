"""The template ``python``: a small agent that answers over HTTP, with nothing but the standard library."""

from __future__ import annotations

from collections.abc import Sequence

from aac_plugins.templates.reading import COMMON, template
from aac_tasks.contracts.template import Template
from aac_tasks.hookspecs import hookimpl

FILES = {
    "agent.yaml": "python_files/agent.yaml.txt",
    "main.py": "python_files/main.py.txt",
    **COMMON,
    ".dockerignore": "python_files/dockerignore.txt",
    ".gitignore": "python_files/gitignore.txt",
}


@hookimpl
def aac_register_templates() -> Sequence[Template]:
    """What ``agent init`` starts from when nothing else is asked for."""
    return (template("python", "an HTTP agent that calls a model, standard library only", FILES),)
