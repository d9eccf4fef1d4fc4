from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from python_workbench import DEBIAN_BASE, make_tools, make_wheel

from aac_plugins.runtimes import python_requirements
from aac_plugins.runtimes.python_poetry import translated
from aac_plugins.runtimes.python_resolve import resolve
from aac_tasks.contracts.lock import DependencyRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

HERE = Path(__file__).parent
WRITTEN = {name: (HERE / "poetry_files" / name).read_text() for name in ("pyproject.toml", "poetry.lock")}
"""A project of Poetry 2.5, and the lock that it wrote."""

PROJECT = '[tool.poetry.dependencies]\npython = "^3.10"\none = "^1.2"\n'
PROJECT_2 = '[project]\nname = "x"\ndependencies = ["one>=1.2,<2"]\n[tool.poetry]\npackage-mode = false\n'


def read(pyproject: str, lock: str | None = None) -> tuple[DependencyRequest, Mapping[str, str]]:
    request, problems = python_requirements.read((), {"pyproject.toml": pyproject, "poetry.lock": lock})
    return request, dict(problems)


def package(name: str, version: str, *more: str, files: str = "[]") -> str:
    lines = ("[[package]]", f'name = "{name}"', f'version = "{version}"', "optional = false", f"files = {files}", *more, "")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("poetry", "pep"),
    [
        ("^1.2.3", ">=1.2.3,<2"), ("^1", ">=1,<2"), ("^0.2.3", ">=0.2.3,<0.3"), ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"), ("^0", ">=0,<1"), ("~1.2.3", ">=1.2.3,<1.3"), ("~1.2", ">=1.2,<1.3"), ("~1", ">=1,<2"),
        ("~=1.4", "~=1.4"), ("*", ""), ("1.*", "==1.*"), ("1.2.*", "==1.2.*"), ("1.2.3", "==1.2.3"), ("==1.2.3", "==1.2.3"),
        (">=1.0, <2.0", ">=1.0,<2.0"), (">=1.0 <2.0", ">=1.0,<2.0"), ("!=1.5", "!=1.5"), ("^1.0 || ^2.0", ">=1.0,<2 || >=2.0,<3"),
        ("^1.0b1", ">=1.0b1,<2"), ("^ 1.2", ">=1.2,<2"),
    ],
)  # fmt: skip
def test_each_constraint_of_poetry_has_its_meaning(poetry: str, pep: str) -> None:
    assert translated(poetry) == pep


def test_what_poetry_wrote_is_read_group_main_with_markers_and_hashes() -> None:
    request, problems = read(WRITTEN["pyproject.toml"], WRITTEN["poetry.lock"])
    assert problems == {}
    assert request.requirements == (
        "h2",
        "colorama ; sys_platform == 'win32'",
        "idna ; (python_version < '3.12')",
        "idna ; (python_version >= '3.12')",
    )
    pins = [line.partition(" --hash")[0] for line in request.files["constraints.txt"].splitlines()]
    assert pins == [
        'colorama==0.4.6 ; sys_platform == "win32"',
        "h2==4.4.1",
        "hpack==4.2.0",
        "hyperframe==6.1.0",
        'idna==3.9 ; python_version < "3.12"',
        'idna==3.20 ; python_version >= "3.12"',
    ]
    assert request.files["constraints.txt"].count("--hash=sha256:") >= 6


@pytest.mark.network
@pytest.mark.parametrize(("python", "idna"), [("3.13", "3.20"), ("3.11", "3.9")])
def test_what_poetry_wrote_is_locked_for_the_images_python(python: str, idna: str, tmp_path: Path) -> None:
    request, _ = read(WRITTEN["pyproject.toml"], WRITTEN["poetry.lock"])
    files = resolve(request, replace(DEBIAN_BASE, runtime_version=python), make_tools(tmp_path)).files
    assert [(f.name, f.version) for f in files] == [("h2", "4.4.1"), ("hpack", "4.2.0"), ("hyperframe", "6.1.0"), ("idna", idna)]
    assert all(f.sha256 in WRITTEN["poetry.lock"] for f in files)


@pytest.mark.parametrize("project", [PROJECT, PROJECT_2], ids=["tool.poetry", "project"])
def test_a_pin_is_taken_though_the_index_has_newer_ones(project: str, wheels: Path, tools: Tools) -> None:
    for version in ("1.2", "1.3"):
        make_wheel(wheels, f"one-{version}-py3-none-any.whl", {"one.py": ""}, requires=("two",))
        make_wheel(wheels, f"two-{version}-py3-none-any.whl", {"two.py": ""})
    lock = package("one", "1.2", "[package.dependencies]", 'two = "*"') + package("two", "1.2") + package("unused", "9")
    request, problems = read(project, lock)
    assert problems == {}
    assert [(f.name, f.version) for f in resolve(request, DEBIAN_BASE, tools).files] == [("one", "1.2"), ("two", "1.2")]
    assert "unused" not in request.files["constraints.txt"]


