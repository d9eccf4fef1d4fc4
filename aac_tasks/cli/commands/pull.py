"""`agent pull`: bring an image from its registry into the store of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import LOOK
from aac_tasks.cli.lending import lent, registry_for
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.actions import PushAction
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError, UsageError
from aac_tasks.profiles import chosen_profile
from aac_tasks.reporter.wording import size

_REFERENCE = re.compile(r"[^/]*[:@].*|[^/]+\.[^/]+/.+|localhost/.+|.+/[^/]*[:@][^/]*")
"""What can only be an image: a tag, a digest, or a first part that is a host. Everything else is an agent."""


@dataclass(frozen=True)
class Pulled:
    """What came. ``index`` is the digest that the name stands for, where that is an index; ``size`` in bytes."""

    reference: str
    digest: str
    platform: str
    layers: int
    size: int
    index: str = ""


def handle(args: Arguments, world: World) -> int:
    """Fetch it, every byte verified, and say what came."""
    reference = args.image if _REFERENCE.fullmatch(args.image) else _pushed_as(args, world)
    registry = registry_for(reference, world.plugins().catalog)
    platforms = [Platform.parse(text) for text in args.platform] or [Platform()]
    with lent(args, world, chosen_profile(args.registry_profile, world.environment)) as tools:
        found = [_pull(registry, reference, platform, tools) for platform in platforms]
    if args.json:
        show.document(world, encode(found[0]) if len(found) == 1 else {"images": encode(found)})
        return 0
    for one in found:
        show.line(world, f"{reference}@{one.digest}  {one.platform}  {one.layers} layers  {size(one.size)}, verified")
    return 0


def _pushed_as(args: Arguments, world: World) -> str:
    """The first name that an agent's image is pushed under."""
    with looking(args, world) as session:
        names = resolve([args.image], session)
        if len(names) != 1:
            raise UsageError(f"agent pull brings one image; name one of {', '.join(names)}")
        step = session.step(f"push:{names[0]}")
    if step.action is None:
        raise UsageError(step.pending)
    return decode(PushAction, step.action).refs[0]


def _pull(registry: Registry, reference: str, platform: Platform, tools: Tools) -> Pulled:
    named = registry.resolve(reference, tools)
    if named is None:
        raise StepError(f"{reference}: there is no such image in the registry", hint="check name and tag")
    exact = f"{reference.partition('@')[0]}@{named}"  # the tag may move meanwhile
    image = registry.pull(exact if registry.accepts(exact) and hasattr(registry, "log_in") else reference, platform, tools)
    total = sum(blob.size for blob in (image.manifest, image.config, *(layer.blob for layer in image.layers)))
    index = "" if named == image.manifest.digest else str(named)
    return Pulled(reference, str(image.manifest.digest), str(image.platform), len(image.layers), total, index)


COMMAND = Command(
    name="pull",
    summary="bring an image from its registry into the store here",
    description=(
        "A name with a tag, a digest or a host is an image; any other word is an agent, whose first pushed name is meant. Of an "
        "index, the image for --platform is taken. Every byte is verified."
    ),
    handle=handle,
    arguments=(Argument("IMAGE", "HOST/NAME:TAG, HOST/NAME@DIGEST, oci:PATH:NAME:TAG, or an agent's name or folder"),),
    flags=LOOK,
    examples=("agent pull ghcr.io/ada/hello:1.0.0", "agent pull hello --platform linux/arm64 --json"),
)
