"""The rules that no tool knows. Each is shown to find an offender first, then held against the whole tree."""

from __future__ import annotations

import graphlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import grimp
import pytest
from house import rules

TREE = Path(__file__).resolve().parents[2]
OURS = ("aac_tasks", "aac_agent", "plugins", "tests", "examples", "benchmarks")
SHIPPED = ("aac_tasks", "aac_agent", "plugins")
TEXTS = {".py", ".md", ".toml", ".json", ".yaml", ".yml", ".txt", ".sh", ".cfg", ""}
NOT_OURS = {
    ".aac",
    ".git",
    ".venv",
    "__pycache__",
    "build",
    "dist",
    ".hypothesis",
    ".mypy_cache",
    ".ruff_cache",
    ".pytest_cache",
}

ANY_ALLOWED = {
    "aac_tasks/contracts/codec.py": "walks type hints, which have no type, over JSON that is not checked yet",
    "aac_tasks/spec/": "the YAML border",
    "aac_tasks/doit_bridge/": "the doit border: doit has no types",
    "aac_tasks/dodo.py": "the doit border: a task is a dict of anything",
}
NETWORK_ALLOWED = ("aac_tasks/steps/http",)
PROCESSES_ALLOWED = {
    "aac_tasks/steps/process": "the one place that starts processes",
    "aac_tasks/testing.py": "runs the real command for tests",
    "aac_tasks/fast.py": "a fork of itself compares half of many stats; it runs no program",
}

Rule = Callable[[str], Iterator[str]]


def files(tops: tuple[str, ...], suffixes: set[str]) -> list[Path]:
    """Our files below ``tops`` (of the tree), as they are on disk; what tools leave behind is passed over."""
    found = []
    for top in tops:
        for folder, names, entries in os.walk(TREE / top):
            names[:] = sorted(n for n in names if n not in NOT_OURS and not n.endswith(".egg-info"))
            paths = (Path(folder, e) for e in sorted(entries))
            found += [p for p in paths if p.suffix in suffixes and p.is_file() and not p.is_symlink()]
    return found


def offenders(rule: Rule, paths: list[Path], allowed: tuple[str, ...] = ()) -> list[str]:
    """Where a rule is broken, as ``path:line: what``."""
    found = []
    for path in paths:
        name = path.relative_to(TREE).as_posix()
        if not name.startswith(allowed or ("\0",)):
            found += [f"{name}:{problem}" for problem in rule(path.read_text(encoding="utf-8", errors="replace"))]
    return found


def python() -> list[Path]:
    return [*files(OURS, {".py"}), *(p for p in [TREE / "dodo.py"] if p.exists())]


def texts() -> list[Path]:
    tops = [p for p in sorted(TREE.iterdir()) if p.is_file() and p.suffix in TEXTS and not p.name.startswith(".git")]
    return [*tops, *files((*OURS, "docs", "schemas", ".ci"), TEXTS)]


def own_names() -> tuple[str, ...]:
    """What this very machine is called, unless that is a word anybody uses."""
    name = socket.gethostname()
    return (name,) if len(name) > 6 and name not in ("localhost", "runner", "debian", "ubuntu") else ()


DEEP = "def f():\n for a in b:\n  if a:\n   with a:\n    if b:\n     pass\n"
FLAT = "def f():\n if a: pass\n elif b: pass\n elif c: pass\n elif d: pass\n elif e: pass\n"
MACHINE = "/" + "root/project"

