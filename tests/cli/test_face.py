"""The package's public face."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import aac_tasks

TREE = ast.parse(inspect.getsource(aac_tasks))


@pytest.mark.parametrize("name", aac_tasks.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(aac_tasks, name)
    assert value is not None
    assert name in dir(aac_tasks)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert value.__name__ == name


def test_what_type_checkers_see_is_what_is_public() -> None:
    block = next(node for node in TREE.body if isinstance(node, ast.If))
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(aac_tasks.__all__) - {"__version__"}


def test_every_error_and_hook_marker_a_plugin_author_needs_is_public() -> None:
    from aac_tasks import errors

    ours = {name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == errors.__name__}
    assert ours <= set(aac_tasks.__all__)
    assert "hookimpl" in aac_tasks.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sesion'"):
        aac_tasks.sesion  # noqa: B018


def test_importing_the_package_loads_nothing_of_it() -> None:
    root = Path(aac_tasks.__file__).parents[1]
    script = "import sys, aac_tasks; print([m for m in sys.modules if m.startswith('aac_tasks.')])"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root)
    assert said.stdout == "[]\n"
