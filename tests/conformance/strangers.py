"""The plugins of examples/plugins as modules, without installing them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

PLUGINS = Path(__file__).resolve().parents[2] / "examples/plugins"


def load(name: str) -> ModuleType:
    """The module of one plugin folder."""
    (path,) = (PLUGINS / name).glob("*.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
