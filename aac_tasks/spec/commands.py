"""Where in agent.yaml a command of the build stands, for the message of one that failed."""

from __future__ import annotations

from collections.abc import Sequence

from aac_tasks.spec.reading import ReadSpec


def place_of(command: Sequence[str], read: ReadSpec, file: str) -> str:
    """``agent.yaml:12:9 spec.build.commands[1]``, "" for a command that is none of the author's."""
    build = read.spec.build
    if command[-1] in build.commands:
        path = f"spec.build.commands[{build.commands.index(command[-1])}]"
    elif build.system_packages and set(build.system_packages) <= set(command):
        path = "spec.build.systemPackages"
    else:
        return ""
    line, column = read.positions.get(path, (0, 0))
    return f"{file}:{line}:{column} {path}" if line else f"{file} {path}"
