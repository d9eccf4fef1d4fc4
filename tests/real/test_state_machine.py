"""Whatever is edited, reverted, touched, deleted or interrupted: the next run equals a clean build, and does no more than
the steps whose action or inputs changed.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from real.author import AGENT, NAMES, Tree, put, put_file

from aac_tasks.contracts.result import Event
from aac_tasks.plugin_manager import Plugins, load
from aac_tasks.session import Options, Session

KINDS = ("parse", "lock", "dockerfile", "image", "test")
PLUGINS = ("aac_plugins.bases.scratch", "aac_plugins.builders.embedded", "aac_plugins.registries.layout", "real.paper")


@functools.cache
def plugins() -> Plugins:
    return load((*PLUGINS, "aac_plugins.deployers.process"))


def session_in(folder: Path, cache: Path, tell: Callable[[Event], None]) -> Session:
    made = Session(Options(folder, runner="paper", environment={"AAC_CACHE_DIR": str(cache), "HOME": str(cache)}), tell)
    made.plugins = plugins()  # loaded once for all runs: they are those that `load` would find again
    return made


def run(folder: Path, cache: Path, tell: Callable[[Event], None]) -> tuple[str, str]:
    """What `agent test` does; the image's digest and content digest."""
    session = session_in(folder, cache, tell)
    try:
        for step in session.plan().steps:
            if step.kind in KINDS and not session.judge(step.id).fresh:
                session.run_step(step.id)
        image = session.image("hello") or {}
        return str(image["digest"]), str(image["content_digest"])
    finally:
        session.close()


@functools.cache
def clean_build(tree: Tree) -> tuple[str, str]:
    """The digests of that tree, built by someone who has nothing."""
    with tempfile.TemporaryDirectory() as top:
        put(Path(top) / "project", tree)
        return run(Path(top) / "project", Path(top) / "cache", lambda event: None)


FILES = st.one_of(st.none(), st.sampled_from(["f0", "f1", "x0", "x1"]), st.sampled_from(["lrun", "lnowhere"]))


@dataclass
class Known:
    """Which inputs each step was last done with, and which steps an interrupt left in doubt."""

    inputs: dict[str, object] = field(default_factory=dict)
    doubt: set[str] = field(default_factory=set)


