"""``[tool.aac]`` of the state root's pyproject.toml: what a workspace chooses once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from aac_tasks.errors import UsageError
from aac_tasks.state.root import has_settings


@dataclass(frozen=True)
class Settings:
    """``agents``: globs of agent folders (default: every agent.yaml below the current folder). ``builder``, ``runner``:
    names instead of the first that works. ``allow_host``: tests may run without isolation. ``jobs``: steps at once.
    ``pools``: how many steps of a kind may be done at once, whatever ``jobs`` says.
    """

    agents: tuple[str, ...] = ()
    builder: str = ""
    runner: str = ""
    allow_host: bool = False
    jobs: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)


def read_settings(root: Path) -> Settings:
    """The settings of a state root; defaults where it says nothing.

    Raises:
        UsageError: the file is not TOML, or a key or its type is not known.
    """
    path = root / "pyproject.toml"
    if not has_settings(path):
        return Settings()
    try:
        return _checked(table_of(path.read_text(encoding="utf-8")), path)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error


def table_of(text: str) -> Mapping[str, object]:
    """``[tool.aac]`` of a pyproject.toml; ValueError when it is not TOML."""
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]  # lazy: most projects have no settings
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    table: Mapping[str, object] = tomllib.loads(text).get("tool", {}).get("aac", {})
    return table


def _checked(table: Mapping[str, object], path: Path) -> Settings:
    known = {f.name.replace("_", "-"): f for f in fields(Settings)}
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{path}: [tool.aac] has no key {key!r}; it knows {', '.join(known)}")
        default = getattr(Settings(), known[key].name)
        given = tuple(value) if isinstance(value, list) else value
        if type(given) is not type(default):
            raise UsageError(f"{path}: [tool.aac] {key} must be {_word(default)}, not {value!r}")
        if isinstance(given, dict):
            _check_pools(given, path)
        values[known[key].name] = given
    return Settings(**values)  # type: ignore[arg-type]  # types were compared just above


def _check_pools(pools: Mapping[str, object], path: Path) -> None:
    """Each is a kind of step (plugins may add kinds) and a number."""
    for kind, most in pools.items():
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise UsageError(f"{path}: [tool.aac.pools] {kind} must be a whole number of 1 or more, not {most!r}")


def _word(value: object) -> str:
    return {tuple: "a list of text", str: "text", bool: "true or false", int: "a whole number", dict: "a table"}[type(value)]
