"""Entries of a shared cache: what is believed, and what nobody can slip in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from team import make_key

from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Descriptor, Digest, Platform, StoredImage
from aac_tasks.contracts.result import Artifact, Result
from aac_tasks.errors import UsageError
from aac_tasks.state.entries import MOST, Entry, Record, Trust
from aac_tasks.state.signing import Signer, Verifier
from aac_tasks.state.stamps import seal

NAME, DEEP, OTHER = "a" * 64, "b" * 64, "c" * 64
BLOB = Artifact("blob", digest=f"sha256:{'1' * 64}", size=3)
ONE = Descriptor("x", Digest(BLOB.digest), 3)
IMAGE = Result({"image": encode(StoredImage(ONE, ONE, (), Platform(), ONE.digest))}, (BLOB,))
PASS = Result({"passed": 2})


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer(make_key(tmp_path_factory.mktemp("keys"), "ci").file.read_text(), "here")


@pytest.fixture
def trust(signer: Signer) -> Trust:
    return Trust(Verifier((signer.key,), "here"))


@pytest.fixture
def entry(signer: Signer) -> Entry:
    return Entry(NAME).adding(NAME, "image", IMAGE, signer).adding(DEEP, "test", PASS, signer)


def test_what_was_written_is_read_and_believed(entry: Entry, trust: Trust) -> None:
    read = Entry.read(NAME, entry.write())
    assert read.result(NAME, "image", trust) == (IMAGE, "")
    assert read.result(DEEP, "test", trust) == (PASS, "")
    assert read.result(OTHER, "test", trust) == (None, "")


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, result={"outputs": {"passed": 3}}),
        lambda r: replace(r, signature=r.signature[:-4] + "AAA="),
        lambda r: replace(r, signature="no base64"),
        lambda r: replace(r, signature=""),
        lambda r: replace(r, key=""),
        lambda r: replace(r, key="another"),
    ],
)
def test_a_record_that_was_changed_is_not_believed(entry: Entry, trust: Trust, change: object) -> None:
    assert callable(change)
    changed = replace(entry, records={**entry.records, DEEP: change(entry.records[DEEP])})
    assert changed.result(DEEP, "test", trust)[0] is None
    assert changed.result(NAME, "image", trust) == (IMAGE, "")
    assert set(changed.only(trust).records) == {NAME}


def test_a_signed_record_can_be_moved_nowhere(entry: Entry, trust: Trust) -> None:
    record = entry.records[DEEP]
    assert replace(entry, records={OTHER: record}).result(OTHER, "test", trust)[0] is None
    assert replace(entry, name=OTHER).result(DEEP, "test", trust)[0] is None
    assert entry.result(DEEP, "image", trust)[0] is None
    assert replace(entry, records={DEEP: replace(record, kind="image")}).result(DEEP, "image", trust)[0] is None


def test_a_protected_place_vouches_for_images_and_for_nothing_else() -> None:
    entry = Entry(NAME).adding(NAME, "image", IMAGE, None).adding(DEEP, "test", PASS, None)
    nobody = Verifier((), "here")
    assert entry.result(NAME, "image", Trust(nobody, protected=True)) == (IMAGE, "")
    assert entry.result(DEEP, "test", Trust(nobody, protected=True)) == (None, "it is not signed")
    assert entry.result(NAME, "image", Trust(nobody)) == (None, "it is not signed")


def test_bytes_that_are_torn_or_of_another_place_or_format_are_no_entry(entry: Entry) -> None:
    data = entry.write()
    for wrong in (b"", b"x", data[:-1], data.replace(b"image", b"imago", 1), b"\xff" + data):
        with pytest.raises(ValueError, match="checksum"):
            Entry.read(NAME, wrong)
    for other in (OTHER, ""):
        with pytest.raises(ValueError, match="belongs elsewhere"):
            Entry.read(other, data)
    with pytest.raises(ValueError, match="belongs elsewhere"):
        Entry.read(NAME, seal({**json.loads(data.partition(b"\n")[2]), "format": 2}))
    for rubbish in ([], {}, {"name": NAME, "records": 3}, {"name": NAME, "records": {DEEP: {"kind": 1}}}):
        with pytest.raises(ValueError, match=r"expected|missing"):
            Entry.read(NAME, seal(rubbish))


def test_a_signed_result_of_another_shape_is_told_and_not_used(signer: Signer, trust: Trust) -> None:
    odd = Record("test", {"outputs": {}, "unheard": 1}, signer.key)
    signed = replace(odd, signature=signer.sign(Entry(NAME).statement(DEEP, odd)))
    result, problem = Entry(NAME, {DEEP: signed}).result(DEEP, "test", trust)
    assert result is None
    assert "unheard" in problem


@pytest.mark.parametrize(
    "result",
    [
        replace(IMAGE, artifacts=()),
        replace(IMAGE, outputs={}),
        replace(IMAGE, outputs={"image": "x"}),
        replace(IMAGE, artifacts=(BLOB, Artifact("file", name="../../.ssh/config", digest=BLOB.digest))),
        replace(IMAGE, artifacts=(replace(BLOB, digest="sha256:../../x"),)),
    ],
)
def test_an_image_is_believed_only_as_what_it_can_be(signer: Signer, trust: Trust, result: Result) -> None:
    found, problem = Entry(NAME).adding(NAME, "image", result, signer).result(NAME, "image", trust)
    assert found is None
    assert problem.startswith("it holds no result: ")


def test_an_entry_that_is_nested_without_end_is_none() -> None:
    body = b'{"name":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    with pytest.raises(ValueError, match="nested"):
        Entry.read(NAME, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)


def test_an_entry_does_not_grow_without_end(entry: Entry) -> None:
    for number in range(2 * MOST):
        entry = entry.adding(f"{number:064}", "test", PASS, None)
        assert len(entry.records) <= MOST
        assert NAME in entry.records, "the image stays"


def test_keys_that_are_none_are_refused_with_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no public key.*openssl pkey"):
        Verifier(("bm9uZQ==",), "here")
    with pytest.raises(UsageError, match="here: 'ö' is no public key"):
        Verifier(("ö",), "here")
    with pytest.raises(UsageError, match=r"holds no private ed25519 key.*openssl genpkey"):
        Signer("-----BEGIN PRIVATE KEY-----\nbm9uZQ==\n-----END PRIVATE KEY-----\n", "here")
