"""Every code block of the documents runs: page by page, in order, as a new user in an empty project (docs/pages.py)."""

from __future__ import annotations

import json
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from docs.pages import Command, Note, Refused, Write, differs, pieces
from real.dask_cluster import cluster
from real_registry import registry_server

from aac_tasks.testing import Project, Ran, need

TREE = Path(__file__).resolve().parents[2]
PAGES = [TREE / "README.md", *sorted((TREE / "docs").rglob("*.md"))]
RUN_BY_CI = {"README.md"}
"""Its ``sh`` blocks are what .ci/run runs, as a person who has just arrived (tests/house holds the two together)."""

HOST = "registry.example.org"
SCHEDULER = "scheduler.example.org:8786"
ADDRESS = "http://127.0.0.1:8080"
"""What stands in the documents; where the port is taken the agent gets another one."""


def _name(page: Path) -> str:
    return page.relative_to(TREE).as_posix()


def _write_programs(folder: Path, python: Path) -> None:
    """`agent`, `doit` and `python3` of an interpreter, whether its folder is on PATH or not."""
    for name, start in {"agent": "-m aac_tasks", "doit": "-m doit", "python3": ""}.items():
        (folder / name).write_text(f'#!/bin/sh\nexec {python} {start} "$@"\n')
        (folder / name).chmod(0o755)


class Reader:
    """Somebody who does what a page says. Where a page says ``cd``, the next command is run there."""

    def __init__(self, project: Project, page: Path, stack: ExitStack) -> None:
        self.project = project
        self.page = page
        self._top = project.folder
        self._stack = stack
        self._words: dict[str, str] = {}
        programs = self._top.parent / "bin"
        programs.mkdir()
        _write_programs(programs, Path(sys.executable))
        self._env = {"AAC_ALLOW_HOST": "1", "PATH": f"{programs}:{project.env.get('PATH', '')}"}

    def note(self, note: Note) -> None:
        """Have what the page needs, or skip it."""
        for word in note.words:
            if note.kind == "needs":
                need(shutil.which(word), f"{word} is not installed")
            elif word == "registry":
                self._registry()
            elif word == "cluster":
                made = self._stack.enter_context(cluster(self._top.parent / "cluster", ("worker",), {"PATH": self._env["PATH"]}))
                self._words[SCHEDULER] = f"127.0.0.1:{made.port}"
            elif word == "venv":
                self._virtual_environment()
            else:
                pytest.fail(f"{_name(self.page)}:{note.line}: unknown {note.kind}: {word}")

    def _registry(self) -> None:
        """A real one, with a password. It speaks plain http, which skopeo has to be told."""
        address = self._stack.enter_context(registry_server(self._top.parent / "registry", {"ada": "s3cret"}))
        self._words[HOST] = address
        told = Path(self.project.env["XDG_CONFIG_HOME"]) / "containers/registries.conf"
        told.parent.mkdir(parents=True)
        told.write_text(f'[[registry]]\nlocation = "{address}"\ninsecure = true\n')

    def _virtual_environment(self) -> None:
        """One that sees what this interpreter sees, for pages that install something."""
        top = self._top.parent
        python = top / "venv/bin/python"
        self.project.run((sys.executable, "-m", "venv", str(top / "venv"))).ok()
        ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(self.project.run((str(python), "-c", ask)).ok().stdout.strip())
        seen = (str(TREE), str(TREE / "plugins"), sysconfig.get_path("purelib"))
        (site / "beside.pth").write_text("".join(f"{folder}\n" for folder in seen))
        self.project.run((str(python), "-m", "pip", "install", "-q", "setuptools>=77")).ok()
        _write_programs(top / "bin", python)
        pip = top / "bin/pip"
        offline = "--no-deps --no-build-isolation"  # what it needs is there; nothing else is fetched
        pip.write_text(f'#!/bin/sh\ncommand=$1; shift\nexec {python} -m pip "$command" {offline} "$@"\n')
        pip.chmod(0o755)

    def write(self, block: Write) -> None:
        """Write a file as shown."""
        self.project.write({block.name: self._said(block.text).encode()})

    def run(self, command: Command) -> None:
        """Run a command; its exit code and what it prints must be as shown."""
        ran = self._bash(self._said(command.text))
        where = f"{_name(self.page)}:{command.line}: $ {command.text}"
        shown = f"{where}\n{ran.output}"
        assert ran.exit_code == command.code, f"exit code {ran.exit_code}, not {command.code}: {shown}"
        problem = differs(command.expected, self._written(ran.output))
        assert not problem, f"{problem}: {shown}"

    def _bash(self, text: str) -> Ran:
        """One shell per command, which remembers its folder; both streams together, as on a screen."""
        kept = self._top.parent / "cwd"
        code = f"trap 'pwd >{kept}' EXIT\n{{ {text}\n}} 2>&1"
        ran = self.project.run(("bash", "-c", code), env=self._env)
        self.project = Project(Path(kept.read_text().strip()), self.project.env)
        return ran

    def _said(self, text: str) -> str:
        for word, real in self._words.items():
            text = text.replace(word, real)
        return text.replace(ADDRESS, self._address()) if ADDRESS in text else text

    def _written(self, text: str) -> str:
        for word, real in self._words.items():
            text = text.replace(real, word)
        return re.sub(r"http://127\.0\.0\.1:\d+", ADDRESS, text)

    def _address(self) -> str:
        said = json.loads(self._bash("agent ps --json").stdout)
        return next((one["url"] for one in said["instances"] if one.get("url")), ADDRESS)

    def leave(self) -> None:
        """Nothing is left running."""
        self._bash(f"cd {self._top}; agent stop --all")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Servers that a page needs, ended with it."""
    with ExitStack() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_does_what_it_says(page: Path, project: Project, stack: ExitStack) -> None:
    found = [p for p in pieces(page.read_text(encoding="utf-8")) if not isinstance(p, Refused)]
    if not found:
        return
    reader = Reader(project, page, stack)
    stack.callback(reader.leave)
    for piece in found:
        if isinstance(piece, Note):
            reader.note(piece)
        elif isinstance(piece, Write):
            reader.write(piece)
        else:
            reader.run(piece)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_has_no_block_that_nothing_runs(page: Path) -> None:
    found = [p for p in pieces(page.read_text(encoding="utf-8")) if isinstance(p, Refused)]
    unseen = [p for p in found if not (_name(page) in RUN_BY_CI and p.language == "sh")]
    assert unseen == []


@pytest.mark.parametrize(("page", "plugin"), [("registry-plugin", "folder"), ("runtime-plugin", "static")])
def test_a_plugin_is_shown_as_it_stands_in_the_examples(page: str, plugin: str) -> None:
    text = (TREE / f"docs/how-to/{page}.md").read_text(encoding="utf-8")
    shown = {Path(p.name).name: p.text for p in pieces(text) if isinstance(p, Write) and p.name.startswith("aac-plugin")}
    assert shown == {name: (TREE / "examples/plugins" / plugin / name).read_text(encoding="utf-8") for name in shown}
    assert len(shown) == 2


def test_every_decision_is_in_the_index() -> None:
    index = (TREE / "docs/adr/README.md").read_text(encoding="utf-8")
    assert [p.name for p in sorted((TREE / "docs/adr").glob("0*.md")) if p.name not in index] == []
