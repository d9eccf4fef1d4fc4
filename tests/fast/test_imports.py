"""What a run without work, and an edited line, may import: start-up time is paid in modules."""

from __future__ import annotations

import ast
import sys
import time
from pathlib import Path

import pytest

from aac_tasks.testing import Project

HEAVY = {
    "yaml", "jsonschema", "pluggy", "docker", "doit", "http.client", "urllib3", "ssl", "socket", "subprocess", "rich", "uv",
    "importlib.metadata", "typing", "dataclasses", "pathlib", "inspect", "json", "hashlib",
}  # fmt: skip
"""None of them is needed to compare a few hundred stats."""

UNUSED_BY_AN_EDIT = {
    "yaml", "jsonschema", "docker", "doit", "http.client", "urllib3", "ssl", "socket", "subprocess", "rich", "uv",
    "importlib.metadata", "packaging", "debian", "pysequoia", "aac_tasks.spec", "aac_tasks.plan.compile",
    "aac_tasks.contracts.spec", "aac_tasks.plugin_manager", "aac_plugins.runners", "aac_plugins.runtimes",
}  # fmt: skip
"""The plan is loaded, not made; the layer below is not touched; nothing is asked of the network."""

AGENT = """
    apiVersion: agent.dev/v1
    kind: Agent
    metadata: {name: tiny, version: "1.0"}
    spec:
      runtime: python
      model: {provider: openai, name: gpt-4o-mini}
      entrypoint: [python3, main.py]
"""

SPY = """
before = set(sys.modules)
sys.argv = {argv!r}
from aac_tasks.fast import main
code = main()
with open({report!r}, "w") as file:
    file.write(repr([code, sorted(set(sys.modules) - before)]))
"""


def modules(project: Project, *argv: str) -> set[str]:
    """What a run added to the modules of the bare interpreter."""
    report = project.folder.parent / "report"
    spy = f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}" + SPY.format(argv=list(argv), report=str(report))
    ran = project.run([sys.executable, "-c", spy])
    code, found = ast.literal_eval(report.read_text())
    assert code == 0, ran.output
    return set(found)


def with_children(names: set[str], found: set[str]) -> set[str]:
    return {m for m in found if any(m == n or m.startswith(f"{n}.") for n in names)}


def built(project: Project) -> Project:
    project.write({".git/HEAD": "", "agent.yaml": AGENT, "main.py": "print(1)\n"})
    for _ in range(2):  # the first writes agent.lock; the second finds every input older than itself
        time.sleep(0.1)
        modules(project, "agent", "build")
    return project


@pytest.mark.network
def test_a_build_without_work_imports_nothing_heavy(project: Project) -> None:
    found = modules(built(project), "agent", "build")
    assert with_children(HEAVY, found) == set()
    assert {m for m in found if m.startswith("aac_")} == {"aac_tasks", "aac_tasks.fast"}


@pytest.mark.network
def test_a_build_after_an_edit_imports_only_what_the_image_needs(project: Project) -> None:
    built(project).write({"main.py": f"print({time.time_ns()})\n"})
    time.sleep(0.1)
    found = modules(project, "agent", "build")
    assert "aac_plugins.builders.embedded" in found
    assert with_children(UNUSED_BY_AN_EDIT, found) == set()


def test_the_package_itself_imports_nothing_of_its_own(tmp_path: Path) -> None:
    code = "import sys; import aac_tasks; print([m for m in sys.modules if m.startswith('aac_tasks.')])"
    assert Project(tmp_path, {"PYTHONPATH": ":".join(sys.path)}).run([sys.executable, "-c", code]).ok().stdout == "[]\n"
