"""`agent login`: show a registry who one is, and keep what it took."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import FOLDER, HELP, JSON, OFFLINE, REGISTRY_PROFILE, VERBOSE
from aac_tasks.cli.lending import lent, secret_from, server_of, server_registry
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.login import LoggedIn, Login
from aac_tasks.errors import UsageError
from aac_tasks.profiles import RegistryProfile

USER = Flag(("-u", "--username"), "the account", "USER", default="")
PASSWORD = Flag(("--password-stdin",), "read the password from standard input")
TOKEN = Flag(("--token-stdin",), "read a token from standard input; it may do without --username")
SECRETS = (USER, PASSWORD, TOKEN)


def handle(args: Arguments, world: World) -> int:
    """Ask the server, then keep the login."""
    server, profile = server_of(args.registry or "", args, world)
    done = log_in(server, profile, args, world)
    if args.json:
        show.document(world, encode(done))
        return 0
    who = f" as {done.user}" if done.user else ""
    unchecked = "" if done.checked else " (it lets everybody in and did not look at the password)"
    show.line(world, f"logged in at {done.registry}{who}{unchecked}; kept by {done.where}")
    return 0


def log_in(server: str, profile: RegistryProfile | None, args: Arguments, world: World) -> LoggedIn:
    """Read the secret and log in, as the flags in ``SECRETS`` say."""
    if args.password_stdin and args.token_stdin:
        raise UsageError("agent login: --password-stdin and --token-stdin exclude each other")
    user = args.username or (profile.username if profile else "")
    registry = server_registry(server, world.plugins().catalog)
    secret = secret_from(world, f"token for {server}" if args.token_stdin else f"password of {user or 'the user'} at {server}")
    with lent(args, world, profile) as tools:
        return registry.log_in(server, Login(user, secret, args.token_stdin), tools)


COMMAND = Command(
    name="login",
    summary="log in at a registry: the server checks it, then it is kept",
    description=(
        "Kept by the credential helper that Docker's configuration names, else in the system's keyring (pip install keyring), "
        "else in Docker's configuration file. On a terminal the password is asked for."
    ),
    handle=handle,
    arguments=(
        Argument("REGISTRY", "host[:port]; else AGENT_REGISTRY_URL, else the registry profile's, else docker.io", "maybe"),
    ),
    flags=(*SECRETS, REGISTRY_PROFILE, OFFLINE, JSON, FOLDER, VERBOSE, HELP),
    examples=("agent login ghcr.io -u ada --password-stdin", "agent login registry.example.org --token-stdin"),
)
