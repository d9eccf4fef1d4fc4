"""`agent logout`: forget a login."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command
from aac_tasks.cli.flags import FOLDER, HELP, JSON, REGISTRY_PROFILE, VERBOSE
from aac_tasks.cli.lending import lent, server_of, server_registry
from aac_tasks.cli.world import Arguments, World


def handle(args: Arguments, world: World) -> int:
    """Forget it wherever it was kept."""
    server, profile = server_of(args.registry or "", args, world)
    with lent(args, world, profile) as tools:
        places = server_registry(server, world.plugins().catalog).log_out(server, tools)
    if args.json:
        show.document(world, {"registry": server, "removed": list(places)})
    elif places:
        show.line(world, f"logged out of {server}; removed from {', '.join(places)}")
    else:
        show.line(world, f"no login for {server} was kept")
    return 0


COMMAND = Command(
    name="logout",
    summary="forget the login for a registry",
    handle=handle,
    arguments=(
        Argument("REGISTRY", "host[:port]; else AGENT_REGISTRY_URL, else the registry profile's, else docker.io", "maybe"),
    ),
    flags=(REGISTRY_PROFILE, JSON, FOLDER, VERBOSE, HELP),
    examples=("agent logout ghcr.io",),
)
