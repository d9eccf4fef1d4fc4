"""A fault is a folder: a tiny project, ``fault.json`` (what is wrong, what is run, how it ends), ``expected.txt`` (what the
user sees, volatile parts in ``<…>``), and ``mended/`` with the files that put it right. UPDATE_GOLDEN=1 rewrites expected.txt.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.place import Place
from faults.worlds import WORLDS

from aac_tasks.cli import main
from aac_tasks.cli.world import World, drive, instances, open_session, plugins
from aac_tasks.testing import Project, Ran, command

HERE = Path(__file__).parent
OURS = ("fault.json", "expected.txt", "mended")

_VOLATILE = (
    (r"sha256:[0-9a-f]{7,64}…?", "sha256:<digest>"),
    (r"(127\.0\.0\.1):\d{2,5}", r"\1:<port>"),
    (r"\bPORT=\d+", "PORT=<port>"),
    (r"\bport \d{5}\b", "port <port>"),
    (r"\bpid \d+", "pid <pid>"),
    (r"taken by \S+ \(pid <pid>\)", "taken by <program> (pid <pid>)"),
    (r"^tiny:\w+ \| port \d+ is taken.*\n", ""),
    (r"\.aac/plans/[0-9a-f]{32}", ".aac/plans/<name>"),
    (r"\.aac/tmp/\S+", ".aac/tmp/<name>"),
    (r"\b\d+(\.\d+)? [kM]?B\b", "<size>"),
    (r"  \d+(\.\d+)? (ms|s)$", "  <time>"),
    (r" in \d+(\.\d+)? (ms|s)\b", " in <time>"),
    (r"^runner \w+ .*", "runner <runner>"),
    (r"\((runc|crun|userns|host|docker|podman)\)$", "(<runner>)"),
    (r"bug-\d+T\d+-\d+\.log", "bug-<date>.log"),
    (r"sha256 [0-9a-f]{12}…", "sha256 <digest>"),
    (r"\b\d+ bytes", "<size> bytes"),
    (r"as it stands \(.*\)", "as it stands (<why>)"),
    (r"\(installed: [^;)]*", "(installed: <plugins>"),
    (r"^( +\| )(?:\n\1)?(error: no matching|error: checksum for|For more information).*\n(\1.*\n)*", r"\1<what cargo says>\n"),
    (r"^( +\| )\n\1SECURITY ERROR.*\n(\1.*\n)*", r"\1<what go says>\n"),
    (r"^( +\| )(error: |  cause: |hint: |$).*\n(\1.*\n)*", r"\1<what uv says>\n"),
    (r"^( +\| )npm (error|ERR!) .*\n(\1.*\n)*", r"\1<what npm says>\n"),
    (r"sha512 is \S+, not \S+", "sha512 is <digest>, not <digest>"),
    (r" with exit code \d+ before", " before"),
    (r"\d{4}-\d\d-\d\dT?[ ]?\d\d:?\d\d:?\d\dZ?", "<date>"),
    (r", key [0-9a-f]{12}", ", key <key>"),
    (r"compile/[0-9a-f]{32}", "compile/<agent>"),
    (r"this machine has (\d[\d.]*|\(.*)$", "this machine has <version>"),
)


@dataclass(frozen=True)
class Fault:
    """One folder of tests/faults, read. Commands are argument lists whose first word is ``agent``, ``doit`` or a program."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def name(self) -> str:
        """``area/what-is-wrong``."""
        return self.folder.relative_to(HERE).as_posix()

    @property
    def mended(self) -> Mapping[str, Any]:
        """What is different once it is put right: ``world``, ``environment``, ``command``."""
        found: Mapping[str, Any] = self.facts.get("mended", {})
        return found


def faults(*areas: str) -> list[Fault]:
    """Every folder of these areas."""
    found = sorted(file.parent for area in areas for file in (HERE / area).glob("*/fault.json"))
    return [Fault(folder, json.loads((folder / "fault.json").read_text())) for folder in found]


