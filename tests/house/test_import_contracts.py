"""The import contracts of pyproject.toml: held by the tree, and each of them able to fail."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from aac_tasks.testing import Project, Ran

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TREE = Path(__file__).resolve().parents[2]
CONTRACTS = tomllib.loads((TREE / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
NAMES = {contract["id"]: contract["name"] for contract in CONTRACTS}

OFFENCES = {
    "layers": ("aac_tasks/errors.py", "import aac_tasks.contracts.image"),
    "plugin-families": ("plugins/aac_plugins/runners/__init__.py", "import aac_plugins.runtimes"),
    "plugins-see-nouns": ("plugins/aac_plugins/bases/__init__.py", "import aac_tasks.state"),
    "core-knows-no-plugin": ("aac_tasks/plan/__init__.py", "import aac_plugins.oci"),
    "agents-stand-alone": ("aac_agent/__init__.py", "import aac_tasks.errors"),
    "pluggy": ("aac_tasks/spec/__init__.py", "import pluggy"),
    "doit": ("aac_tasks/cli/__init__.py", "import doit"),
    "processes": ("plugins/aac_plugins/builders/__init__.py", "import subprocess"),
    "sockets": ("plugins/aac_plugins/registries/__init__.py", "import http.client"),
}


def lint(project: Project, tree: Path) -> Ran:
    """Run import-linter on a tree, whatever is installed."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    path = f"{tree}:{tree / 'plugins'}"
    inside = Project(tree, project.env)
    return inside.run((sys.executable, "-c", code), env={"PYTHONPATH": path, "COLUMNS": "200"})


def test_the_tree_keeps_its_import_contracts(project: Project) -> None:
    said = lint(project, TREE).ok().stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken" in said


def test_every_contract_has_an_offence_below() -> None:
    assert set(OFFENCES) == set(NAMES)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the linter says of a copy of the tree that offends in every way at once."""
    top = tmp_path_factory.mktemp("offending")
    for name in ("aac_tasks", "aac_agent", "plugins"):
        shutil.copytree(TREE / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(TREE / "pyproject.toml", top)
    for path, line in OFFENCES.values():
        with (top / path).open("a") as file:
            file.write(f"\n{line}\n")
    return lint(Project(top, {}), top).exits(1).stdout


@pytest.mark.parametrize("contract", OFFENCES)
def test_a_contract_notices_the_import_that_it_forbids(contract: str, verdicts: str) -> None:
    summary = [line for line in verdicts.splitlines() if line.startswith(NAMES[contract])]
    assert summary[0].removeprefix(NAMES[contract]).strip().startswith("BROKEN"), verdicts
