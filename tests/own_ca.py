"""A certificate authority of our own, made by `openssl`, as companies have them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from aac_tasks.testing import need

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout")


def make_ca(folder: Path) -> Path:
    """A self-signed CA; the path of its certificate (``ca.pem``, key beside it)."""
    need(shutil.which("openssl"), "openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    key = [*_NEW_KEY, "ca.key"]
    about = ["-subj", "/CN=A CA for tests", "-addext", "basicConstraints=critical,CA:TRUE", "-days", "2"]
    _openssl(folder, "req", "-x509", *key, *about, "-out", "ca.pem")
    return folder / "ca.pem"


def make_certificate(ca: Path, name: str, alternatives: str) -> tuple[Path, Path]:
    """A server's certificate and key, signed by ``ca``; ``alternatives`` as in ``DNS:localhost,IP:::1``."""
    folder = ca.parent
    key = [*_NEW_KEY, f"{name}.key"]
    _openssl(folder, "req", *key, "-subj", f"/CN={name}", "-out", f"{name}.csr")
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
    signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext"]
    _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signed, "-out", f"{name}.pem")
    return folder / f"{name}.pem", folder / f"{name}.key"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, text=True)
