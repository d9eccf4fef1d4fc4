"""`agent ci`: the pipeline of a CI service, and its jobs for one commit."""

from __future__ import annotations

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import FOLDER, HELP, JSON, VERBOSE, folder, options
from aac_tasks.cli.pipeline_file import difference, read, repository_of, write
from aac_tasks.cli.pipeline_flags import WISHES, vendor_of, wish_of
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.result import Event
from aac_tasks.errors import UsageError
from aac_tasks.pipelines import VENDORS, Vendor, Wish, is_ours, shares
from aac_tasks.reporter.terminal import Lines
from aac_tasks.state.root import find_root

CHECK = Flag(("--check",), "say whether the file is what would be written; exit code 1 and the difference when it is not")
STDOUT = Flag(("--stdout",), "print the pipeline instead of writing a file")
FORCE = Flag(("--force",), "overwrite a file that `agent ci` did not write")
OUTPUT = Flag(("-o", "--output"), "the file, from the repository's top, instead of the vendor's usual one", "FILE", default="")
SINCE = Flag(("--since",), "print the jobs for agents that differ from this commit; all when it is not known here", "COMMIT")


def handle(args: Arguments, world: World) -> int:
    """Print, compare or write."""
    _refuse_contradiction(args)
    vendor = vendor_of(args.vendor)
    root = find_root(folder(args, world).resolve())
    top = repository_of(root)
    wish = wish_of(args, root, top)
    if args.since is not None:
        return _jobs(vendor, wish, args, world)
    text = vendor.write(wish)
    if args.stdout:
        show.text(world, text)
        return 0
    name = args.output or vendor.file
    file = top / name
    before = read(file)
    if args.check:
        found = difference(name, before, text)
        same = before == text
        _say(args, world, {"file": name, "same": same, "difference": found}, f"{name} is up to date" if same else found)
        return 0 if same else 1
    if before is not None and not is_ours(before) and not args.force:
        raise UsageError(f"{file} was not written by `agent ci`; --force overwrites it, --output writes to another file")
    if before != text:
        write(file, text)
    _say(args, world, {"file": name, "changed": before != text}, f"{'wrote' if before != text else 'unchanged:'} {name}")
    return 0


def _refuse_contradiction(args: Arguments) -> None:
    """Who compares a file neither writes nor prints."""
    said = {"--stdout": args.stdout, "--force": args.force, "--since": args.since is not None}
    others = [flag for flag, given in said.items() if given]
    if args.check and others:
        raise UsageError(f"agent ci: --check and {others[0]} exclude each other; --check writes and prints no pipeline")


def _jobs(vendor: Vendor, wish: Wish, args: Arguments, world: World) -> int:
    from aac_tasks.affected import affected_by_push  # lazy: only a pipeline asks, and it needs plans and git

    def tell(event: Event) -> None:
        if event.type == "note":  # standard output is the pipeline's
            Lines(world.err).write(event.text)

    session = world.open(options(args, world), tell)
    try:
        names = affected_by_push(session, args.since)
    finally:
        session.close()
    show.text(world, f"{vendor.jobs(shares(names), wish).rstrip()}\n")
    return 0


def _say(args: Arguments, world: World, facts: JsonObject, words: str) -> None:
    if args.json:
        show.document(world, facts)
    else:
        show.line(world, words)


COMMAND = Command(
    name="ci",
    summary="write the pipeline of a CI service: a job for each agent that a change concerns",
    description=(
        "Services: " + ", ".join(f"{name} ({v.title}: {v.file})" for name, v in VENDORS.items()) + ". The pipeline asks again, "
        "with --since, which agents a commit concerns, keeps the cache between runs and hands in JUnit reports."
    ),
    handle=handle,
    arguments=(Argument("VENDOR", " or ".join(VENDORS)),),
    flags=(
        CHECK, STDOUT, FORCE, OUTPUT, SINCE, *WISHES, JSON, FOLDER, VERBOSE, HELP,
    ),
    examples=(
        "agent ci github",
        "agent ci gitlab --allow-host --machine python:3.12",
        "agent ci github --check",
        "agent ci github --since origin/main",
    ),
)  # fmt: skip
