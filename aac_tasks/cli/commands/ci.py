"""`agent ci`: the pipeline of a CI service, and its jobs for one commit."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import ALLOW_HOST, FOLDER, HELP, JSON, VERBOSE, folder, options
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.result import Event
from aac_tasks.errors import StepError, UsageError
from aac_tasks.pipelines import VENDORS, Vendor, Wish, is_ours, shares
from aac_tasks.reporter.terminal import Lines
from aac_tasks.state.root import find_root

_WORD = re.compile(r"[\w./:@=<>~!,\[\]+-]+")
"""What branches, machines and requirements are made of: none of it means anything to a shell within quotes."""


def word(text: str) -> str:
    """A name without blanks, quotes and the like."""
    if not _WORD.fullmatch(text):
        raise ValueError(f"{text!r} is no name; expected letters, digits and ./:@=<>~!,[]+-")
    return text


CHECK = Flag(("--check",), "say whether the file is what would be written; exit code 1 and the difference when it is not")
STDOUT = Flag(("--stdout",), "print the pipeline instead of writing a file")
FORCE = Flag(("--force",), "overwrite a file that `agent ci` did not write")
OUTPUT = Flag(("-o", "--output"), "the file, from the repository's top, instead of the vendor's usual one", "FILE", default="")
SINCE = Flag(("--since",), "print the jobs for agents that differ from this commit; all when it is not known here", "COMMIT")
INSTALL = Flag(("--install",), "what pip installs beside aac-tasks, as plugins of yours", "REQUIREMENT", word, repeat=True)
BRANCH = Flag(("--branch",), "the branch that is tested and pushed beside merge requests", "NAME", word, default="main")
MACHINE = Flag(
    ("--machine",), "what jobs run on: a runner's label (GitHub), an image (GitLab)", "NAME", word
)  # fmt: skip
PUSH = Flag(("--push",), "push images from that branch once their tests passed")


def handle(args: Arguments, world: World) -> int:
    """Print, compare or write."""
    vendor = _vendor(args.vendor)
    root = find_root(folder(args, world).resolve())
    top = _repository(root)
    wish = _wish(args, root, top)
    if args.since is not None:
        return _jobs(vendor, wish, args, world)
    text = vendor.write(wish)
    if args.stdout:
        show.text(world, text)
        return 0
    file = top / (args.output or vendor.file)
    before = _read(file)
    if args.check:
        return _check(file.relative_to(top).as_posix(), before, text, args, world)
    if before is not None and not is_ours(before) and not args.force:
        raise UsageError(f"{file} was not written by `agent ci`; --force overwrites it, --output writes to another file")
    if before != text:
        _write(file, text)
    name = file.relative_to(top).as_posix()
    _say(args, world, {"file": name, "changed": before != text}, f"{'wrote' if before != text else 'unchanged:'} {name}")
    return 0


def _jobs(vendor: Vendor, wish: Wish, args: Arguments, world: World) -> int:
    from aac_tasks.since import agents_since  # lazy: only a pipeline asks, and it needs plans and git

    def tell(event: Event) -> None:
        if event.type == "note":  # standard output is the pipeline's
            Lines(world.err).write(event.text)

    session = world.open(options(args, world), tell)
    try:
        names = agents_since(args.since, session)
    finally:
        session.close()
    show.text(world, f"{vendor.jobs(shares(names), wish).rstrip()}\n")
    return 0


def _vendor(name: str) -> Vendor:
    if name in VENDORS:
        return VENDORS[name]
    near = difflib.get_close_matches(name, VENDORS, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"agent ci: unknown service {name!r}{hint} (there are: {', '.join(VENDORS)})")


def _wish(args: Arguments, root: Path, top: Path) -> Wish:
    from aac_tasks import __version__

    below = root.relative_to(top).as_posix()
    return Wish(
        install=(f"aac-tasks=={__version__}", *args.install),
        branch=args.branch,
        machine=args.machine or "",
        folder="" if below == "." else below,
        push=args.push,
        allow_host=args.allow_host,
    )


def _repository(root: Path) -> Path:
    """The top of the repository that holds the state root; without one the root itself."""
    return next((place for place in (root, *root.parents) if (place / ".git").exists()), root)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{file} can't be read: {error.strerror or error}") from error


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise StepError(f"{file} can't be written: {error.strerror or error}", hint="make the folder writable") from error


def _check(name: str, before: str | None, text: str, args: Arguments, world: World) -> int:
    lines = difflib.unified_diff(
        (before or "").splitlines(), text.splitlines(), name, f"what `agent ci {args.vendor}` writes", lineterm=""
    )
    difference = "\n".join(lines)
    same = before == text
    facts: JsonObject = {"file": name, "same": same, "difference": difference}
    _say(args, world, facts, f"{name} is up to date" if same else difference or f"{name} ends in another way")
    return 0 if same else 1


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
        CHECK, STDOUT, FORCE, OUTPUT, SINCE, BRANCH, MACHINE, INSTALL, PUSH, ALLOW_HOST, JSON, FOLDER, VERBOSE, HELP,
    ),
    examples=(
        "agent ci github",
        "agent ci gitlab --allow-host --machine python:3.12",
        "agent ci github --check",
        "agent ci github --since origin/main",
    ),
)  # fmt: skip
