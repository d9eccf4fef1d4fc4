"""The packages of examples/plugins, installed by pip beside this project, are as good as what is built in."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path

import pytest

from aac_tasks.testing import Project, clean_environment

pytestmark = pytest.mark.xdist_group("strangers-plugin")

TREE = Path(__file__).resolve().parents[2]
PLUGINS = TREE / "examples/plugins"

BROKEN = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools>=64"]
        build-backend = "setuptools.build_meta"
        [project]
        name = "broken"
        version = "0"
        [project.entry-points.aac_tasks]
        broken = "broken"
        [tool.setuptools]
        py-modules = ["broken"]
        """,
    "broken.py": "raise ImportError('libacme.so.1 is missing')\n",
}


def ask(project: Project, code: str) -> object:
    """What a fresh interpreter of the scratch environment answers, as JSON."""
    script = f"import json, aac_tasks.plugin_manager as m\ncatalog = m.load(()).catalog\nprint(json.dumps({code}))"
    return json.loads(project.run(("venv/bin/python", "-c", script)).ok().stdout)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A virtual environment that has what this one has (a .pth file), and both plugins by ``pip install``."""
    top = tmp_path_factory.mktemp("stranger")
    project = Project(top, clean_environment(top, top / "cache"))
    project.run((sys.executable, "-m", "venv", "venv")).ok()
    folder = project.run(("venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")).ok()
    seen = "\n".join((str(TREE), str(TREE / "plugins"), sysconfig.get_path("purelib")))
    (Path(folder.stdout.strip()) / "beside.pth").write_text(f"{seen}\n")
    project.write({f"broken/{name}": text for name, text in BROKEN.items()})
    sources = [str(PLUGINS / "static"), str(PLUGINS / "folder"), "./broken"]
    project.write({"static.txt": "".join(f"{s}\n" for s in sources)})
    pip = ("venv/bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation")
    project.run((*pip, "setuptools>=77", "wheel")).ok()
    project.run((*pip, *sources)).ok()
    return project


@pytest.mark.network
@pytest.mark.slow
def test_a_runtime_and_a_registry_of_a_stranger_are_in_the_catalog(scratch: Project) -> None:
    assert ask(scratch, "[r.name for r in catalog.runtimes]") == ["static"]
    assert ask(scratch, "[r.name for r in catalog.registries]") == ["folder"]
    assert ask(scratch, "catalog.runtimes.origin['static']") == "static (from aac-plugin-static)"


@pytest.mark.network
@pytest.mark.slow
def test_a_strangers_runtime_brings_its_settings_schema(scratch: Project) -> None:
    schema = ask(scratch, "catalog.runtimes.get('static').settings_schema")
    assert isinstance(schema, dict)
    assert schema["properties"]["folder"]["type"] == "string"


@pytest.mark.network
@pytest.mark.slow
def test_a_broken_package_is_named_and_the_others_still_work(scratch: Project) -> None:
    assert ask(scratch, "dict(catalog.broken)") == {"broken (from broken)": "ImportError: libacme.so.1 is missing"}


@pytest.mark.parametrize("name", ["static", "folder"])
def test_a_plugin_is_short_enough_to_be_read_at_once(name: str) -> None:
    (module,) = (PLUGINS / name).glob("*.py")
    assert len(module.read_text().splitlines()) < 60
