"""The templates ``go`` and ``rust``: small agents that answer over HTTP and call a model.

Their files lie in ``go_files`` and ``rust_files`` as they will be written; ``{name}`` in them becomes the agent's name.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping, Sequence

from aac_tasks.contracts.template import Template
from aac_tasks.hookspecs import hookimpl

BOTH = {"agent.yaml": "agent.yaml.txt", "README.md": "README.md.txt", ".gitignore": "gitignore.txt"}
GO = {**BOTH, "main.go": "main.go.txt", "go.mod": "go.mod.txt"}
RUST = {**BOTH, "src/main.rs": "main.rs.txt", "Cargo.toml": "Cargo.toml.txt"}
"""Where it is written → where it lies."""


@hookimpl
def aac_register_templates() -> Sequence[Template]:
    """``agent init --template go`` and ``rust``."""
    return (
        _template("go", "an HTTP agent that calls a model, standard library only", GO),
        _template("rust", "an HTTP agent that calls a model", RUST),
    )


def _template(name: str, summary: str, files: Mapping[str, str]) -> Template:
    folder = importlib.resources.files("aac_plugins.templates")
    texts = {target: folder.joinpath(f"{name}_files").joinpath(source).read_text("utf-8") for target, source in files.items()}
    dodo = folder.joinpath("python_files").joinpath("dodo.py.txt").read_text("utf-8")
    return Template(name, summary, {**texts, "dodo.py": dodo})
