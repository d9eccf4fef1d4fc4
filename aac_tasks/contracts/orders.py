"""A step that another machine does, as data: what it is given, what it answers, and who carries the two."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Result
from aac_tasks.contracts.tools import Tools


@dataclass(frozen=True)
class Source:
    """One entry of a step's input tree, as `ContextFile` has it, without a place on a disk."""

    path: str
    type: str = "file"
    executable: bool = False
    target: str = ""
    size: int = 0
    sha256: str = ""


@dataclass(frozen=True)
class Parcel:
    """Blobs (digest → bytes) that lie in a shared cache under one name."""

    name: str = ""
    blobs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """One step, whole: its action is complete, and nothing else of the run is needed but what the parcels hold.

    ``version`` is that of aac-tasks. ``root`` is the state root of who asks, for messages; ``folder`` the agent's
    folder below it.
    ``upstream`` holds outputs by step kind, ``texts`` the files that upstream steps left (path below the root → text).
    ``place`` is the shared cache that parcels lie in, as ``AAC_SHARED_CACHE`` has it. ``run`` names the run.
    """

    version: str
    run: str
    step: Step
    root: str
    folder: str = ""
    tree: str = ""
    sources: tuple[Source, ...] = ()
    upstream: Mapping[str, JsonObject] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    place: str = ""
    parcels: tuple[Parcel, ...] = ()
    offline: bool = False
    no_cache: bool = False
    allow_host: bool = False


@dataclass(frozen=True)
class Failure:
    """A StepError on its way home. ``lost``: blobs that an earlier step made can't be had."""

    message: str
    tail: str = ""
    hint: str = ""
    command: tuple[str, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of an order. ``result`` None without ``failure``: it is made of files that only who did it has.

    ``parcel`` holds the blobs that the result promises; ``reports`` what the step left for people (path below the root → text).
    """

    result: Result | None = None
    parcel: Parcel = Parcel()
    failure: Failure | None = None
    reports: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Trade:
    """What a worker is able to do: both are functions of a module, so that their names are enough where aac-tasks is installed.

    ``work`` takes an encoded `Order` and returns an encoded `Answer`; meanwhile it hands over what it has to tell, an encoded
    `Event` at a time. ``halt`` ends what it does of a run, by the run's name.
    """

    work: Callable[[bytes, Callable[[bytes], None]], bytes]
    halt: Callable[[str], None]


class Crew(Protocol):
    """Workers that one run is connected with. Safe for several threads."""

    def slots(self) -> int:
        """How many steps they can do at once."""
        ...

    def do(self, order: bytes, label: str, tell: Callable[[bytes], None]) -> bytes:
        """Have one of them ``work``, and wait; again by another one when it dies meanwhile. ``label`` is for their own pages;
        ``tell`` gets what the worker tells meanwhile, in the thread that waits.

        Raises:
            StepError: nobody can be reached, too many died of it, or the run was cancelled.
        """
        ...

    def close(self, run: str = "") -> None:
        """Disconnect; with the name of a run, end first what they still do of it."""
        ...


class Executor(Protocol):
    """A kind of cluster, named by the scheme of its address (``dask://host:8786``)."""

    @property
    def name(self) -> str:
        """The scheme."""
        ...

    def connect(self, address: str, trade: Trade, tools: Tools) -> Crew:
        """Reach the cluster at an address.

        Raises:
            UsageError: that is no address. PluginError: its library is not installed. StepError: nobody answers there.
        """
        ...

