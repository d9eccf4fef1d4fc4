"""What of a package comes into a root, and where: the decisions, as data and small pure functions."""

from __future__ import annotations

import stat
from collections.abc import Mapping

ROOT_FORMAT = 1
"""Raised when the same packages would give another root."""

MERGED = ("bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32")
"""Top folders that are links into /usr since Debian 12 (https://wiki.debian.org/UsrMerge)."""

DROPPED = (
    "usr/share/bash-completion/",
    "usr/share/bug/",
    "usr/share/doc-base/",
    "usr/share/fish/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/share/zsh/",
)
"""For people at a shell, or for tools that check packages (``usr/lib/locale`` makes UTF-8 work: it stays)."""

_DOC = "usr/share/doc/"

USERS = """\
root:x:0:0:root:/root:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
app:x:10001:10001:app:/app:/usr/sbin/nologin
"""

GROUP = """\
root:x:0:
nogroup:x:65534:
app:x:10001:
"""

NSSWITCH = """\
passwd:         files
group:          files
shadow:         files
hosts:          files dns
networks:       files
protocols:      files
services:       files
"""

FILES: Mapping[str, str] = {"etc/passwd": USERS, "etc/group": GROUP, "etc/nsswitch.conf": NSSWITCH}
"""Written by maintainer scripts in a full Debian (base-passwd, libc-bin)."""

FOLDERS: Mapping[str, int] = {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "run": 0o755}

LINKS: Mapping[str, str] = {
    # the package openssl brings these two, and a program that is not needed
    "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
    "usr/lib/ssl/certs": "/etc/ssl/certs",
}

CERTIFICATES = "usr/share/ca-certificates/"
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
"""update-ca-certificates(8) joins the certificates of the first into the second."""

JAVA = "usr/lib/jvm/"
JAVA_STORE = "etc/ssl/certs/java/cacerts"
"""Where a root holds the first, it gets the second, which Debian's JREs link to."""


def merged(path: str) -> str:
    """Where ``path`` is once /bin, /lib … are links into /usr."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def kept(path: str, parts: tuple[str, ...] = ()) -> bool:
    """Whether a member comes into the root. ``parts``: only these folders of its package do.

    Licences oblige whoever passes a program on to pass on its copyright file, so that always comes; links to
    another package's documentation folder too, as some packages share one. No .pyc: theirs would hold the
    build's dates.
    """
    if path.startswith(_DOC):
        rest = path.removeprefix(_DOC)
        return "/" not in rest or rest.endswith("/copyright")
    if parts and not any(f"{path}/".startswith(part) for part in parts):
        return False
    if "__pycache__" in path or path.endswith(".pyc"):
        return False
    return not any(f"{path}/".startswith(dropped) for dropped in DROPPED)


def file_mode(mode: int) -> int:
    """Without set-user-id, set-group-id and sticky.

    Nobody in a minimal root has to become somebody else, and such programs are how a process that got in as
    ``app`` would become root.
    """
    return mode & 0o777


def folder_mode(mode: int) -> int:
    """The sticky bit stays (/tmp); set-group-id goes, all owners being root."""
    return stat.S_IMODE(mode) & 0o1777
