"""The environment of an instance: references become values when it starts, and not a moment earlier."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aac_tasks.contracts.actions import EnvValue, InstanceSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def resolve(instance: InstanceSpec, tools: Tools, *, strict: bool) -> Mapping[str, str]:
    """Name → value.

    ``strict`` False (a test) leaves a secret without a value unset and says so; True (a run, a deploy) refuses.

    Raises:
        StepError: a secret or a variable without default has no value.
    """
    values: dict[str, str] = {}
    for variable in instance.env:
        value = _value(variable, tools, strict=strict)
        if value is None:
            tools.note(f"{variable.name} is left unset: {variable.secret or variable.value} has no value here")
        else:
            values[variable.name] = value
    return values


def secrets_of(instance: InstanceSpec, values: Mapping[str, str]) -> tuple[str, ...]:
    """The resolved values that must never be shown."""
    return tuple(values[v.name] for v in instance.env if (v.secret or v.file) and values.get(v.name))


def read_env_file(file: Path) -> dict[str, str]:
    """``NAME=value`` lines, taken as they are; ``NAME`` alone means ``${NAME}``; ``#`` begins a comment.

    Raises:
        StepError: the file can't be read, or a line says something else; names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or error
        raise StepError(f"{file} can't be read as a file of variables: {why}") from error
    values: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, sign, value = line.lstrip().partition("=")
        if not NAME.fullmatch(name):
            raise StepError(f"{file}:{number}: {name!r} is no name of a variable; expected NAME=value, NAME or # comment")
        values[name] = value if sign else f"${{{name}}}"
    return values


def _value(variable: EnvValue, tools: Tools, *, strict: bool) -> str | None:
    if variable.file:
        return _from_file(variable, tools, strict=strict)
    if variable.secret:
        try:
            return tools.secret(variable.secret)
        except StepError:
            if variable.default is not None:
                return variable.default
            if strict:
                raise
            return None
    return _expand(variable, tools, strict=strict)


def _from_file(variable: EnvValue, tools: Tools, *, strict: bool) -> str | None:
    value = read_env_file(Path(variable.file)).get(variable.name)
    if value is None:
        raise StepError(f"{variable.file} no longer sets {variable.name}", hint="start the agent anew")
    alone = value == f"${{{variable.name}}}"
    return _expand(replace(variable, value=value), tools, strict=strict) if alone else value


def _expand(variable: EnvValue, tools: Tools, *, strict: bool) -> str | None:
    missing: list[str] = []

    def one(found: re.Match[str]) -> str:
        value = tools.environment(found[1])
        if value is None:
            missing.append(found[1])
        return value or ""

    text = VARIABLE.sub(one, variable.value)
    if not missing:
        return text
    if variable.default is not None:
        return variable.default
    if strict:
        raise StepError(
            f"environment variable {missing[0]} is not set; {variable.name} needs it",
            hint=f"set {missing[0]}, or give {variable.name} a defaultValue in agent.yaml",
        )
    return None
