"""A Debian archive of a few tiny packages, signed with a key made for the test, and served from a folder."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

import pysequoia

NOW = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
SUITES = {
    "trixie": "debian",
    "trixie-updates": "debian",
    "trixie-security": "debian-security",
    "stable": "debian",
}
KEY = pysequoia.Tsk.generate("Tiny Archive <archive@example.org>")


def file(path: str, data: bytes | str = b"", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(f"./{path}")
    content = data.encode() if isinstance(data, str) else data
    info.size, info.mode = len(content), mode
    return info, content


def folder(path: str, mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    return special(f"./{path}/", tarfile.DIRTYPE, mode=mode)


def link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return special(f"./{path}", tarfile.SYMTYPE, target)


def hard_link(path: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return special(f"./{path}", tarfile.LNKTYPE, target)


def special(name: str, kind: bytes, target: str = "", mode: int = 0o777) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info, b""


def tar(members: Sequence[tuple[tarfile.TarInfo, bytes]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in members:
            info.mtime = info.mtime or 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def ar(parts: Mapping[str, bytes]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts.items():
        out += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def deb(control: str, members: Sequence[tuple[tarfile.TarInfo, bytes]], compression: str = "xz") -> bytes:
    packed = {"xz": lzma.compress, "gz": lambda data: gzip.compress(data, mtime=0), "zst": bytes}[compression]
    return ar(
        {
            "debian-binary": b"2.0\n",
            "control.tar.xz": lzma.compress(tar([file("control", control)])),
            f"data.tar.{compression}": packed(tar(members)),
        }
    )


@dataclass
class TinyArchive:
    """``top`` holds ``debian`` and ``debian-security``, laid out as the real archives are."""

    top: Path
    url: str = ""
    paragraphs: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def add(
        self,
        name: str,
        version: str = "1.0",
        *members: tuple[tarfile.TarInfo, bytes],
        suite: str = "trixie",
        architecture: str = "amd64",
        **fields: str,
    ) -> Path:
        """Put a package into a suite; ``fields`` are Depends, Pre_Depends, Provides, Priority."""
        lines = [f"Package: {name}", f"Version: {version}", f"Architecture: {architecture}"]
        lines += [f"{key.replace('_', '-')}: {value}" for key, value in fields.items()]
        control = "\n".join(lines) + "\n"
        data = deb(control, members or [file(f"usr/share/doc/{name}/copyright", f"licence of {name}\n")])
        filename = f"pool/main/{name}_{version.replace(':', '%3a')}_{architecture}.deb"
        path = self.top / SUITES[suite] / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        paragraph = f"{control}Filename: {filename}\nSize: {len(data)}\nSHA256: {digest}\nDescription: tiny\n more\n"
        self.paragraphs.setdefault((suite, architecture), []).append(paragraph)
        return path

    def minimal(self) -> None:
        """What every root holds."""
        self.add("base-files", "13", file("usr/lib/os-release", "ID=debian\n"), Pre_Depends="awk")
        self.add("libc-bin", "2.41", file("usr/lib/locale/C.utf8/LC_CTYPE"), file("usr/bin/ldd", "#!/bin/bash"))
        certificates = [file(f"usr/share/ca-certificates/mozilla/{n}.crt", f"-----{n}-----\n") for n in ("B_Root", "A_Root")]
        script = file("usr/sbin/update-ca-certificates", "#!/bin/sh\n", 0o755)
        self.add("ca-certificates", "2025", *certificates, script, Depends="openssl, debconf | debconf-2.0")
        self.add("netbase", "6.5", file("etc/services", "https 443/tcp\n"))
        self.add("tzdata", "2026f", file("usr/share/zoneinfo/UTC", "TZif2"))
        self.add("libc6", "2.41", file("usr/lib/x86_64-linux-gnu/libc.so.6", b"\x7fELF" * 5000, 0o755))

    def python(self, version: str = "3.13") -> None:
        """An interpreter of sorts, as Debian cuts it into packages."""
        full = f"{version}.5-2"
        minimal = [file(f"usr/bin/python{version}", "#!interpreter", 0o755)]
        self.add(
            f"python{version}-minimal",
            full,
            *minimal,
            Depends=f"libpython{version}-minimal (= {full}), libc6",
        )
        library = file(f"usr/lib/python{version}/os.py", "name = 'posix'\n")
        self.add(f"libpython{version}-minimal", full, library, Depends="libc6 (>= 2.14)")
        self.add(f"libpython{version}-stdlib", full, file(f"usr/lib/python{version}/json.py"), Depends="libc6")
        self.add("python3-minimal", full, Pre_Depends=f"python{version}-minimal (>= {version})", Depends="dpkg")

    def publish(self, *, key: pysequoia.Tsk | None = KEY, valid_until: str = "", **changed: str) -> None:
        """Write every suite's indices and sign them; ``changed`` replaces fields (Suite, Codename, Date)."""
        for suite, archive in SUITES.items():
            dists = self.top / archive / "dists" / suite
            packages = dists / "main" / "binary-amd64" / "Packages.xz"
            packages.parent.mkdir(parents=True, exist_ok=True)
            source = "trixie" if suite == "stable" else suite
            text = "\n".join(self.paragraphs.get((source, "amd64"), []))
            packages.write_bytes(lzma.compress(text.encode()))
            (dists / "InRelease").write_bytes(self.release(suite, packages, key, valid_until, changed))

    def release(
        self,
        suite: str,
        packages: Path,
        key: pysequoia.Tsk | None,
        valid_until: str,
        changed: Mapping[str, str],
    ) -> bytes:
        data = packages.read_bytes()
        fields = {
            "Suite": suite.replace("trixie", "stable"),
            "Codename": suite.replace("stable", "trixie"),
            "Date": "Sat, 21 Nov 2026 09:15:44 UTC",
            **({"Valid-Until": valid_until} if valid_until else {}),
            **changed,
        }
        lines = [f"{name}: {value}" for name, value in fields.items()]
        listed = f"SHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} main/binary-amd64/Packages.xz\n"
        text = ("\n".join(lines) + "\n" + listed).encode()
        return text if key is None else sign(text, key)

    def in_release(self, suite: str = "trixie") -> Path:
        return self.top / SUITES[suite] / "dists" / suite / "InRelease"

    def packages(self, suite: str = "trixie") -> Path:
        return self.in_release(suite).parent / "main" / "binary-amd64" / "Packages.xz"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AAC_DEBIAN_MIRROR": f"{self.url}/debian",
            "AAC_DEBIAN_SECURITY_MIRROR": f"{self.url}/debian-security/",
            "AAC_DEBIAN_SNAPSHOT_MIRROR": f"{self.url}/snapshot",
        }


def sign(text: bytes, key: pysequoia.Tsk = KEY) -> bytes:
    signed: bytes = pysequoia.sign(key.signer(), text, mode=pysequoia.SignatureMode.CLEAR)
    return signed


def keyring(path: Path, key: pysequoia.Tsk = KEY) -> Path:
    path.write_bytes(bytes(key.extract_certificate()))
    return path


def members_of(layer: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(layer) as archive:
        return {info.name: info for info in archive}


def text_of(layer: Path, path: str) -> str:
    with tarfile.open(layer) as archive:
        member = archive.extractfile(path)
        assert member is not None
        return member.read().decode()
