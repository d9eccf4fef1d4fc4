"""Help texts and the reference page. Written here, not by argparse, whose layout differs between Python versions."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from aac_tasks.cli.declare import Command

WIDTH = 100


def overview(groups: Sequence[tuple[str, Sequence[Command]]], flags: Sequence[tuple[str, str]]) -> str:
    """What `agent --help` says."""
    lines = [
        "Build, test, push and run AI agents: one agent.yaml each, and only what a change touched is redone.",
        "",
        "usage: agent COMMAND [flags]",
    ]
    for title, commands in groups:
        lines += ["", f"{title}:", *_columns((c.name, c.summary) for c in commands)]
    lines += ["", "flags:", *_columns(flags), "", "`agent COMMAND --help` tells more about a command."]
    return "\n".join(lines) + "\n"


def command_help(command: Command) -> str:
    """What `agent COMMAND --help` says."""
    lines = [f"usage: {command.usage}", "", *textwrap.wrap(_sentences(command), WIDTH)]
    if command.arguments:
        lines += ["", "arguments:", *_columns((a.name, a.help) for a in command.arguments)]
    if command.flags:
        lines += ["", "flags:", *_columns((f.shown, f.help) for f in command.flags)]
    if command.examples:
        lines += ["", "examples:", *(f"  {example}" for example in command.examples)]
    return "\n".join(lines) + "\n"


def reference(groups: Sequence[tuple[str, Sequence[Command]]], flags: Sequence[tuple[str, str]]) -> str:
    """The whole of docs/reference/commands.md."""
    lines = [
        "# Commands",
        "",
        "Generated from the commands themselves by `python -m aac_tasks.cli.reference`; a test holds the two together.",
        "",
        "```text",
        overview(groups, flags).rstrip("\n"),
        "```",
        "",
        "Exit codes: 0 done; 1 a step failed; 2 a bug of ours; 3 the agent.yaml, the command line, the plan or a",
        "plugin is not what it should be; 130 interrupted.",
    ]
    for _, commands in groups:
        for command in commands:
            lines += [
                "",
                f"## agent {command.name}",
                "",
                "```text",
                command_help(command).rstrip("\n"),
                "```",
            ]
    return "\n".join(lines) + "\n"


def _sentences(command: Command) -> str:
    first = command.summary[:1].upper() + command.summary[1:]
    return f"{first}. {command.description}".strip()


def _columns(rows: Iterable[tuple[str, str]]) -> list[str]:
    pairs = list(rows)
    width = min(28, max(len(left) for left, _ in pairs)) + 2
    lines: list[str] = []
    for left, right in pairs:
        text = textwrap.wrap(right, WIDTH - width - 2)
        head = f"  {left:<{width}}" if len(left) <= width - 2 else f"  {left}\n  {'':<{width}}"
        lines.append(head + text[0])
        lines += [f"  {'':<{width}}{more}" for more in text[1:]]
    return lines
