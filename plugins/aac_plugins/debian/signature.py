"""Clear-signed files (RFC 9580, section 7): who signed them, and the text that was signed.

Only the text that comes out of the verifier is ever parsed; what stands around it in the file is not trusted.
pysequoia does it in a few milliseconds; gpgv is asked where there is no build of pysequoia for the host's
Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aac_tasks.contracts.tools import Process, Tools
from aac_tasks.errors import StepError

ARCHIVE_KEYS = Path(__file__).parent / "archive.gpg"
"""The archive, security and release keys of bookworm and trixie (Debian's package debian-archive-keyring)."""

_HINT = "if this mirror is yours and unsigned on purpose, set AAC_DEBIAN_ALLOW_UNSIGNED=1"


def signed_text(data: bytes, where: str, keyrings: Sequence[Path], tools: Tools) -> str:
    """The text that one of ``keyrings``' keys signed; StepError when there is no such signature."""
    if not data.startswith(b"-----BEGIN PGP SIGNED MESSAGE-----"):
        raise StepError(f"{where}: not signed", hint=_HINT)
    try:
        # Imported here: an extension module that only a run that locks a Debian base needs.
        import pysequoia  # noqa: F401
    except ImportError:
        return by_gpgv(data, where, keyrings, tools)
    return by_sequoia(data, where, keyrings)


def by_sequoia(data: bytes, where: str, keyrings: Sequence[Path]) -> str:
    """Verify with pysequoia; one good signature by a known key is enough, as it is for apt."""
    import pysequoia  # lazy, see signed_text

    certs = [cert for keyring in keyrings for cert in pysequoia.Cert.split_bytes(keyring.read_bytes())]
    asked: list[str] = []

    def known(key_ids: list[str]) -> list[pysequoia.Cert]:
        asked.extend(key_ids)
        return certs

    try:
        result = pysequoia.verify(data, store=known)
    except Exception as error:  # pysequoia raises plain exceptions of several classes
        raise _refused(where, f"{error}; signed by {', '.join(asked) or 'nobody'}") from error
    if result.bytes is None or not result.valid_sigs:
        raise _refused(where, "no valid signature")
    return bytes(result.bytes).decode("utf-8", "replace")


def by_gpgv(data: bytes, where: str, keyrings: Sequence[Path], tools: Tools) -> str:
    """Verify with gpgv, whose machine-readable status names each signature (GnuPG, doc/DETAILS)."""
    program = tools.which("gpgv")
    if program is None:
        raise StepError(
            f"{where}: nothing here can verify its signature",
            hint="install the Python package pysequoia, or gpgv from your system's packages",
        )
    with tools.scratch() as folder:
        signed, text = folder / "InRelease", folder / "Release"
        signed.write_bytes(data)
        rings = [argument for ring in keyrings for argument in ("--keyring", str(ring.absolute()))]
        done = tools.run(Process((str(program), "--status-fd=1", *rings, f"--output={text}", str(signed)), timeout=30))
        words = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("[GNUPG:] ")]
        if "VALIDSIG" not in words or "BADSIG" in words or not text.is_file():
            raise _refused(where, done.tail or "gpgv found no valid signature")
        return text.read_text(encoding="utf-8", errors="replace")


def unsigned_text(data: bytes) -> str:
    """The text of a file whose signature nobody looked at: only for mirrors trusted by saying so."""
    text = data.decode("utf-8", "replace")
    if not text.startswith("-----BEGIN PGP SIGNED MESSAGE-----"):
        return text
    body = text.partition("\n\n")[2].partition("\n-----BEGIN PGP SIGNATURE-----")[0]
    return "\n".join(line.removeprefix("- ") for line in body.splitlines())


def _refused(where: str, why: str) -> StepError:
    return StepError(
        f"{where}: not signed by one of Debian's archive keys as it stands ({' '.join(why.split())})",
        hint="the mirror or something on the way changed the file: use another mirror (AAC_DEBIAN_MIRROR), "
        "name your own mirror's keys in AAC_DEBIAN_KEYRING, or take it unsigned (AAC_DEBIAN_ALLOW_UNSIGNED=1)",
    )
