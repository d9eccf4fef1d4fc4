"""What `agent configure profile` does: one function per word."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from aac_tasks.cli import show
from aac_tasks.cli.commands.login import log_in
from aac_tasks.cli.lending import lent, repository_in, server_registry
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.login import Permission
from aac_tasks.errors import UsageError
from aac_tasks.profiles import Profiles, RegistryProfile, profiles_file, read_profiles, write_profiles

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HOST = re.compile(r"(?:https?://)?(?:[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?(?:/[a-z0-9._/-]+)?/?")


def add(args: Arguments, world: World) -> int:
    """Make a profile, or change what is said of one; with a secret on standard input, log in first, so that a refused one leaves
    nothing.
    """
    known = read_profiles(world.environment)
    profile = _profile(args, known.profiles.get(args.name))
    if args.builder:
        world.plugins().catalog.builders.get(args.builder)
    kept = "unchanged"
    if args.password_stdin or args.token_stdin:
        words = argparse.Namespace(**{**vars(args), "registry_profile": ""})
        kept = f"kept by {log_in(profile.server, profile, words, world).where}"
    default = args.name if args.set_default else known.default
    path = write_profiles(Profiles(default, {**known.profiles, args.name: profile}), world.environment)
    if args.test:
        return test(args, world)
    if args.json:
        show.document(world, {"name": args.name, **_facts(profile), "default": default == args.name, "file": str(path)})
        return 0
    show.line(world, f"profile {args.name}: {profile.place}, in {path}; login {kept}")
    return 0


def list_(args: Arguments, world: World) -> int:
    """Show them all; they hold no secrets."""
    known = read_profiles(world.environment)
    if args.json:
        rows: list[Json] = [{"name": n, **_facts(p), "default": n == known.default} for n, p in known.profiles.items()]
        show.document(world, {"profiles": rows, "file": str(profiles_file(world.environment))})
    elif known.profiles:
        head = ("NAME", "REGISTRY", "BUILDER", "USER", "DESCRIPTION")
        marked = {name: f"{name} (default)" if name == known.default else name for name in known.profiles}
        show.table(world, head, [(marked[n], p.place, p.builder, p.username, p.description) for n, p in known.profiles.items()])
    else:
        show.line(world, "no registry profiles; `agent configure profile add NAME --registry HOST` makes one")
    return 0


def remove(args: Arguments, world: World) -> int:
    """Forget a profile; its login stays until `agent logout`."""
    known = read_profiles(world.environment)
    server = known.get(args.name).server
    left = {name: profile for name, profile in known.profiles.items() if name != args.name}
    write_profiles(Profiles("" if known.default == args.name else known.default, left), world.environment)
    if args.json:
        show.document(world, {"removed": args.name})
    else:
        show.line(world, f"profile {args.name} removed; a login stays until `agent logout {server}`")
    return 0


def set_default(args: Arguments, world: World) -> int:
    """Take it from now on."""
    known = read_profiles(world.environment)
    place = known.get(args.name).place
    write_profiles(Profiles(args.name, known.profiles), world.environment)
    if args.json:
        show.document(world, {"default": args.name})
    else:
        show.line(world, f"profile {args.name} ({place}) is the default now")
    return 0


def test(args: Arguments, world: World) -> int:
    """Ask the server who it takes us for and whether we may push; exit 1 when not."""
    profile = read_profiles(world.environment).get(args.name)
    repository = repository_in(profile, args.repository)
    with lent(args, world, profile) as tools:
        found = server_registry(profile.server, world.plugins().catalog).permission(profile.server, repository, tools)
    if args.json:
        show.document(world, {"profile": args.name, **_said(found)})
    else:
        show.line(world, f"{found.url} answers")
        show.line(world, f"login: {found.login or 'none'}")
        how = "begun and taken back" if found.taken_back else "begun, and left to be forgotten"
        show.line(world, found.refusal or f"may push to {found.registry}/{found.repository}: an upload was {how}")
    return 1 if found.refusal else 0


def _profile(args: Arguments, before: RegistryProfile | None) -> RegistryProfile:
    if not _NAME.fullmatch(args.name):
        raise UsageError(f"{args.name!r} can't be a profile's name; it takes letters, digits, '.', '_' and '-'")
    if not (_HOST.fullmatch(args.registry) or (before and not args.registry)):
        wrong = f"{args.registry!r} is not a registry" if args.registry else "--registry is missing"
        expected = "expected HOST[:PORT], as in ghcr.io or registry.example.org:5000"
        raise UsageError(f"agent configure profile add: {wrong}; {expected}")
    said = {
        "registry": args.registry.removeprefix("https://").rstrip("/"),
        "repository_prefix": args.repository_prefix.strip("/"),
        "builder": args.builder,
        "username": args.username,
        "description": args.description,
    }
    return replace(before or RegistryProfile(""), **{name: value for name, value in said.items() if value})


def _facts(profile: RegistryProfile) -> dict[str, str]:
    return {"registry": profile.registry, "place": profile.place, **dict(vars(profile))}


def _said(found: Permission) -> dict[str, Json]:
    return {**vars(found), "push": not found.refusal}


DO: Mapping[str, Callable[[Arguments, World], int]] = {
    "add": add,
    "list": list_,
    "remove": remove,
    "test": test,
    "set-default": set_default,
}