OFFENCES = [
    (rules.long_module, "\n" * 301, "\n" * 300),
    (rules.long_functions, "def f():\n" + " x = 1\n" * 41, "def f():\n" + " x = 1\n" * 40),
    (
        rules.long_functions,
        "def f():\n 'doc'\n" + " x = 1\n" * 41,
        'def f():\n """\n' + "\n" * 50 + '"""\n x = 1\n',
    ),
    (rules.deep_nesting, DEEP, FLAT),
    (rules.dumping_ground, "aac_tasks/utils.py", "aac_tasks/spec/nouns.py"),
    (rules.dumping_ground, "tests/helpers/x.py", "tests/house/rules.py"),
    (rules.patching, "from unittest import mock", "import hammock"),
    (rules.patching, "from unittest.mock import patch", "from mockingbird import song"),
    (
        rules.patching,
        "def t(monkeypatch): monkeypatch.setattr(a, 'b', 1)",
        "def t(monkeypatch): monkeypatch.setenv('A', 'b')",
    ),
    (rules.machine_texts, f"see {MACHINE}", "ROOT/root/project, $HOME/work/x, https://example.org/home/page, /home/agent"),
    (rules.machine_texts, "https://git.acme." + "corp", "http://host.docker.internal:8080"),
    (rules.any_types, "from typing import Any", "from typing import Protocol"),
    (rules.any_types, "import typing\nx: typing.Any", "import typing\nx: typing.IO[bytes]"),
    (rules.todos, "# TO" + "DO: later", "# to do this, first that"),
]


@pytest.mark.parametrize(("rule", "bad", "good"), OFFENCES)
def test_each_rule_finds_its_offender_and_leaves_others_alone(rule: Rule, bad: str, good: str) -> None:
    assert list(rule(bad))
    assert not list(rule(good))


def test_an_effect_is_found_in_each_way_of_importing_it() -> None:
    for bad in (
        "import http.client",
        "from http import client",
        "from urllib.request import urlopen",
        "import ssl as s",
    ):
        assert list(rules.effects(bad, rules.NETWORK)), bad
    for good in ("from http import HTTPStatus", "from urllib.parse import quote", "import sslib"):
        assert not list(rules.effects(good, rules.NETWORK)), good
    for bad in ("import subprocess", "import os\nos.system('x')", "import os\nos.execv('a', [])"):
        assert list(rules.effects(bad, rules.PROCESSES)), bad
    assert not list(rules.effects("import os\nos.path.join('a')\ndb.execute('x')", rules.PROCESSES))


@pytest.mark.parametrize("rule", [rules.long_module, rules.long_functions, rules.deep_nesting])
def test_every_module_can_be_read_in_one_sitting(rule: Rule) -> None:
    assert offenders(rule, python()) == []


def test_no_name_is_a_dumping_ground() -> None:
    names = [p.relative_to(TREE).as_posix() for p in python()]
    assert [f"{n}: {problem}" for n in names for problem in rules.dumping_ground(n)] == []


def test_nothing_is_patched() -> None:
    assert offenders(rules.patching, files(("tests", "examples"), {".py"})) == []


def test_no_text_names_a_path_or_host_of_one_machine() -> None:
    assert offenders(lambda text: rules.machine_texts(text, own_names()), texts()) == []


def test_types_are_given_up_only_at_the_borders() -> None:
    assert offenders(rules.any_types, files(SHIPPED, {".py"}), tuple(ANY_ALLOWED)) == []


def test_only_the_http_step_opens_connections() -> None:
    shipped = files(("aac_tasks", "plugins"), {".py"})
    assert offenders(lambda text: rules.effects(text, rules.NETWORK), shipped, NETWORK_ALLOWED) == []


def test_only_the_process_step_starts_processes() -> None:
    shipped = files(("aac_tasks", "plugins"), {".py"})
    assert offenders(lambda text: rules.effects(text, rules.PROCESSES), shipped, tuple(PROCESSES_ALLOWED)) == []


def test_no_work_is_left_behind_in_the_texts() -> None:
    assert offenders(rules.todos, python()) == []


def test_no_module_imports_itself_through_others_not_even_for_types() -> None:
    graph = grimp.build_graph("aac_tasks", "aac_plugins", "aac_agent", cache_dir=None, exclude_type_checking_imports=False)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(imports) > 20
    order = list(graphlib.TopologicalSorter(imports).static_order())  # CycleError names the cycle
    assert len(order) == len(imports)
