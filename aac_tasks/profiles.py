"""Registry profiles: what a user chooses once for all workspaces, by name (docs/adr/0009). Not the overlays of spec.profiles.

They stand in ``aac/profiles.json`` below ``$XDG_CONFIG_HOME`` (``~/.config``), mode 0600; no secret is among them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aac_tasks.contracts.codec import decode, encode
from aac_tasks.errors import StepError, UsageError

VARIABLE = "AGENT_REGISTRY_PROFILE"
URL = "AGENT_REGISTRY_URL"


@dataclass(frozen=True)
class RegistryProfile:
    """``registry`` is a host, or ``http://host`` where plain http is meant; ``repository_prefix`` stands before repositories.

    ``builder`` is taken where neither agent.lock nor ``[tool.aac]`` names one, ``username`` by `agent login`.
    """

    registry: str
    repository_prefix: str = ""
    builder: str = ""
    username: str = ""
    description: str = ""

    @property
    def server(self) -> str:
        """Host and port."""
        return place_of(self.registry).partition("/")[0]

    @property
    def place(self) -> str:
        """As ``spec.image.registry`` has it: ``host/prefix``."""
        return "/".join(part for part in (place_of(self.registry), self.repository_prefix.strip("/")) if part)

    def allowing(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment, in which plain http is allowed where this profile says so."""
        if not self.registry.startswith("http://"):
            return dict(environment)
        listed = environment.get("AAC_INSECURE_REGISTRIES", "")
        return {**environment, "AAC_INSECURE_REGISTRIES": f"{listed},{self.server}".lstrip(",")}


@dataclass(frozen=True)
class Profiles:
    """Every profile, and the name of the one that is taken when nothing is said ("": none)."""

    default: str = ""
    profiles: Mapping[str, RegistryProfile] = field(default_factory=dict)

    def get(self, name: str) -> RegistryProfile:
        """The profile of that name; UsageError with the nearest."""
        if name in self.profiles:
            return self.profiles[name]
        import difflib  # lazy: only for the message

        near = difflib.get_close_matches(name, self.profiles, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(self.profiles) or "none; `agent configure profile add NAME --registry HOST` makes one"
        raise UsageError(f"no registry profile {name!r}{hint} (there are: {known})")


def place_of(url: str) -> str:
    """``https://ghcr.io/team/`` → ``ghcr.io/team``; the API's version, which some addresses end in, is no part of it."""
    return (url.partition("://")[2] or url).strip().rstrip("/").removesuffix("/v1").removesuffix("/v2")


def profiles_file(environment: Mapping[str, str]) -> Path:
    """Where they stand."""
    home = environment.get("HOME") or str(Path.home())
    return Path(environment.get("XDG_CONFIG_HOME") or f"{home}/.config", "aac", "profiles.json")


def read_profiles(environment: Mapping[str, str]) -> Profiles:
    """All of them; UsageError when the file is not what it should be."""
    path = profiles_file(environment)
    try:
        return decode(Profiles, json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return Profiles()
    except OSError as error:
        if not os.access(path.parent, os.X_OK):  # somebody else's home: nothing in it is meant for this user
            return Profiles()
        raise UsageError(f"{path} can't be read: {error.strerror}; make it readable for you") from error
    except ValueError as error:
        raise UsageError(f"{path} holds no registry profiles: {error}; correct it, or move it away") from error


def write_profiles(profiles: Profiles, environment: Mapping[str, str]) -> Path:
    """Replace the file, mode 0600, whole or not at all."""
    path = profiles_file(environment)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.touch(0o600)
        temporary.write_text(json.dumps(encode(profiles), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StepError(f"{path} can't be written: {error.strerror or error}", hint="make the folder writable") from error
    return path


def chosen_profile(name: str, environment: Mapping[str, str]) -> RegistryProfile | None:
    """The profile ``name``, else the one that AGENT_REGISTRY_PROFILE names, else the default one, else None."""
    known = read_profiles(environment)
    name = name or environment.get(VARIABLE, "") or known.default
    return known.get(name) if name else None


def default_registry(name: str, environment: Mapping[str, str]) -> str:
    """Where images go whose agent.yaml names no registry: profile ``name``, AGENT_REGISTRY_URL, else the chosen profile."""
    url = environment.get(URL, "")
    if url and not name:
        return place_of(url)
    profile = chosen_profile(name, environment)
    return profile.place if profile else ""
