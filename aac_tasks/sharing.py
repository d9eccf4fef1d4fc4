"""The shared cache of a run: results that other machines found, if they can be trusted, and blobs when a step needs them.

One entry per agent is asked for, once, when its first pure step is stale. A cache that is silent, refuses or holds rubbish is
told of in one line and left alone: what it would have answered is made here (docs/adr/0014).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.image import Descriptor, Digest
from aac_tasks.contracts.result import Event, Result
from aac_tasks.errors import LostError, PluginError, StepError, UsageError
from aac_tasks.run import Run
from aac_tasks.settings import KEY, SharedPlace, shared_places
from aac_tasks.state.action_cache import shareable
from aac_tasks.state.entries import Entry, Trust
from aac_tasks.state.promises import Promises
from aac_tasks.state.signing import MAKE, Signer, Verifier

if TYPE_CHECKING:
    from aac_tasks.contracts.cache import CachingRegistry, SharedStore
    from aac_tasks.hands import Hands

KEYS = "[tool.aac.cache] keys"
BLOB = "application/octet-stream"


class Sharing:
    """What a run has to do with shared caches. Safe for several threads; the blob store's `Lender`."""

    def __init__(self, run: Run, hands: Callable[[], Hands]) -> None:
        self._run = run
        self._hands = hands
        self.places = {p.name: p for p in shared_places(run.settings.cache, run.options.environment, run.root)}
        self._promises = Promises(run.cache)
        self._stores: dict[str, SharedStore] = {}
        self._entries: dict[tuple[str, str], Entry] = {}
        self._turns: dict[tuple[str, str], threading.RLock] = {}
        self._said: set[str] = set()
        self._silent: set[str] = set()
        self._refused: set[str] = set()
        self._guard = threading.Lock()

    # -- results ------------------------------------------------------------------------------------------------

    def result(self, name: str, deep: str, kind: str) -> Result | None:
        """What the agent's entry ``name`` tells of a step, if it can be believed and its blobs can be had."""
        for place in self.places.values():
            found, problem = self._entry(place, name).result(deep, kind, self.trust(place))
            if found is not None and self.can_be_had(place, found):
                return found
            if problem:
                self._note(f"the shared cache {place.name} has a result of {kind}, but {problem}; it is made here")
        return None

    def publish(self, name: str, deep: str, kind: str, result: Result) -> None:
        """Add a result to the agent's entry where this run may write. Nothing that goes wrong there fails the run."""
        place = next((p for p in self.places.values() if p.write), None)
        kept = shareable(result)
        if place is None or kept is None or place.name in self._silent | self._refused:
            return
        with self._turn(place, name):
            known = self._entry(place, name).only(self.trust(place))
            if deep not in known.records and place.name not in self._silent:
                self._add(place, known, deep, kind, replace(kept, notes=()))

    def _add(self, place: SharedPlace, known: Entry, deep: str, kind: str, result: Result) -> None:
        signer, trust = None if place.own else self.signer, self.trust(place)
        entry = known.adding(deep, kind, result, signer)
        if entry.result(deep, kind, trust)[0] is None:
            why = f"signed by a key that {KEYS} does not list" if signer is not None else f"without {KEY}"
            if not place.own and not self._run.executor:  # a cluster needs the place for blobs, whoever is believed
                self._note(f"no result of {kind} goes to the shared cache {place.name}: {why} nobody would believe it")
            return
        try:
            self.store(place).write(entry.name, entry.write(), _blobs(believed for _, believed in entry.believed(trust)))
        except StepError as error:
            self._refused.add(place.name)
            self._note(f"the shared cache {place.name} can't be written: {error.message}")
            return
        self._entries[place.name, entry.name] = entry

    def trust(self, place: SharedPlace) -> Trust:
        """Whom this run believes there."""
        return Trust(self._verifier, place.protected or place.own)

    @cached_property
    def signer(self) -> Signer | None:
        """Who signs what this run writes, None where it has no key.

        Raises:
            UsageError: what stands in the environment is no key.
        """
        said = self._run.options.environment.get(KEY, "")
        if not said:
            return None
        try:
            pem = said if "-----BEGIN" in said else Path(said).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise UsageError(f"{KEY} is neither a private key in PEM nor a file that can be read; {MAKE}") from error
        return Signer(pem, KEY)

    @cached_property
    def _verifier(self) -> Verifier:
        return Verifier(self._run.settings.cache.keys, KEYS)

    def _entry(self, place: SharedPlace, name: str) -> Entry:
        """The entry as it was when it was first asked for; an empty one where there is none that can be read."""
        with self._turn(place, name):
            if (place.name, name) not in self._entries:
                self._entries[place.name, name] = self._read(place, name)
            return self._entries[place.name, name]

    def _turn(self, place: SharedPlace, name: str) -> threading.RLock:
        """Held while an entry is asked for or added to."""
        with self._guard:
            return self._turns.setdefault((place.name, name), threading.RLock())

    def _read(self, place: SharedPlace, name: str) -> Entry:
        if place.name in self._silent:
            return Entry(name)
        try:
            data = self.store(place).read(name)
        except StepError as error:
            self._silent.add(place.name)
            self._note(f"the shared cache {place.name} is left alone: {error.message}")
            return Entry(name)
        try:
            return Entry(name) if data is None else Entry.read(name, data)
        except ValueError as error:
            self._note(f"an entry of the shared cache {place.name} is damaged ({error}); what it was to say is made here")
            return Entry(name)

    # -- blobs --------------------------------------------------------------------------------------------------

    def lends(self, digest: Digest) -> bool:
        """Whether an entry that was believed promised the blob, and it was not found missing since."""
        promised = self._promises.of(digest)
        return promised is not None and promised[1] in self.places

    def fetch(self, digest: Digest) -> None:
        """Bring a promised blob into the store; one that can't be had is not asked for again."""
        promised = self._promises.of(digest)
        place = self.places.get(promised[1]) if promised else None
        if promised is None or place is None:
            raise LostError(f"blob {digest} is in no shared cache", hint="run the step that makes it again")
        try:
            self.store(place).fetch(Descriptor(BLOB, digest, promised[0]))
        except StepError as error:
            if self._run.cancelled.is_set():
                raise
            self._promises.lose(digest)
            raise LostError(
                f"blob {digest} can't be had from the shared cache {place.name}: {error.message}",
                hint="run the step again: what the cache does not give is made here",
            ) from error

    def can_be_had(self, place: SharedPlace, result: Result) -> bool:
        """Whether every blob of a result is here or there; the latter are remembered."""
        blobs = [(Digest(a.digest), a.size) for a in result.artifacts]
        absent = [(digest, size) for digest, size in blobs if not self._run.blobs.has(digest)]
        if any(self._promises.broken(digest) or not self.store(place).holds(digest) for digest, _ in absent):
            self._note(f"the shared cache {place.name} lacks blobs that it promised; they are made here")
            return False
        self._promises.add(place.name, absent)
        return True

    # -- upkeep -------------------------------------------------------------------------------------------------

    def problems(self, place: SharedPlace) -> Iterator[tuple[str, str]]:
        """(name of an entry, what is wrong with it): each entry read, each signature verified, each blob looked at once."""
        store, trust = self.store(place), self.trust(place)
        problem_of = cache(lambda digest, size: store.problem(Descriptor(BLOB, digest, size)))
        for name in store.names():
            try:
                entry = Entry.read(name, store.read(name) or b"")
            except ValueError as error:
                yield name, f"it is damaged: {error}"
                continue
            told = [(record.kind, *entry.result(deep, record.kind, trust)) for deep, record in entry.records.items()]
            yield from ((name, f"{kind}: {problem}") for kind, _, problem in told if problem)
            for blob in _blobs(result for _, result, _ in told if result):
                if problem := problem_of(blob.digest, blob.size):
                    yield name, f"blob {blob.digest} {problem}"

    # -- places -------------------------------------------------------------------------------------------------

    def store(self, place: SharedPlace) -> SharedStore:
        """The store of a place; one for the whole run, which remembers what it has seen.

        Raises:
            PluginError: no registry plugin can hold a cache there.
        """
        with self._guard:
            if place.name not in self._stores:
                self._stores[place.name] = self._open(place)
            return self._stores[place.name]

    def _open(self, place: SharedPlace) -> SharedStore:
        if place.folder is not None:
            from aac_tasks.state.shared_folder import SharedFolder  # lazy: most caches are in registries

            return SharedFolder(place.folder, self._run.blobs)
        for registry in self._run.catalog.registries:
            if registry.accepts(place.name) and hasattr(registry, "shared"):
                return cast("CachingRegistry", registry).shared(place.name, self._hands().cache_tools(place))
        raise PluginError(f"no registry plugin can hold a shared cache at {place.name!r}")

    def _note(self, text: str) -> None:
        """Say it, once a run."""
        with self._guard:
            known = text in self._said
            self._said.add(text)
        if not known:
            self._run.tell(Event("note", text=text))


def _blobs(results: Iterable[Result]) -> list[Descriptor]:
    """Every blob that they promise, each once."""
    return described({artifact.digest: artifact.size for result in results for artifact in result.artifacts})


def described(blobs: Mapping[str, int]) -> list[Descriptor]:
    """Blobs (digest → bytes) as a shared cache has them: it asks nobody what they are."""
    return [Descriptor(BLOB, Digest(digest), size) for digest, size in blobs.items()]
