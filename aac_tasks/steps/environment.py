"""The environment of an instance: references become values when it starts, and not a moment earlier."""

from __future__ import annotations

import re
from collections.abc import Mapping

from aac_tasks.contracts.actions import EnvValue, InstanceSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

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
    return tuple(values[v.name] for v in instance.env if v.secret and values.get(v.name))


def _value(variable: EnvValue, tools: Tools, *, strict: bool) -> str | None:
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
