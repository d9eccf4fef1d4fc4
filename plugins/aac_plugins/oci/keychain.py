"""Logins in the system's keyring (macOS Keychain, Secret Service, KWallet …), through the optional library ``keyring``.

Which registries have one there is noted in a file without secrets, so that nobody who keeps none pays for the library.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.oci.private_file import read_private, write_private
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from types import ModuleType

SERVICE = "agent login"
"""What the entry is called in the keyring; its user is the registry."""


def usable() -> bool:
    """Whether the library is installed and has a keyring here: a server without a session has none."""
    library = _library()
    return library is not None and library.get_keyring().priority >= 1


def get(registry: str, tools: Tools) -> tuple[str, str] | None:
    """(user, secret), None when none is noted; StepError when the keyring does not give what is noted."""
    if registry not in _noted(tools):
        return None
    library = _library()
    secret = library.get_password(SERVICE, registry) if library is not None else None
    if secret is None:
        reason = "does not have it any more" if library is not None else "needs the keyring library (pip install keyring)"
        raise StepError(
            f"the login for {registry} is in the system's keyring, which {reason}",
            hint=f"agent logout {registry}, then log in again",
        )
    return str(_noted(tools)[registry]), str(secret)


def store(registry: str, user: str, secret: str, tools: Tools) -> str:
    """Keep a login; the keyring's name."""
    library = _library()
    assert library is not None  # noqa: S101  # `usable` said so
    library.set_password(SERVICE, registry, secret)
    write_private(_notes(tools), {"keyring": {**_noted(tools), registry: user}})
    return f"the system's keyring ({library.get_keyring().name})"


def erase(registry: str, tools: Tools) -> bool:
    """Forget it; whether there was one."""
    noted = _noted(tools)
    if registry not in noted:
        return False
    library = _library()
    if library is not None and library.get_password(SERVICE, registry) is not None:
        library.delete_password(SERVICE, registry)
    write_private(_notes(tools), {"keyring": {name: user for name, user in noted.items() if name != registry}})
    return True


def _noted(tools: Tools) -> dict[str, object]:
    noted = read_private(_notes(tools)).get("keyring")
    return noted if isinstance(noted, dict) else {}


def _notes(tools: Tools) -> Path:
    home = tools.environment("HOME") or ""
    return Path(tools.environment("XDG_CONFIG_HOME") or f"{home}/.config", "aac", "logins.json")


def _library() -> ModuleType | None:
    try:
        import keyring  # lazy: an optional library, slow to load
    except ModuleNotFoundError:
        return None
    return keyring  # type: ignore[no-any-return,unused-ignore]
