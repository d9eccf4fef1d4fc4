from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pysequoia
import pytest
from debian_archive import KEY, keyring, sign

from aac_plugins.debian.release import parse_release
from aac_plugins.debian.signature import ARCHIVE_KEYS, by_gpgv, by_sequoia, unsigned_text
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools

TEXT = b"Origin: Tiny\n- dashed\nDate: Sat, 21 Nov 2026 09:15:44 UTC\n"
Verify = Callable[[bytes, list[Path]], str]


@pytest.fixture(params=["pysequoia", "gpgv"])
def verify(request: pytest.FixtureRequest, make_tools: Callable[..., StepTools]) -> Verify:
    if request.param == "pysequoia":
        return lambda data, rings: by_sequoia(data, "InRelease", rings)
    if shutil.which("gpgv") is None:
        pytest.skip("gpgv is not installed")
    tools = make_tools()
    return lambda data, rings: by_gpgv(data, "InRelease", rings, tools)


def test_the_signed_text_comes_out_as_it_was_written(verify: Verify, tmp_path: Path) -> None:
    assert verify(sign(TEXT), [keyring(tmp_path / "k")]).strip() == TEXT.decode().strip()


def test_one_changed_letter_is_refused(verify: Verify, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="InRelease: not signed by one of Debian's archive keys"):
        verify(sign(TEXT).replace(b"Tiny", b"Tony"), [keyring(tmp_path / "k")])


def test_a_key_that_is_not_in_the_keyring_is_refused(verify: Verify, tmp_path: Path) -> None:
    other = pysequoia.Tsk.generate("Other")
    with pytest.raises(StepError, match="not signed by one of"):
        verify(sign(TEXT, other), [keyring(tmp_path / "k", KEY)])


def test_text_in_front_of_and_behind_the_signed_part_is_not_taken(verify: Verify, tmp_path: Path) -> None:
    wrapped = b"Evil: yes\n" + sign(TEXT) + b"Evil: too\n"
    try:
        text = verify(wrapped, [keyring(tmp_path / "k")])
    except StepError:
        return
    assert "Evil" not in text


def test_any_of_several_keyrings_will_do(verify: Verify, tmp_path: Path) -> None:
    rings = [ARCHIVE_KEYS, keyring(tmp_path / "k")]
    assert "Tiny" in verify(sign(TEXT), rings)


def test_the_shipped_keys_are_those_of_debian_12_and_13() -> None:
    certs = pysequoia.Cert.split_bytes(ARCHIVE_KEYS.read_bytes())
    names = sorted(str(user) for cert in certs for user in cert.user_ids)
    assert len(names) == 6
    assert sum("12/bookworm" in name for name in names) == sum("13/trixie" in name for name in names) == 3


def test_without_a_signature_the_text_is_the_same_dashes_unescaped() -> None:
    assert unsigned_text(sign(TEXT)).strip() == TEXT.decode().strip()
    assert unsigned_text(TEXT) == TEXT.decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<html>", "not a Release file"),
        ("Date: Sat, 21 Nov 2026 09:15:44 UTC\n", "not a Release file"),
        ("Date: yesterday\nSHA256:\n aa 1 x\n", "can't read the date 'yesterday'"),
        ("Date: Sat, 21 Nov 2026 09:15:44 UTC\nSHA256:\n aa x\n", "can't read the line"),
    ],
)
def test_a_release_file_that_can_not_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(StepError, match=f"here: {message}"):
        parse_release(text, "here")