class Edits(RuleBasedStateMachine):
    """One author, one folder, one cache."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.folder, self.cache = self.top / "project", self.top / "cache"
        self.known = Known()
        self.past: list[Tree] = []

    @initialize()
    def begin(self) -> None:
        self.tree = Tree()
        put(self.folder, self.tree)
        self.check()

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    # -- what an author does ------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["check", "comment", "config", "description", "memory"]), value=st.integers(1, 3))
    def edit_agent_yaml(self, name: str, value: int) -> None:
        self.move_to(self.tree.with_value(name, value))

    @rule(name=st.sampled_from(NAMES[1:]), what=FILES)
    def edit_file(self, name: str, what: str | None) -> None:
        self.move_to(self.tree.with_file(name, what))

    @rule(what=st.sampled_from(["x0", "x1", "f0"]))
    def edit_program(self, what: str) -> None:
        self.move_to(self.tree.with_file("run", what))

    @precondition(lambda self: self.tree.files[-1][1][0] != "l")
    @rule(content=st.sampled_from("0123"))
    def edit_without_a_trace_in_size_and_mtime(self, content: str) -> None:
        path = self.folder / "run"
        before = path.stat()
        path.write_text(content)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.tree = self.tree.with_file("run", dict(self.tree.files)["run"][0] + content)
        self.check()

    @precondition(lambda self: self.past)
    @rule(data=st.data())
    def revert(self, data: st.DataObject) -> None:
        self.move_to(data.draw(st.sampled_from(self.past)))

    @rule(name=st.sampled_from(["run", "agent.yaml"]))
    def touch(self, name: str) -> None:
        (self.folder / name).touch()
        self.check()

    @rule(mode=st.sampled_from([0o600, 0o640, 0o666]))
    def change_a_mode_that_does_not_count(self, mode: int) -> None:
        path = self.folder / "run"
        path.chmod(mode | (path.stat().st_mode & 0o100))
        self.check()

    def move_to(self, tree: Tree) -> None:
        """From one tree to another, with as few writes as an editor would do."""
        before = self.tree
        if tree.yaml != before.yaml:
            (self.folder / "agent.yaml").write_text(AGENT.format(**dict(tree.yaml)))
        for name in NAMES:
            what = dict(tree.files).get(name)
            if what != dict(before.files).get(name):
                put_file(self.folder / name, what)
        self.past.append(before)
        self.tree = tree
        self.check()

    # -- what goes wrong ----------------------------------------------------------------------------------------

    @rule(kind=st.sampled_from(["parse", "dockerfile", "image", "test"]), torn=st.booleans())
    def lose_a_stamp(self, kind: str, torn: bool) -> None:
        stamp = self.folder / ".aac/agents/hello/steps" / kind / "stamp"
        if torn:
            stamp.write_bytes(stamp.read_bytes()[:-3])
        else:
            stamp.unlink()
        self.known.inputs.pop(kind)
        self.check()

    @rule(name=st.sampled_from(["Dockerfile", "spec.json"]), damaged=st.booleans())
    def lose_an_output(self, name: str, damaged: bool) -> None:
        path = self.folder / ".aac/agents/hello" / name
        if damaged:
            path.write_text("edited by hand")
        else:
            path.unlink()
        self.known.inputs.pop("parse" if name == "spec.json" else "dockerfile")
        self.check()

    @rule(data=st.data())
    def lose_a_blob(self, data: st.DataObject) -> None:
        session = session_in(self.folder, self.cache, lambda event: None)
        image = session.image("hello") or {}
        layers = image["layers"]
        assert isinstance(layers, list)
        digest = data.draw(st.sampled_from([str(image["digest"]), *(str(x["digest"]) for x in layers)]))  # type: ignore[index,call-overload]
        (self.cache / "blobs/sha256" / digest[7:9] / digest[7:]).unlink()
        self.known.inputs.pop("image")
        self.check()

    @rule()
    def lose_the_state_folder(self) -> None:
        shutil.rmtree(self.folder / ".aac")
        for kind in ("parse", "dockerfile", "image", "test"):
            self.known.inputs.pop(kind)
        self.check()

    @rule()
    def lose_the_lock(self) -> None:
        (self.folder / "agent.lock").unlink()
        self.known.inputs.pop("lock")
        self.check()

    @rule()
    def lose_the_cache(self) -> None:
        shutil.rmtree(self.cache)
        self.known.inputs.pop("image")
        self.check()

    @rule(
        events=st.integers(1, 8),
        number=st.sampled_from([signal.SIGKILL, signal.SIGINT]),
        name=st.sampled_from(["config", "check"]),
        value=st.integers(1, 3),
        what=st.sampled_from(["x0", "x1", "x2"]),
    )
    def interrupt(self, events: int, number: int, name: str, value: int, what: str) -> None:
        """A run in a process of its own, which is ended when it has told ``events`` things."""
        tree = self.tree.with_value(name, value).with_file("run", what)
        (self.folder / "agent.yaml").write_text(AGENT.format(**dict(tree.yaml)))
        put_file(self.folder / "run", what)
        self.tree = tree
        stale = self.stale()
        child = os.fork()
        if child == 0:
            _end_after(events, number, self.folder, self.cache)
        os.waitpid(child, 0)
        self.known.doubt |= stale
        self.check()

    # -- what must hold -----------------------------------------------------------------------------------------

    def stale(self) -> set[str]:
        return {kind for kind in KINDS if self.known.inputs.get(kind, "none") != self.tree.inputs(kind)}

    def check(self) -> None:
        events: list[Event] = []
        digests = run(self.folder, self.cache, events.append)
        ran = {e.step.partition(":")[0] for e in events if e.type in ("done", "cached")}
        assert digests == clean_build(self.tree)
        assert self.stale() - self.known.doubt <= ran <= self.stale()
        self.known = Known({kind: self.tree.inputs(kind) for kind in KINDS})


def _end_after(events: int, number: int, folder: Path, cache: Path) -> None:
    """The child: it never returns."""
    left = [events]

    def tell(event: Event) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)

    try:
        run(folder, cache, tell)
    finally:
        os._exit(0)


TestEdits = Edits.TestCase
TestEdits.settings = settings(
    max_examples=100,
    stateful_step_count=10,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