def test_a_file_that_is_not_what_poetry_locked_is_refused(wheels: Path, tools: Tools) -> None:
    make_wheel(wheels, "one-1.2-py3-none-any.whl", {"one.py": ""})
    files = f'[{{file = "one-1.2-py3-none-any.whl", hash = "sha256:{"0" * 64}"}}]'
    request, _ = read(PROJECT, package("one", "1.2", files=files))
    with pytest.raises(StepError, match=r"no file of one 1\.2 has a hash that is pinned"):
        resolve(request, DEBIAN_BASE, tools)


def test_hashes_at_the_end_of_an_older_lock_are_found() -> None:
    found = f'one = [{{file = "x", hash = "sha256:{"1" * 64}"}}]'
    lock = f'[[package]]\nname = "one"\nversion = "1.2"\ncategory = "main"\n[metadata.files]\n{found}\n'
    request, problems = read(PROJECT, lock)
    assert problems == {}
    assert request.files["constraints.txt"] == f"one==1.2 --hash=sha256:{'1' * 64}\n"


def test_without_a_lock_the_project_itself_is_asked(wheels: Path, tools: Tools) -> None:
    for version in ("1.2", "1.3", "2.0"):
        make_wheel(wheels, f"one-{version}-py3-none-any.whl", {"one.py": ""})
    request, problems = read(PROJECT + 'gone = {version = "*", python = "<3.10"}\nextra = {version = "*", optional = true}\n')
    assert problems == {}
    assert request.requirements == ("one>=1.2,<2", "gone ; (python_version < '3.10')")
    assert [(f.name, f.version) for f in resolve(request, DEBIAN_BASE, tools).files] == [("one", "1.3")]


def test_extras_and_markers_of_a_dependency_are_kept() -> None:
    line = 'one = {version = "^1.2", extras = ["b", "a"], markers = "os_name == \'posix\'", python = "~3.11 || ^3.13"}\n'
    request, _ = read(f'[tool.poetry.dependencies]\n{line}', package("one", "1.2"))
    (wish,) = request.requirements
    python = "(python_version >= '3.11' and python_version < '3.12' or python_version >= '3.13' and python_version < '4')"
    assert wish == f"one[a,b] ; {python} and (os_name == 'posix')"


def test_a_private_index_of_poetry_is_asked_too_unless_it_holds_credentials() -> None:
    source = '[package.source]\ntype = "legacy"\nurl = "https://{}pypi.example.org/simple"\nreference = "own"'
    request, _ = read(PROJECT, package("one", "1.2", source.format("")))
    assert request.requirements == ("--extra-index-url https://pypi.example.org/simple", "one")
    _, problems = read(PROJECT, package("one", "1.2", source.format("me:secret@")))
    assert "holds credentials" in problems["spec.dependencies"]


@pytest.mark.parametrize(
    ("lock", "message"),
    [
        ("", "poetry.lock: does not hold one, pyproject.toml asks for one>=1.2,<2; write it anew with `poetry lock`"),
        (package("one", "1.1"),
         "poetry.lock: holds one 1.1, pyproject.toml asks for one>=1.2,<2; write it anew with `poetry lock`"),
        (package("one", "1.2", '[package.source]\ntype = "git"\nurl = "https://example.org/one"'),
         "poetry.lock: one comes from git https://example.org/one; only what an index has can be locked; publish it"),
        (package("one", "1.2") + package("one", "1.3"),
         "poetry.lock: holds one 1.2 and 1.3 without saying which is for whom; write it anew with `poetry lock` of Poetry 2"),
        ("[[package", "is not TOML"),
    ],
)  # fmt: skip
def test_a_lock_that_can_not_be_used_says_why(lock: str, message: str) -> None:
    _, problems = read(PROJECT, lock)
    assert message in problems["spec.dependencies"]


def test_the_lock_goes_before_requirements_txt_and_after_uv_lock() -> None:
    texts = {"pyproject.toml": PROJECT_2, "poetry.lock": package("one", "1.2"), "requirements.txt": "six\n"}
    assert python_requirements.read((), texts)[0].requirements == ("one",)
    both = python_requirements.read((), {**texts, "uv.lock": "version = 1\n"})[0]
    assert set(both.files) == {"pyproject.toml", "uv.lock"}


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the standard library reads TOML from 3.11 on")
def test_the_sample_is_of_the_format_that_is_current() -> None:
    import tomllib

    assert tomllib.loads(WRITTEN["poetry.lock"])["metadata"]["lock-version"] == "2.1"
