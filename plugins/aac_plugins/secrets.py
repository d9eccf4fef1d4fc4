"""Secret references that need nothing but the machine: ``env:NAME`` and ``file:PATH``, and the system keyring.

References of other kinds (``vault:…``, ``kubernetes:…``) are left to other plugins.
"""

from __future__ import annotations

import os
from pathlib import Path

from aac_tasks.errors import StepError
from aac_tasks.hookspecs import hookimpl


@hookimpl
def aac_resolve_secret(ref: str) -> str | None:
    """``env:NAME`` → that variable; ``file:PATH`` → the file without its last line break; ``keyring:SERVICE/USER``."""
    provider, _, key = ref.partition(":")
    if provider == "env":
        return os.environ.get(key)
    if provider == "file":
        return _file(key)
    return _keyring(key) if provider == "keyring" else None


def _file(key: str) -> str | None:
    try:
        return Path(key).expanduser().read_text(encoding="utf-8").removesuffix("\n")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StepError(f"secret file {key} can't be read: {error}", hint="make it readable for you") from error


def _keyring(key: str) -> str | None:
    try:
        import keyring  # lazy: an optional library (pip install keyring)
    except ModuleNotFoundError as error:
        raise StepError(f"secret keyring:{key} needs the keyring library", hint="pip install keyring") from error
    service, _, user = key.partition("/")
    value: str | None = keyring.get_password(service, user)
    return value
