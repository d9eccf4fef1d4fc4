"""``dask://HOST:PORT``: steps are done by the workers of a Dask cluster that exists already.

``dask+tls://`` takes certificates from Dask's own configuration (``distributed.comm.tls``).

Dask hands orders out, and gives the order of a worker that died to another one; what is in an order, and what goes
through a registry instead, is none of its business. https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

import itertools
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from aac_tasks.errors import PluginError, StepError, UsageError
from aac_tasks.hookspecs import hookimpl

if TYPE_CHECKING:
    from distributed import Client, Future

    from aac_tasks.contracts.orders import Crew, Executor, Trade
    from aac_tasks.contracts.tools import Tools

PATIENCE = "10s"
"""How long a scheduler may take to answer."""

LOOKS = 0.5
"""Seconds after which who waits looks whether anybody is still at work."""

LINGER = 0.01
"""Seconds for which an order waits for company while every worker has others to go on with: what is said to a scheduler costs
it and us as much for one step as for several. Not longer: of a step that is done and not forgotten, Dask would make good the
loss of the worker that did it."""

BUNDLE, WORTH = 8, 0.1
"""A cluster that has enough to do gets up to so many steps as one task, if they are together worth no more than so many seconds:
for a task Dask's own work is a third of what a step of 50 ms takes. A worker that dies then costs the steps of its bundle, and
those of a bundle that it ended so shortly before that nobody had heard of it.
"""

BRIEF = 0.05
"""Seconds after which nobody waits for the rest of a bundle to hear of a step."""

LONG, FADES = 1.0, 0.9
"""The longest step of late, in seconds: at first, and at most; and what is left of it with each step that is done."""

SHORTEST = WORTH / BUNDLE

MARK = "aac"
"""Before our events."""

TOLD = 64 * 1024
"""Bytes of an answer that are told as an event; schedulers keep the last thousand of a client for an hour."""

_PROTOCOLS = {"dask": "tcp", "dask+tls": "tls"}


class DaskExecutor:
    """Clusters by the address of their scheduler."""

    name = "dask"

    def connect(self, address: str, trade: Trade, tools: Tools) -> Crew:
        """A client of that scheduler."""
        try:
            from distributed import Client  # lazy: an extra, and half a second
        except ImportError as error:
            raise PluginError(
                "executor dask needs the distributed package: pip install 'aac-tasks[dask]', here and on every worker"
            ) from error
        scheme, _, place = address.partition("://")
        if scheme not in _PROTOCOLS or not place.rpartition(":")[2].isdigit():
            raise UsageError(f"executor {address!r} is no address; expected dask://HOST:PORT or dask+tls://HOST:PORT")
        try:
            client = Client(f"{_PROTOCOLS[scheme]}://{place}", timeout=PATIENCE, set_as_default=False, name="aac")
        except (OSError, ValueError) as error:
            raise StepError(
                f"no Dask scheduler answers at {address}: {error}",
                hint="`dask scheduler` starts one, and `dask worker HOST:PORT` a worker, with aac-tasks installed",
            ) from error
        return DaskCrew(client, trade, tools)


class DaskCrew:
    """The workers of one cluster, as one run uses them.

    One thread submits: what was ordered meanwhile goes together. An answer comes as an event, which the
    scheduler passes on at once; to fetch results costs a conversation with the scheduler and one with the worker for each step.
    """

    def __init__(self, client: Client, trade: Trade, tools: Tools) -> None:
        self._client = client
        self._trade = trade
        self._tools = tools
        self._ordered: SimpleQueue[_Errand | None] = SimpleQueue()
        self._waiting: dict[str, _Errand] = {}
        self._name, self._numbers = uuid.uuid4().hex, itertools.count()
        self._enough = 2 * self.slots()
        self._longest = LONG
        client.subscribe_topic(client.id, self._hear)  # the topic that Dask itself forgets with the client
        threading.Thread(target=self._submit, name="dask", daemon=True).start()

    def slots(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values())

    def do(self, order: bytes, label: str, tell: Callable[[bytes], None]) -> bytes:
        """Under a key of its own: equal keys would be one piece of work to Dask."""
        errand = _Errand(f"{label}-{self._name}-{next(self._numbers)}", order)
        self._waiting[errand.key] = errand
        self._ordered.put(errand)
        try:
            while (said := self._listen(errand, label)) is not None:
                if said:
                    tell(said)
        finally:
            self._waiting.pop(errand.key, None)
            errand.ended = True
            self._ordered.put(errand)  # to be let go
        if errand.error is not None:
            raise _told(errand.error, label)
        return errand.answer

    def _listen(self, errand: _Errand, label: str) -> bytes | None:
        """What is told of it, nothing when nothing is for a while, None once it has ended."""
        try:
            return errand.said.get(timeout=LOOKS)
        except Empty:
            self._look(errand, label)
            return b""

    def _hear(self, event: tuple[float, object]) -> None:
        """What a worker tells, its answer, or what Dask tells of its own."""
        told = event[1]
        if isinstance(told, (list, tuple)) and len(told) == 2 and told[0] == MARK:
            for key, data, seconds in told[1]:
                errand = self._waiting.get(key)
                if errand is not None and seconds is None:
                    errand.said.put(data)
                elif errand is not None:
                    self._longest = max(min(seconds, LONG), FADES * self._longest)
                    errand.end(answer=data)

    def _look(self, errand: _Errand, label: str) -> None:
        """Whether there is still something to wait for."""
        self._tools.sleep(0)  # ends it when the run is cancelled
        future = errand.future
        if self._client.status != "running":
            raise StepError("the Dask scheduler is gone", hint="start it again; what was finished is kept")
        if future is None:  # not submitted yet
            return
        if future.status == "finished":
            answer = future.result().get(errand.key, b"")
            if answer or errand.looked:
                errand.end(OSError("its answer was lost") if not answer else None, answer)
            errand.looked = True
        elif future.status != "pending":
            errand.end(future.exception() or OSError(f"it was {future.status}"))
        elif not self._client.nthreads():
            raise StepError(f"the Dask scheduler has no workers for {label}", hint="`dask worker HOST:PORT` starts one")

    def _batch(self) -> list[_Errand]:
        """What was ordered or ended meanwhile, at least one; nothing once it is closed, for then nobody waits any more."""
        items = [self._ordered.get()]
        if len(self._waiting) > self._enough:
            time.sleep(LINGER)
        while not self._ordered.empty():
            items.append(self._ordered.get())
        errands = [item for item in items if item is not None]
        return errands if len(errands) == len(items) else []

    def _submit(self) -> None:
        while batch := self._batch():
            for errand in batch:
                errand.future = None  # Dask forgets what nobody holds
            if errands := [errand for errand in batch if not errand.ended]:
                self._map(errands)

    def _map(self, errands: list[_Errand]) -> None:
        size = int(WORTH / max(self._longest, SHORTEST)) or 1 if len(self._waiting) > self._enough else 1
        bundles = [errands[at : at + size] for at in range(0, len(errands), size)]
        orders = [[(errand.key, errand.order) for errand in bundle] for bundle in bundles]
        step = partial(work_and_tell, work=self._trade.work, topic=self._client.id)
        try:
            futures = self._client.map(step, orders, key=[bundle[0].key for bundle in bundles], pure=False)
        except Exception as error:  # whatever it is, somebody waits for each of them
            for errand in errands:
                errand.end(error)
            return
        for bundle, future in zip(bundles, futures, strict=True):
            for errand in bundle:
                errand.future = None if errand.ended else future

    def close(self, run: str = "") -> None:
        """What is still done of a run that was ended is told to end; Dask itself can't stop a thread."""
        self._ordered.put(None)
        with suppress(Exception):  # nobody is there to be told
            if run:
                self._client.run(self._trade.halt, run, on_error="ignore")
        self._client.close(timeout=2)


