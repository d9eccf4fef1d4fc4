"""What a machine of a cluster does with an order: it has sources brought, does the step with its own tools, sends blobs home.

It is the same step as at home: the action is given, so are the tree and what upstream steps yielded; builder and runner are
this machine's. Nothing is known here of the workspace, and nothing is left but what every user's cache has.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.context import ContextFile, Snapshot
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.orders import Answer, Failure, Order, Parcel, Source, Trade
from aac_tasks.contracts.plan import AgentPlan, Step
from aac_tasks.contracts.result import Event, Result
from aac_tasks.equipped import Equipped
from aac_tasks.errors import AacError, LostError, StepError
from aac_tasks.parcels import Parcels
from aac_tasks.run import Options, Tell
from aac_tasks.settings import NAMESPACE, PLACE, WRITE
from aac_tasks.state.action_cache import shareable
from aac_tasks.state.judge import Case
from aac_tasks.state.root import FOLDER, user_cache
from aac_tasks.state.stamps import exclusively
from aac_tasks.state.temporaries import made, remove
from aac_tasks.steps.sources import place
from aac_tasks.steps.test import REPORTS

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog
    from aac_tasks.plugin_manager import Plugins

ERRANDS = "errands"
"""Below the user's cache: a folder for each step that was ever done here for others, with sources only meanwhile."""

LONGEST = 1 << 20
"""Bytes of a report that travel; of a longer one the end."""

SELDOM = 0.5
"""Seconds between two words of progress that travel."""

_FROM_A_CI = ("CI", "GITHUB_EVENT_NAME", "GITHUB_REF", "CI_MERGE_REQUEST_IID", NAMESPACE)
"""What would have this machine write elsewhere than it was told to."""

_busy: dict[str, set[Errand]] = {}
_guard = threading.Lock()


class Errand(Equipped):
    """A run of one step for somebody else, in a root of its own."""

    def __init__(self, order: Order, root: Path, tell: Tell) -> None:
        runner = order.step.action.get("runner") if order.step.action else None
        options = Options(
            cwd=root,
            root=root,
            offline=order.offline,
            runner=str(runner.get("name")) if isinstance(runner, Mapping) else "",
            allow_host=order.allow_host,
            no_cache=order.no_cache,
            environment={**_environment(), PLACE: order.place or "none", WRITE: "1"},
        )
        super().__init__(options, tell)
        self.order = order

    @cached_property
    def plugins(self) -> Plugins:
        """Loaded once a process."""
        with _loading:
            return _loaded()

    @cached_property
    def catalog(self) -> Catalog:
        """Theirs."""
        return self.plugins.catalog

    def do(self) -> tuple[Result | None, Parcel]:
        """The step's result, and what holds its blobs; None when it promises files that only this machine has."""
        order, step = self.order, self.order.step
        self.hands.end_left_over(step)
        files = self._receive()
        self._check_runner()
        before = tuple(Step(f"{kind}:{step.agent}", kind, step.agent, None) for kind in order.upstream)
        self.results.update({s.id: Result(outputs=order.upstream[s.kind]) for s in before})
        step = replace(step, needs=tuple(s.id for s in before))
        case = Case(step, step.action or {}, Snapshot(order.tree, files) if step.tree else None)
        result = shareable(self.hands.do(case, AgentPlan(step.agent, order.folder, "", (*before, step)), None))
        blobs = {artifact.digest: artifact.size for artifact in result.artifacts} if result else {}
        return result, self._parcels.send(blobs) if blobs else Parcel()

    @cached_property
    def _parcels(self) -> Parcels:
        return Parcels(self.sharing, self.blobs)

    def _receive(self) -> tuple[ContextFile, ...]:
        """Sources, and what upstream steps wrote, where they were at home."""
        self._clear()
        for parcel in self.order.parcels:
            self._parcels.take(parcel)
        for path, text in self.order.texts.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text, encoding="utf-8")
        top = self.root / (self.order.step.tree.root if self.order.step.tree else "")
        return tuple(self._received(source, top / source.path) for source in self.order.sources)

    def _received(self, source: Source, path: Path) -> ContextFile:
        blob = self.blobs.path(Digest(f"sha256:{source.sha256}")) if source.type == "file" else path
        file = ContextFile(source.path, source.type, blob, source.executable, source.target, source.size, source.sha256)
        place(file, path)
        return replace(file, source=path)

    def _check_runner(self) -> None:
        asked = (self.order.step.action or {}).get("runner")
        if "runner" in self.order.step.asks and (here := self.hands.runner_choice.keyed()) != asked:
            raise StepError(
                f"the worker's runner is {dict(here)}, and this run's is {asked}",
                hint="choose one that all machines have: --runner, or [tool.aac] runner",
            )

    def reports(self) -> dict[str, str]:
        """What a test left for people."""
        if self.order.step.kind != "test":
            return {}
        folder = self.state.agent(self.order.step.agent)
        return {
            str(path.relative_to(self.root)): path.read_bytes()[-LONGEST:].decode("utf-8", "replace")
            for path in (folder / name for name in REPORTS)
            if path.is_file()
        }

    def _clear(self) -> None:
        """Leave only the state folder: what an earlier order left, or what this one needs no more."""
        for name in os.listdir(self.root):  # noqa: PTH208  # for each step
            if name != FOLDER:
                remove(self.root / name)

    def close(self) -> None:
        """End children; remove sources."""
        super().close()
        self._clear()


