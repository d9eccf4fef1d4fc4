"""Whatever is edited, reverted, touched, deleted, damaged or interrupted, by whomever, also while runs are at work: the next
`doit` equals a clean build, and does exactly the steps whose inputs changed.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from real.author import AGENT, NAMES, Tree, put, put_file
from real.clean_builds import clean_build, made, site, spoil, torn_blobs
from real.doors import Ended, Moment, Place, cut_off, run, signalled, start

from aac_tasks.state.digests import RACY_NS
from aac_tasks.state.stamps import StampFile

pytestmark = pytest.mark.slow
KINDS = ("parse", "lock", "dockerfile", "image", "test")
DOORS = (("doit",), ("agent", "test"))
CI = bool(os.environ.get("CI"))
FUTURE = 4_000_000_000
MOMENTS = 200  # the writing operations of a run that does everything, and a few more


FILES = st.one_of(st.none(), st.sampled_from(["f0", "f1", "x0", "x1"]), st.sampled_from(["lrun", "lnowhere"]))
PROGRAMS = st.sampled_from(["x0", "x1", "f0"])
VALUES = st.integers(1, 3)
MINUTES_OFF = st.sampled_from([None, 0, FUTURE])


TIME_SAVERS = (
    "*/.aac/plans/*", "*/.aac/manifest/*", "*/.aac/digests.json", "*/.aac/plugins/*",
    "*/.aac/doit.json", "*/.aac/agents/*/steps/*/tree", "cache/aac/memos/*/*", "cache/aac/actions/*/*",
)  # fmt: skip


@dataclass
class Known:
    """Which inputs each step was last done with, and which steps may or may not be done because of what happened."""

    inputs: dict[str, object] = field(default_factory=dict)
    doubt: set[str] = field(default_factory=set)


class Edits(RuleBasedStateMachine):
    """One author, one folder, one cache."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.place = Place(self.top / "project", self.top / "cache", site())
        self.folder = self.place.folder
        self.known = Known()
        self.past: list[Tree] = []
        self.runs = 0

    @initialize()
    def begin(self) -> None:
        self.tree = Tree()
        put(self.folder, self.tree)
        self.check()

    def teardown(self) -> None:
        shutil.rmtree(self.top)

    # -- what an author does ------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(["check", "comment", "config", "description", "memory"]), value=VALUES, clock=MINUTES_OFF)
    def edit_agent_yaml(self, name: str, value: int, clock: int | None) -> None:
        self.move_to(self.tree.with_value(name, value), clock)

    @rule(name=st.sampled_from(NAMES[1:]), what=FILES, clock=MINUTES_OFF)
    def edit_file(self, name: str, what: str | None, clock: int | None) -> None:
        self.move_to(self.tree.with_file(name, what), clock)

    @rule(what=PROGRAMS, clock=MINUTES_OFF)
    def edit_program(self, what: str, clock: int | None) -> None:
        self.move_to(self.tree.with_file("run", what), clock)

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

    @rule(name=st.sampled_from(["run", "agent.yaml", "dodo.py"]), clock=st.sampled_from([0, 1, FUTURE]))
    def touch(self, name: str, clock: int) -> None:
        os.utime(self.folder / name, (clock, clock))
        self.check()

    @rule(mode=st.sampled_from([0o600, 0o640, 0o666]))
    def change_a_mode_that_does_not_count(self, mode: int) -> None:
        path = self.folder / "run"
        path.chmod(mode | (path.stat().st_mode & 0o100))
        self.check()

    @rule()
    def rename_the_folder(self) -> None:
        """As good as another checkout: what has the folder's name in it may not be believed."""
        self.folder = self.folder.rename(self.top / f"renamed-{self.runs}")
        self.place = Place(self.folder, self.place.cache, site())
        self.check()

    def move_to(self, tree: Tree, clock: int | None = None) -> None:
        """From one tree to another, with as few writes as an editor would do, by a clock that may go wrong."""
        before = self.tree
        self.write(before, tree, clock)
        self.past.append(before)
        self.tree = tree
        self.check()

    def write(self, before: Tree, tree: Tree, clock: int | None = None) -> None:
        changed = [name for name in NAMES if dict(tree.files).get(name) != dict(before.files).get(name)]
        for name in changed:
            put_file(self.folder / name, dict(tree.files).get(name))
        if tree.yaml != before.yaml:
            (self.folder / "agent.yaml").write_text(AGENT.format(**dict(tree.yaml)))
            changed.append("agent.yaml")
        for path in (self.folder / name for name in changed):
            if clock is not None and path.is_file() and not path.is_symlink():
                os.utime(path, (clock, clock))

    # -- what goes wrong ----------------------------------------------------------------------------------------

    @rule(kind=st.sampled_from(["parse", "dockerfile", "image", "test"]), torn=st.booleans())
    def lose_a_stamp(self, kind: str, torn: bool) -> None:
        spoil(self.folder / ".aac/agents/hello/steps" / kind / "stamp", torn)
        self.known.inputs.pop(kind)
        self.check()

    @rule(name=st.sampled_from(["Dockerfile", "spec.json"]), torn=st.booleans())
    def lose_an_output(self, name: str, torn: bool) -> None:
        spoil(self.folder / ".aac/agents/hello" / name, torn)
        self.known.inputs.pop("parse" if name == "spec.json" else "dockerfile")
        self.check()

    @rule(what=st.sampled_from(TIME_SAVERS), number=st.integers(0, 3), torn=st.booleans())
    def lose_what_only_saves_time(self, what: str, number: int, torn: bool) -> None:
        """Compiled plans, digests of files, manifests, memos and the like: nothing is done again for them."""
        found = sorted(self.top.glob(what))  # there may be none: the times of files decide what is kept
        if found:
            spoil(found[number % len(found)], torn)
        self.check()

    @rule(data=st.data(), torn=st.booleans())
    def lose_a_blob(self, data: st.DataObject, torn: bool) -> None:
        stamp = StampFile(self.folder / ".aac/agents/hello/steps/image").read()
        assert stamp is not None
        digest = data.draw(st.sampled_from(sorted(a.digest for a in stamp.result.artifacts)))
        spoil(self.place.cache / "aac/blobs/sha256" / digest[7:9] / digest[7:], torn)
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
        shutil.rmtree(self.place.cache)
        self.known.inputs.pop("image")
        self.check()

    # -- what happens while a run is at work --------------------------------------------------------------------

    @rule(
        operation=st.integers(1, MOMENTS),
        what=st.sampled_from([signal.SIGKILL, signal.SIGINT, signal.SIGTERM, "cut off"]),
        door=st.sampled_from(DOORS),
        name=st.sampled_from(["config", "check"]),
        value=VALUES,
        program=PROGRAMS,
    )
    def interrupt(self, operation: int, what: int | str, door: tuple[str, ...], name: str, value: int, program: str) -> None:
        """A run is ended before one of its writes, or in the middle of it."""
        tree = self.tree.with_value(name, value).with_file("run", program)
        self.write(self.tree, tree)
        self.tree = tree
        stale = self.stale()
        ended = run(self.place, door, Moment(operation, signalled(what) if isinstance(what, int) else cut_off))
        expected = {0, -what, 128 + what} if isinstance(what, int) else {0, -signal.SIGXFSZ}
        assert ended.code in expected, ended.said
        for kind in ended.of("✓"):  # what was finished is not done again
            self.known.inputs[kind] = self.tree.inputs(kind)
        self.known.doubt |= stale - ended.of("✓")
        self.check()

    @rule(
        operation=st.integers(1, MOMENTS),
        door=st.sampled_from(DOORS),
        config=VALUES,
        program=PROGRAMS,
        what=FILES,
        again=st.booleans(),
    )
    def edit_while_a_run_is_at_work(
        self, operation: int, door: tuple[str, ...], config: int, program: str, what: str | None, again: bool
    ) -> None:
        """The author saves several files while a run is at work that an edit of its own began, and may start ``again`` one."""
        first = self.tree.with_file("run", program)
        second = first.with_value("config", config).with_file("data/a", what).with_file("run", f"{program[0]}3")
        self.write(self.tree, first)
        self.tree = first
        stale = self.stale()

        def save() -> None:
            self.write(first, second)
            if again:
                start(self.place, door, quiet=True)
                time.sleep(0.05)

        ended = run(self.place, door, Moment(operation, save))
        assert ended.code in {0, 1}, ended.said  # 1: a file was another one when it was to be read
        if dict(second.files) != {name: self.on_disk(name) for name in dict(second.files)}:
            self.write(first, second)  # the run was over before it came to that
        self.tree = second
        self.known.doubt |= stale | self.stale()
        for kind in ended.of("✓"):
            same = first.inputs(kind) == second.inputs(kind)
            self.known.inputs[kind] = first.inputs(kind) if same else "those of the one or the other"
        self.check(door)

    def on_disk(self, name: str) -> str:
        path = self.folder / name
        if path.is_symlink():
            return f"l{path.readlink()}"
        if not path.exists():
            return ""
        return ("x" if path.stat().st_mode & 0o100 else "f") + path.read_text()

    @rule(doors=st.permutations(DOORS), name=st.sampled_from(["config", "check", "description"]), value=VALUES, what=FILES)
    def two_runs_at_once(self, doors: list[tuple[str, ...]], name: str, value: int, what: str | None) -> None:
        """Both succeed, and together they do what one would."""
        tree = self.tree.with_value(name, value).with_file("data/b", what)
        self.write(self.tree, tree)
        self.tree = tree
        self.agree([one.end() for one in [start(self.place, door) for door in doors]])

    # -- what must hold -----------------------------------------------------------------------------------------

    def stale(self) -> set[str]:
        return {kind for kind in KINDS if self.known.inputs.get(kind, "none") != self.tree.inputs(kind)}

    def check(self, door: tuple[str, ...] = ()) -> None:
        """A run does what is stale; a second one, when clocks have moved on, does nothing, and stats may answer it."""
        self.runs += 1
        door = door or DOORS[self.runs % len(DOORS)]
        self.agree([run(self.place, door)])
        time.sleep(2 * RACY_NS / 1e9)
        self.agree([run(self.place, door)])

    def agree(self, ended: list[Ended]) -> None:
        said = "\n---\n".join(one.said for one in ended)
        assert [one.code for one in ended] == [0] * len(ended), said
        ran = {kind for one in ended for kind in one.of("✓")}
        assert self.stale() - self.known.doubt <= ran <= self.stale() | self.known.doubt, said
        assert all(sum(one.count(kind) for one in ended) == 1 for kind in ran), said
        assert made(self.place) == clean_build(self.tree), said
        assert torn_blobs(self.place) == []
        self.known = Known({kind: self.tree.inputs(kind) for kind in KINDS})


TestEdits: Callable[[], object] = Edits.TestCase
Edits.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=10,
    deadline=None,
    derandomize=CI,
    phases=[Phase.generate] if CI else list(Phase),
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
