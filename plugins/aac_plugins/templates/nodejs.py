"""The template ``nodejs``: the same small agent in JavaScript, with nothing but what Node.js brings."""

from __future__ import annotations

from collections.abc import Sequence

from aac_plugins.templates.reading import COMMON, template
from aac_tasks.contracts.template import Template
from aac_tasks.hookspecs import hookimpl

FILES = {
    "agent.yaml": "nodejs_files/agent.yaml.txt",
    "index.js": "nodejs_files/index.js.txt",
    "package.json": "nodejs_files/package.json.txt",
    **COMMON,
    ".dockerignore": "nodejs_files/dockerignore.txt",
    ".gitignore": "nodejs_files/gitignore.txt",
}


@hookimpl
def aac_register_templates() -> Sequence[Template]:
    """``agent init --template nodejs``."""
    return (template("nodejs", "an HTTP agent that calls a model, in JavaScript without dependencies", FILES),)
