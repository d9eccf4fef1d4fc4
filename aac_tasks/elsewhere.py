"""Steps that a cluster does for this run: what is pure travels, what touches this machine or the world stays here.

Judged, stamped and told as if they had been done here; only the hands are others' (docs/adr/0020).
"""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.making import ImageAction
from aac_tasks.contracts.orders import Answer, Failure, Order, Parcel, Source
from aac_tasks.contracts.plan import STEP_KINDS, AgentPlan, Step
from aac_tasks.contracts.result import Event, Result
from aac_tasks.errors import LostError, StepError, UsageError
from aac_tasks.failing import placed
from aac_tasks.parcels import Parcels
from aac_tasks.run import Run
from aac_tasks.worker import TRADE, version

if TYPE_CHECKING:
    from aac_tasks.contracts.context import ContextFile, Snapshot
    from aac_tasks.contracts.orders import Crew
    from aac_tasks.contracts.roles import LocalBase
    from aac_tasks.hands import Hands
    from aac_tasks.sharing import Sharing
    from aac_tasks.state.judge import Case

STAY = frozenset(STEP_KINDS) - {"image", "test"}
"""Kinds that write into this checkout, ask who the user is, or change the world. A test that needs other agents stays too: an
order tells of one agent."""


class Elsewhere:
    """The cluster of one run. Safe for several threads; connected when the first step goes there."""

    def __init__(self, run: Run, hands: Callable[[], Hands], sharing: Sharing | None) -> None:
        self._run = run
        self._hands = hands
        self._sharing = sharing
        self._name = uuid.uuid4().hex
        self._guard = threading.RLock()

    @cached_property
    def _parcels(self) -> Parcels:
        return Parcels(self._sharing, self._run.blobs)

    @property
    def crew(self) -> Crew:
        """The workers.

        Raises:
            UsageError: that is no address of a cluster. PluginError, StepError: it can't be reached.
        """
        if "_crew" not in self.__dict__:
            with self._guard:  # one connection, whoever is first
                return self._crew
        return self._crew

    @cached_property
    def _crew(self) -> Crew:
        address = self._run.executor
        scheme, mark, _ = address.partition("://")
        if not mark:
            raise UsageError(f"executor {address!r} is no address; expected SCHEME://HOST:PORT, as in dask://scheduler:8786")
        executor = self._run.catalog.executors.get(scheme.partition("+")[0])
        crew = executor.connect(address, TRADE, self._hands().tools("", "-"))
        self._run.tell(Event("note", text=f"executor {address}: {at_once(crew.slots())}"))
        return crew

    def takes(self, step: Step) -> bool:
        """Whether a step goes there."""
        return step.pure and step.kind not in STAY and "services" not in step.asks

    def do(self, case: Case, agent: AgentPlan, last_tree: str) -> Result | None:
        """Have a worker do a step; None when its result can't travel and it has to be done here.

        ``last_tree`` is the tree of its last run, "" when there was none: what was sent for that need not be asked for.

        Raises:
            StepError: as the step itself would.
        """
        order = self._order(case, agent, last_tree)
        data = self.crew.do(json.dumps(encode(order)).encode(), case.step.id, self._heard)
        answer = decode(Answer, json.loads(data))
        for path, text in answer.reports.items():
            (self._run.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self._run.root / path).write_text(text, encoding="utf-8")
        if answer.failure is not None:
            raise placed(self._run, _error(answer.failure), agent)
        if answer.result is None:
            self._run.tell(Event("note", case.step.id, "its result is made of files of one machine, so it is done here"))
        elif answer.parcel.name and not self._parcels.hold(answer.parcel, answer.result):
            raise StepError(
                f"the worker sent what it made to the shared cache {self._parcels.place.name}, and it is not there",
                hint="do all machines see the same cache?",
            )
        return answer.result

    def _heard(self, data: bytes) -> None:
        self._run.tell(decode(Event, json.loads(data)))

    def _order(self, case: Case, agent: AgentPlan, last_tree: str) -> Order:
        run, step = self._run, case.step
        done = {s.kind: run.results[s.id] for s in agent.before(step) if s.id in run.results}
        artifacts = [artifact for result in done.values() for artifact in result.artifacts]
        parcels = [self._sources(case.snapshot, last_tree)] if case.snapshot else []
        if made := {a.digest: a.size for a in artifacts if a.type == "blob"} or self._of_this_machine(case):
            parcels.append(self._parcels.send(made))
        moves_blobs = bool(parcels) or step.kind in STEP_KINDS
        return Order(
            version=version(),
            run=self._name,
            step=replace(step, action=case.action),
            root=str(run.root),
            folder=agent.folder,
            tree=case.tree,
            sources=tuple(_source(file) for file in case.snapshot.files) if case.snapshot else (),
            upstream={kind: dict(result.outputs) for kind, result in done.items()},
            texts={a.name: (run.root / a.name).read_text(encoding="utf-8") for a in artifacts if a.type == "file"},
            place=self._parcels.place.address if moves_blobs else "",
            parcels=tuple(parcels),
            offline=run.options.offline,
            no_cache=run.options.no_cache,
            allow_host=self._hands().allow_host,
        )

    def _of_this_machine(self, case: Case) -> dict[str, int]:
        """Blobs of bases that no other machine can fetch."""
        if case.step.kind != "image":
            return {}
        recipes = decode(ImageAction, case.action).recipes
        stages = [layer.stage for recipe in recipes for layer in recipe.layers if hasattr(layer, "stage")]
        locked = [*(recipe.base for recipe in recipes), *(stage.base for stage in stages if stage.base)]
        bases, tools = self._run.catalog.bases, self._hands().tools(case.step.id, case.step.agent)
        found = [(cast("LocalBase", bases.get(one.base)), one) for one in locked if hasattr(bases.get(one.base), "holdings")]
        return {blob.digest: blob.size for base, one in found for blob in base.holdings(one, tools)}

    def _sources(self, tree: Snapshot, last_tree: str) -> Parcel:
        """What an input tree is made of, sent; of what the last one held nothing is sent or asked for."""
        files = {f"sha256:{file.sha256}": file for file in tree.files if file.type == "file"}
        if last_tree and not self._parcels.open(_name_of(tree.digest)):
            self._parcels.open(_name_of(last_tree))
        sizes = {digest: file.size for digest, file in files.items()}
        return self._parcels.send(sizes, _name_of(tree.digest), {digest: file.source for digest, file in files.items()})

    def close(self) -> None:
        """Disconnect; a run that was ended leaves nothing at work."""
        if "_crew" in self.__dict__:
            self._crew.close(self._name if self._run.cancelled.is_set() else "")


def at_once(slots: int) -> str:
    """How much a crew does, in words."""
    return f"{slots} step{'' if slots == 1 else 's'} at once"


def _name_of(tree: str) -> str:
    """Of the parcel with a tree's files."""
    return fingerprint(["tree", tree])


def _source(file: ContextFile) -> Source:
    return Source(file.path, file.type, file.executable, file.target, file.size, file.sha256)


def _error(failure: Failure) -> StepError:
    kind = LostError if failure.lost else StepError
    return kind(failure.message, tail=failure.tail, hint=failure.hint, command=failure.command, places=failure.places)
