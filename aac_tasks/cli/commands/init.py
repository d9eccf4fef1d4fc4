"""`agent init`: start a new agent from a template."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from aac_tasks.cli import show
from aac_tasks.cli.declare import Argument, Command, Flag
from aac_tasks.cli.flags import FOLDER, HELP, JSON, VERBOSE, folder
from aac_tasks.cli.world import Arguments, World
from aac_tasks.contracts.template import Template
from aac_tasks.errors import PluginError, StepError, UsageError

TEMPLATE = Flag(("--template",), "start from this template (the first one installed)", "NAME")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


def handle(args: Arguments, world: World) -> int:
    """Write the template's files into a folder of the agent's name, all or none."""
    target = Path(folder(args, world), args.name).resolve()
    name = target.name
    if not _LABEL.fullmatch(name):
        raise UsageError(
            f"{name!r} can't be an agent's name; it takes lower-case letters, digits and '-', at most 63, "
            "with a letter or digit at both ends"
        )
    table = world.plugins().catalog.templates
    if not table.entries:
        raise PluginError("no template is installed; see `agent doctor`")
    template = table.get(args.template) if args.template else next(iter(table))
    files = rendered(template, name)
    taken = sorted(path for path in files if (target / path).exists())
    if taken:
        raise UsageError(f"{args.name} has {', '.join(taken)} already; nothing was written")
    _write(target, files)
    if args.json:
        show.document(world, {"agent": name, "folder": str(target), "template": template.name, "files": sorted(files)})
        return 0
    show.line(world, f"made {args.name} from template {template.name}: {', '.join(sorted(files))}")
    show.line(world, f"next: cd {args.name} && agent test --allow-host")
    return 0


def rendered(template: Template, name: str) -> dict[str, str]:
    """The files to write; PluginError when one would lie outside of the new folder."""
    for path in template.files:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts:
            raise PluginError(f"template {template.name!r} names the file {path!r}, outside of the agent's folder")
    return {path: text.replace("{name}", name) for path, text in template.files.items()}


def _write(target: Path, files: dict[str, str]) -> None:
    try:
        for path, text in files.items():
            file = target / path
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x", encoding="utf-8", newline="\n") as out:
                out.write(text)
    except OSError as error:
        raise StepError(
            f"{error.filename or target} can't be written: {error.strerror or error}",
            hint="choose a folder of yours",
        ) from error


COMMAND = Command(
    name="init",
    summary="make a new agent's folder from a template",
    description="Never overwrites a file.",
    handle=handle,
    arguments=(Argument("NAME", "the agent's name, or a path that ends in it"),),
    flags=(TEMPLATE, FOLDER, JSON, VERBOSE, HELP),
    examples=("agent init my-agent", "agent init agents/greeter --template python"),
)