def work(data: bytes, tell: Callable[[bytes], None]) -> bytes:
    """Do an order, and tell what comes of it meanwhile; what went wrong is part of the answer."""
    order = decode(Order, json.loads(data))
    root = user_cache(os.environ) / ERRANDS / fingerprint([order.root, order.folder, order.step.id])[:32]
    with exclusively(made(root)):  # whoever was killed in here holds it no more
        here, there = _quoted(str(root)), _quoted(order.root)

        def written(value: object) -> bytes:
            return json.dumps(encode(value)).replace(here, there).encode()

        travels = Travels()
        return written(_answer(order, root, lambda event: tell(written(event)) if travels(event) else None))


def _answer(order: Order, root: Path, tell: Tell) -> Answer:
    if order.version != version():
        what = f"the worker has aac-tasks {version()}, and this run is by {order.version}"
        return Answer(failure=Failure(what, hint="have all machines run the same version"))
    errand = Errand(order, root, tell)
    with _guard:
        _busy.setdefault(order.run, set()).add(errand)
    try:
        result, parcel = errand.do()
        return Answer(result, parcel, None, errand.reports())
    except AacError as error:
        return Answer(None, Parcel(), _failure(error), errand.reports())
    finally:
        errand.close()
        with _guard:
            _busy[order.run].discard(errand)
            if not _busy[order.run]:
                del _busy[order.run]


class Travels:
    """Which events go home: what is told of no step is told there too, and nobody can read more than some progress."""

    def __init__(self) -> None:
        self._last = -SELDOM

    def __call__(self, event: Event) -> bool:
        """Whether this one does."""
        if event.type == "progress" and time.monotonic() - self._last >= SELDOM:
            self._last = time.monotonic()
            return True
        return event.type == "output" or (event.type == "note" and bool(event.step))


def halt(run: str) -> None:
    """End what is being done of a run."""
    with _guard:
        errands = tuple(_busy.get(run, ()))
    for errand in errands:
        errand.cancelled.set()


@cache
def _environment() -> dict[str, str]:
    """This machine's, which does not change while the process runs."""
    return {name: value for name, value in os.environ.items() if name not in _FROM_A_CI}


@cache
def version() -> str:
    """Of aac-tasks, here."""
    return importlib.metadata.version("aac-tasks")


TRADE = Trade(work, halt)


def _failure(error: AacError) -> Failure:
    if not isinstance(error, StepError):
        return Failure(str(error))
    return Failure(error.message, error.tail, error.hint, error.command, error.places, isinstance(error, LostError))


def _quoted(text: str) -> str:
    """As it stands inside a JSON text."""
    return json.dumps(text)[1:-1]


_loading = threading.Lock()


@cache
def _loaded() -> Plugins:
    from aac_tasks.plugin_manager import load  # lazy: who sends an order has loaded what it needs

    return load()
