"""What stands in a shared cache under one name: the results of all pure steps of one agent, each signed or not.

An entry is JSON behind its checksum, named by the deep key of the agent's image. Each result stands alone: who adds one
never vouches for another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.canonical import Json, JsonObject, canonical
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Digest, StoredImage
from aac_tasks.contracts.result import Result
from aac_tasks.state.action_cache import shareable
from aac_tasks.state.signing import Signer, Verifier
from aac_tasks.state.stamps import seal, unseal

FORMAT = 1
MOST = 64
"""Results of one entry: the same image, tested with other checks or other runners."""

UNSIGNED_KINDS = frozenset({"image"})
"""What may be believed of a protected place without a signature; anything else (a test that passed) is nothing but a word."""


@dataclass(frozen=True)
class Record:
    """One result as it was written. ``key`` is the public key that signed it, "" when nobody did."""

    kind: str
    result: JsonObject
    key: str = ""
    signature: str = ""


@dataclass(frozen=True)
class Entry:
    """``records`` maps deep keys to what is told of them."""

    name: str
    records: Mapping[str, Record] = field(default_factory=dict)
    format: int = FORMAT

    @classmethod
    def read(cls, name: str, data: bytes) -> Entry:
        """The entry that these bytes are; ValueError when they are torn, of another format, or belong to another name."""
        try:
            found = decode(cls, unseal(data))
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error
        if (found.name, found.format) != (name, FORMAT):
            raise ValueError("it belongs elsewhere")
        return found

    def write(self) -> bytes:
        """Its bytes."""
        return seal({"name": self.name, "format": self.format, "records": self.records})

    def result(self, deep: str, kind: str, trust: Trust) -> tuple[Result | None, str]:
        """What is told of a step's deep key when it can be believed, else None and why not ("" when nothing is told)."""
        record = self.records.get(deep)
        if record is None:
            return None, ""
        problem = trust.problem(record, self.statement(deep, record))
        if record.kind != kind:
            problem = f"it is told of a step {record.kind}"
        try:
            return (None, problem) if problem else (_sound(kind, decode(Result, record.result)), "")
        except ValueError as error:
            return None, f"it holds no result: {error}"

    def adding(self, deep: str, kind: str, result: Result, signer: Signer | None) -> Entry:
        """The same with one more result."""
        record = Record(kind, _object(encode(result)))
        if signer is not None:
            record = Record(kind, record.result, signer.key, signer.sign(self.statement(deep, record)))
        kept = dict(self.records) if len(self.records) < MOST else {d: r for d, r in self.records.items() if r.kind == "image"}
        return Entry(self.name, {**kept, deep: record})

    def believed(self, trust: Trust) -> Iterator[tuple[str, Result]]:
        """Every result that can be."""
        for deep, record in self.records.items():
            result, _ = self.result(deep, record.kind, trust)
            if result is not None:
                yield deep, result

    def only(self, trust: Trust) -> Entry:
        """Without what can't be believed."""
        return Entry(self.name, {deep: self.records[deep] for deep, _ in self.believed(trust)})

    def statement(self, deep: str, record: Record) -> bytes:
        """What a signature is made over: nothing signed can be moved to another key, step or entry."""
        return canonical(["aac shared result", FORMAT, self.name, deep, record.kind, record.result])


@dataclass(frozen=True)
class Trust:
    """Whom a reader believes. ``protected``: nobody but the trusted can write where this entry came from."""

    verifier: Verifier
    protected: bool = False

    def problem(self, record: Record, statement: bytes) -> str:
        """Why a record is not believed, "" when it is."""
        if self.verifier.vouches(record.key, record.signature, statement):
            return ""
        if self.protected and record.kind in UNSIGNED_KINDS:
            return ""
        return "no listed key signed it" if record.signature else "it is not signed"


def _sound(kind: str, result: Result) -> Result:
    """The result, when it promises blobs alone and an image is one of them; else ValueError."""
    digests = {Digest(artifact.digest) for artifact in result.artifacts}
    if shareable(result) != result:
        raise ValueError("it promises what is no blob")
    if kind == "image":
        image = decode(StoredImage, result.outputs.get("image"))
        if not {blob.digest for blob in image.blobs} <= digests:
            raise ValueError("its image is made of blobs that it does not promise")
    return result


def _object(value: Json) -> JsonObject:
    if not isinstance(value, Mapping):
        raise TypeError("a result is an object")
    return value
