"""`agent configure profile`: registry profiles, the user's own choices for all workspaces."""

from __future__ import annotations

from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import BUILDER, FOLDER, HELP, JSON, OFFLINE, VERBOSE
from aac_tasks.cli.world import Arguments, World
from aac_tasks.errors import UsageError

REGISTRY = Flag(("--registry",), "the registry's host; http://HOST where plain http is meant", "HOST", default="")
PREFIX = Flag(("--repository-prefix",), "what stands before every repository (a team, a project)", "PATH", default="")
USER = Flag(("--username",), "the account, for `agent login`", "USER", default="")
ABOUT = Flag(("--description",), "what it is for", "TEXT", default="")
PASSWORD = Flag(("--password-stdin",), "log in as well, with the password on standard input")
TOKEN = Flag(("--token-stdin",), "log in as well, with the token on standard input")
PAT = Flag(("--pat",), "refused: other processes see what stands on a command line; use --token-stdin", "TOKEN", default="")
DEFAULT = Flag(("--set-default",), "take it from now on, where nothing else is said")
TEST = Flag(("--test",), "ask the server at once")
REPOSITORY = Flag(("--repository",), "try rights at this repository", "NAME", default="aac-permission-check")

_PROFILE = (REGISTRY, PREFIX, BUILDER, USER, ABOUT)


def handle(args: Arguments, world: World) -> int:
    """Do one thing with profiles."""
    from aac_tasks.cli.profiling import DO  # only when there is something to do

    if args.what != "profile":
        raise UsageError(f"agent configure: {args.what!r} is nothing it can do; expected profile")
    if args.action not in DO:
        raise UsageError(f"agent configure profile: {args.action!r} is nothing it can do; expected {', '.join(DO)}")
    if args.action != "list" and not args.name:
        raise UsageError(f"agent configure profile {args.action}: name the profile")
    if args.pat:
        raise UsageError("agent configure: --pat shows the token to every process here; say --token-stdin and send it there")
    return DO[args.action](args, world)


COMMAND = Command(
    name="configure",
    summary="add, list, remove, test and choose registry profiles",
    description=(
        "`agent configure profile add|list|remove|test|set-default`. A profile holds what agent.yaml may leave open: the "
        "registry, a prefix for repositories, the builder. It is chosen with --registry-profile or AGENT_REGISTRY_PROFILE, else "
        "the default one is taken; agent.yaml, agent.lock and [tool.aac] go before it. `add` with the name of one changes what "
        "is said of it and keeps the rest. `test` asks the server: it logs in, "
        "begins an upload and takes it back."
    ),
    handle=handle,
    arguments=(
        Argument("WHAT", "profile"),
        Argument("ACTION", "add, list, remove, test or set-default"),
        Argument("NAME", "the profile's name", "maybe"),
    ),
    flags=(*_PROFILE, PASSWORD, TOKEN, PAT, DEFAULT, TEST, REPOSITORY, OFFLINE, JSON, FOLDER, VERBOSE, HELP),
    examples=(
        "agent configure profile add work --registry registry.example.org --username ada --set-default",
        "agent configure profile test work",
        "agent configure profile list --json",
    ),
)
