"""Reads the files of a template, which lie beside this module as they will be written."""

from __future__ import annotations

import importlib.resources
from collections.abc import Mapping

from aac_tasks.contracts.template import Template

COMMON = {"README.md": "python_files/README.md.txt", "dodo.py": "python_files/dodo.py.txt"}
"""What a template says in any language."""


def template(name: str, summary: str, files: Mapping[str, str]) -> Template:
    """``files``: where it is written → where it lies. As texts: nothing there is a module of ours, and no build tool loses a
    hidden file.
    """
    folder = importlib.resources.files("aac_plugins.templates")
    return Template(name, summary, {target: folder.joinpath(source).read_text("utf-8") for target, source in files.items()})
