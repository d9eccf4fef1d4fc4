"""``dask://HOST:PORT``: steps are done by the workers of a Dask cluster that exists already.

``dask+tls://`` takes certificates from Dask's own configuration (``distributed.comm.tls``).

Dask hands orders out, and gives the order of a worker that died to another one; what is in an order, and what goes
through a registry instead, is none of its business. https://distributed.dask.org/en/stable/resilience.html
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
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

LINGER = 0.004
"""Seconds in which more comes together for one conversation with the scheduler."""

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

    One thread talks with the scheduler: what was ordered while it talked is submitted together, and what was done is fetched
    together, so that a thousand short steps cost no thousand conversations.
    """

    def __init__(self, client: Client, trade: Trade, tools: Tools) -> None:
        self._client = client
        self._trade = trade
        self._tools = tools
        self._inbox: SimpleQueue[_Errand | Future[bytes] | None] = SimpleQueue()
        self._waiting: dict[str, _Errand] = {}
        threading.Thread(target=self._carry, name="dask", daemon=True).start()

    def slots(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values())

    def do(self, order: bytes, label: str) -> bytes:
        """Under a key of its own: equal keys would be one piece of work to Dask."""
        errand = _Errand(f"{label}-{uuid.uuid4().hex}", order)
        self._inbox.put(errand)
        while not errand.ended.wait(LOOKS):
            self._tools.sleep(0)  # ends it when the run is cancelled
            if not errand.submitted.is_set():
                continue
            if self._client.status != "running":
                raise StepError("the Dask scheduler is gone", hint="start it again; what was finished is kept")
            if not self._client.nthreads():
                raise StepError(f"the Dask scheduler has no workers for {label}", hint="`dask worker HOST:PORT` starts one")
        if errand.error is not None:
            raise _told(errand.error, label)
        return errand.answer

    def _carry(self) -> None:
        """Until it is told to end."""
        while True:
            items = [self._inbox.get()]
            time.sleep(LINGER)
            while not self._inbox.empty():
                items.append(self._inbox.get())
            if None in items:
                return
            errands = [item for item in items if isinstance(item, _Errand)]
            futures = [item for item in items if not isinstance(item, _Errand) and item is not None]
            try:
                self._submit(errands)
                self._fetch(futures)
            except Exception as error:  # whatever it is, somebody waits for each of them
                for errand in (*errands, *(self._waiting.pop(str(future.key)) for future in futures)):
                    errand.end(error)

    def _submit(self, errands: Sequence[_Errand]) -> None:
        if errands:
            orders, keys = [errand.order for errand in errands], [errand.key for errand in errands]
            self._waiting.update(zip(keys, errands, strict=True))
            for future, errand in zip(self._client.map(self._trade.work, orders, key=keys, pure=False), errands, strict=True):
                errand.future = future  # Dask forgets what nobody holds
                errand.submitted.set()
                future.add_done_callback(self._inbox.put)

    def _fetch(self, futures: Sequence[Future[bytes]]) -> None:
        whole = [future for future in futures if future.status == "finished"]
        answers = dict(zip((f.key for f in whole), self._client.gather(whole, errors="skip"), strict=True)) if whole else {}
        for future in futures:
            errand = self._waiting.pop(str(future.key))
            if future.key in answers:
                errand.end(answer=answers[future.key])
            else:
                errand.end(future.exception() or OSError("the result was lost"))

    def close(self, run: str = "") -> None:
        """What is still done of a run that was ended is told to end; Dask itself can't stop a thread."""
        self._inbox.put(None)
        with suppress(Exception):  # nobody is there to be told
            if run:
                self._client.run(self._trade.halt, run, on_error="ignore")
        self._client.close(timeout=2)


class _Errand:
    """One order on its way."""

    def __init__(self, key: str, order: bytes) -> None:
        self.key = key
        self.order = order
        self.submitted = threading.Event()
        self.ended = threading.Event()
        self.future: Future[bytes] | None = None
        self.answer = b""
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None, answer: bytes = b"") -> None:
        """Let who waits for it go on."""
        self.answer, self.error, self.future = answer, error, None
        self.ended.set()


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
