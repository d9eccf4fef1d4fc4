"""`agent pull`: bring an image from its registry into the store of this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import JSON, OF_PLATFORM, OFFLINE, PLACE, platforms
from aac_tasks.cli.lending import lent, registry_for
from aac_tasks.cli.naming import resolve
from aac_tasks.cli.stepping import looking
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.actions import PushAction
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import Platform, StoredImage
from aac_tasks.contracts.roles import Registry
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError, UsageError
from aac_tasks.profiles import chosen_profile
from aac_tasks.reporter.wording import size

_REFERENCE = re.compile(r"[^/]*[:@].*|[^/]+\.[^/]+/.+|localhost/.+|.+/[^/]*[:@][^/]*")
"""What can only be an image: a tag, a digest, or a first part that is a host. Everything else is an agent."""


@dataclass(frozen=True)
class Pulled:
    """What came. ``index`` is the digest that the name stands for, where that is an index; ``size`` in bytes; ``name`` what it is
    called here.
    """

    reference: str
    digest: str
    platform: str
    layers: int
    size: int
    index: str = ""
    name: str = ""


def handle(args: Arguments, world: World) -> int:
    """Fetch it, every byte verified, and say what came."""
    reference = args.image if _REFERENCE.fullmatch(args.image) else _pushed_as(args, world)
    registry = registry_for(reference, world.plugins().catalog)
    asked = tuple(dict.fromkeys(platforms(args)))
    with lent(args, world, chosen_profile(args.registry_profile, world.environment)) as tools:
        pulled = [_pull(registry, reference, platform, tools) for platform in asked or (None,)]
    name = _named(args, world, reference, [image for image, _ in pulled])
    found = [_facts(reference, image, named, name) for image, named in pulled]
    if args.json:
        show.document(world, encode(found[0]) if len(found) == 1 else {"images": encode(found)})
        return 0
    for one in found:
        exact = f"{reference.partition('@')[0]}@{one.digest}"
        show.line(world, f"{exact}  {one.platform}  {one.layers} layers  {size(one.size)}, verified")
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


def _pull(registry: Registry, reference: str, platform: Platform | None, tools: Tools) -> tuple[StoredImage, str]:
    """The image, and the digest that the name stands for; StepError where there is none for a platform that was asked for."""
    named = registry.resolve(reference, tools)
    if named is None:
        raise StepError(f"{reference}: there is no such image in the registry", hint="check name and tag")
    exact = f"{reference.partition('@')[0]}@{named}"  # the tag may move meanwhile
    by = exact if registry.accepts(exact) and hasattr(registry, "log_in") else reference
    image = registry.pull(by, platform or Platform(), tools)
    if platform is not None and not image.platform.suits(platform):  # no index: it was taken as what it is
        raise StepError(f"{reference} has no image for {platform}; it has: {image.platform}")
    return image, str(named)


def _named(args: Arguments, world: World, reference: str, images: list[StoredImage]) -> str:
    """Remember them in this workspace; the name."""
    from aac_tasks.known import name_of  # --help must not pay for it

    with looking(args, world) as session:
        world.images(session).name(images, (name_of(reference),))
    return name_of(reference)


def _facts(reference: str, image: StoredImage, named: str, name: str) -> Pulled:
    total = sum(blob.size for blob in image.blobs)
    index = "" if named == image.manifest.digest else named
    return Pulled(reference, str(image.manifest.digest), str(image.platform), len(image.layers), total, index, name)


COMMAND = Command(
    name="pull",
    summary="bring an image from its registry into the store here",
    description=(
        "A name with a tag, a digest or a host is an image; any other word is an agent, whose first pushed name is meant. Of an "
        "index, the image for --platform is taken. Every byte is verified. `agent images` lists it."
    ),
    handle=handle,
    arguments=(Argument("IMAGE", "HOST/NAME:TAG, HOST/NAME@DIGEST, oci:PATH:NAME:TAG, or an agent's name or folder"),),
    flags=(JSON, OF_PLATFORM, OFFLINE, *PLACE),
    examples=("agent pull ghcr.io/ada/hello:1.0.0", "agent pull hello --platform linux/arm64 --json"),
)