def work_and_tell(
    orders: list[tuple[str, bytes]], work: Callable[[bytes, Callable[[bytes], None]], bytes], topic: str
) -> dict[str, bytes]:
    """On a worker: do one after the other and tell each answer, and how many seconds it took; of a large one the scheduler should
    not be told, it is part of the result.
    """
    from distributed import get_worker  # lazy, as above

    tell = partial(get_worker().log_event, topic)
    large: dict[str, bytes] = {}
    done: list[tuple[str, bytes, float]] = []
    for number, (key, data) in enumerate(orders, 1):

        def say(said: bytes, key: str = key) -> None:
            tell((MARK, [(key, said, None)]))

        begun = time.monotonic()
        answer = work(data, say)
        seconds = time.monotonic() - begun
        if len(answer) > TOLD:
            large[key] = answer
        else:
            done.append((key, answer, seconds))
        if done and (number == len(orders) or seconds > BRIEF):
            tell((MARK, done))
            done = []
    return large


class _Errand:
    """One order on its way. ``said``: what its worker told, None at the end. ``looked``: it was seen finished, and no answer."""

    def __init__(self, key: str, order: bytes) -> None:
        self.key = key
        self.order = order
        self.said: SimpleQueue[bytes | None] = SimpleQueue()
        self.ended = False
        self.future: Future[dict[str, bytes]] | None = None
        self.answer = b""
        self.error: BaseException | None = None
        self.looked = False

    def end(self, error: BaseException | None = None, answer: bytes = b"") -> None:
        """Let who waits for it go on; the first answer counts. What is held Dask would do again when its worker dies: so it is
        let go at once.
        """
        if not self.ended:
            self.answer, self.error, self.ended, self.future = answer, error, True, None
            self.said.put(None)


def _told(error: BaseException, label: str) -> Exception:
    """What Dask says, in our words."""
    from distributed import KilledWorker  # lazy, as above

    if isinstance(error, KilledWorker):
        return StepError(
            f"{label} was given to {error.allowed_failures + 1} workers, and each of them died meanwhile",
            hint="the log of the last says why; too little memory is the usual reason",
        )
    return StepError(
        f"{label} could not be done by a Dask worker: {type(error).__name__}: {error}".splitlines()[0],
        hint="is the same version of aac-tasks, with the same plugins, installed on every worker?",
    )


@hookimpl
def aac_register_executors() -> list[Executor]:
    """The cluster that Python's own scientists have."""
    return [DaskExecutor()]
