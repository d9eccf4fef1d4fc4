"""Commands that talk to registries and need no workspace: the tools that a plugin is lent, and who takes a login."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from aac_tasks.catalog import Catalog
from aac_tasks.cli.flags import folder
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.login import ServerRegistry
from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import UsageError
from aac_tasks.profiles import URL, RegistryProfile, chosen_profile, place_of
from aac_tasks.reporter.terminal import Lines
from aac_tasks.state.blobs import Blobs
from aac_tasks.state.root import find_root, user_cache
from aac_tasks.steps.interrupts import Cancellation, interruptible
from aac_tasks.steps.tools import StepTools, Workshop


@contextmanager
def lent(args: Arguments, world: World, profile: RegistryProfile | None = None) -> Iterator[Tools]:
    """Tools of a run that belongs to no agent; what ``profile`` allows is allowed."""
    cache = user_cache(world.environment)
    cache.mkdir(parents=True, exist_ok=True)
    blobs = Blobs(cache)
    shop = Workshop(
        tell_output=lambda line: None,
        blobs=blobs,
        scratch=blobs.scratch,
        cache=cache,
        environment=profile.allowing(world.environment) if profile else dict(world.environment),
        cancelled=Cancellation(),
        resolve_secret=lambda reference: None,
        offline=getattr(args, "offline", False),
    )
    root = find_root(folder(args, world).resolve())
    try:
        with interruptible(shop.cancelled.set, shop.kill):
            yield StepTools(shop, root, cache, lambda text, done, total: None, lambda text: Lines(world.err).write(text))
    finally:
        shop.close()


def registry_for(reference: str, catalog: Catalog) -> Registry:
    """The plugin that takes a reference; UsageError when there is none."""
    found = next((registry for registry in catalog.registries if registry.accepts(reference)), None)
    if found is None:
        raise UsageError(f"{reference!r} is no image that a registry here knows; expected HOST/NAME:TAG or oci:PATH:NAME:TAG")
    return found


def server_registry(server: str, catalog: Catalog) -> ServerRegistry:
    """The plugin that logs in at a server; UsageError when what takes the name is no server."""
    found = registry_for(f"{server}/a", catalog)
    if not hasattr(found, "log_in"):
        raise UsageError(f"{server}: registry {found.name!r} knows no logins")
    return cast("ServerRegistry", found)


def server_of(word: str, args: Arguments, world: World) -> tuple[str, RegistryProfile | None]:
    """The server that a command means: the word, else AGENT_REGISTRY_URL, else the chosen profile's, else Docker Hub."""
    name = getattr(args, "registry_profile", "")
    said = word or ("" if name else world.environment.get(URL, ""))
    if said:
        plain = RegistryProfile(said)
        return plain.server, plain
    profile = chosen_profile(name, world.environment)
    return (profile.server, profile) if profile else ("docker.io", None)


def secret_from(world: World, shown: str) -> str:
    """The first line of standard input, or what a person types; UsageError when there is neither."""
    stream = world.read or sys.stdin
    if not stream.isatty():
        secret = stream.readline().rstrip("\r\n")
        if not secret:
            raise UsageError("standard input is empty; expected the password or token on its first line")
        return secret
    import getpass  # lazy: only where a person sits

    return getpass.getpass(f"{shown}: ")


def repository_in(profile: RegistryProfile, name: str) -> str:
    """A repository below the profile's place, to try rights with."""
    path = place_of(profile.place).partition("/")[2]
    return f"{path}/{name}" if path else name