@dataclass(frozen=True)
class Scene:
    """A fault set up in a user's project, its world around it."""

    place: Place
    fault: Fault
    words: Mapping[str, str]
    environment: Mapping[str, str]
    plain_user: bool = False

    def run(self, words: Sequence[str], environment: Mapping[str, str] | None = None) -> Ran:
        """Run a command line; both streams come in the order in which they were written."""
        argv = [self.fill(word) for word in words]
        program = {"agent": command("agent"), "doit": (sys.executable, "-m", "doit")}.get(argv[0], (argv[0],))
        user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups") if self.plain_user else ()
        env = {**self.environment, **(environment or {})}
        filled = {name: self.fill(value) for name, value in env.items()}
        both = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh")
        ran = self.place.project.run((*both, *user, *program, *argv[1:]), env=filled, timeout=60)
        return Ran(tuple(words), ran.exit_code, ran.stdout, ran.stderr)

    def do(self, words: Sequence[str]) -> None:
        """Run what must succeed around the fault; ours without a new interpreter, unless the fault wants a process of its own."""
        if words[0] != "agent" or self.plain_user or self.fault.facts.get("own process"):
            self.run(words).ok()
            return
        filled = {name: self.fill(value) for name, value in self.environment.items()}
        project = Project(self.place.project.folder, {**self.place.project.env, **filled})
        code, said = in_process(project, [self.fill(word) for word in words[1:]])
        assert code == 0, said

    def fill(self, text: str) -> str:
        """``@NAME@`` replaced."""
        for name, value in self.words.items():
            text = text.replace(f"@{name}@", value)
        return text

    def seen(self, ran: Ran) -> str:
        """The output with everything that differs from run to run taken out."""
        text = ran.output
        project = self.place.project
        names = {
            str(project.folder): "<project>",
            str(self.place.beside): "<beside>",
            project.env["XDG_CACHE_HOME"]: "<cache>",
            str(self.place.home): "<home>",
        }
        for old, new in names.items():
            text = text.replace(old, new)
        for pattern, instead in _VOLATILE:
            text = re.sub(pattern, instead, text, flags=re.MULTILINE)
        return text


def in_process(project: Project, words: Sequence[str]) -> tuple[int, str]:
    """What `agent WORDS` answers and says in that project, in this very process."""
    said = io.StringIO()
    world = World(said, said, dict(project.env), project.folder, open_session, drive, instances, plugins, tuple(words))
    return main(words, world), said.getvalue()


@contextlib.contextmanager
def scene(fault: Fault, project: Project, beside: Path, facts: Mapping[str, Any]) -> Iterator[Scene]:
    """The project's files, and the world that ``facts`` name, for as long as the block lasts."""
    place = Place(project, beside)
    beside.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        words: dict[str, str] = {"PROJECT": str(project.folder), "HOME": str(place.home), "BESIDE": str(beside)}
        late = [w for w in facts.get("world", ()) if w.startswith(("read-only", "writable", "full"))]
        for name in [w for w in facts.get("world", ()) if w not in late]:
            words |= stack.enter_context(WORLDS[name](place))
        now = Scene(place, fault, words, facts.get("environment", {}), facts.get("user") == "plain")
        _copy(fault.folder, now)
        for name in late:
            words |= stack.enter_context(WORLDS[name](place))
        yield now


def _copy(source: Path, scene: Scene, *, mended: bool = False) -> None:
    top = scene.place.project.folder
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if path.is_dir() or (not mended and inside.parts[0] in OURS):
            continue
        target = top / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            target.write_text(scene.fill(path.read_text(encoding="utf-8")), encoding="utf-8")


def mend(scene: Scene) -> None:
    """Put the files of ``mended/`` over the project's and take away those that ``gone`` names."""
    for name in scene.fault.mended.get("gone", ()):
        path = scene.place.project.folder / name
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if (scene.fault.folder / "mended").is_dir():
        _copy(scene.fault.folder / "mended", scene, mended=True)


def check_golden(fault: Fault, said: str) -> None:
    """Compare with expected.txt, or write it where UPDATE_GOLDEN is set."""
    golden = fault.folder / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")
