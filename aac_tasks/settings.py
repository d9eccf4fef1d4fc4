"""``[tool.aac]`` of the state root's pyproject.toml: what a workspace chooses once."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from aac_tasks.errors import UsageError
from aac_tasks.state.root import has_settings

FILE = "pyproject.toml"
PLACE, WRITE, KEY, NAMESPACE = (
    "AAC_SHARED_CACHE", "AAC_SHARED_CACHE_WRITE", "AAC_SHARED_CACHE_KEY", "AAC_SHARED_CACHE_NAMESPACE",
)  # fmt: skip
_NAMESPACE = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")


@dataclass(frozen=True)
class CacheSettings:
    """``place``: a folder or ``host/repository``. ``write``: results made here go there. ``keys``: public keys whose
    signatures are believed. ``protected``: places that only trusted runs can write to.
    """

    place: str = ""
    write: bool = False
    keys: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()


@dataclass(frozen=True)
class SharedPlace:
    """Where a shared cache is: in ``folder``, else in the repository ``name``. ``own``: this untrusted run's namespace."""

    name: str
    folder: Path | None = None
    plain_http: bool = False
    write: bool = False
    protected: bool = False
    own: bool = False

    @property
    def address(self) -> str:
        """As ``AAC_SHARED_CACHE`` has it."""
        return f"http://{self.name}" if self.plain_http else self.name


@dataclass(frozen=True)
class Settings:
    """``agents``: globs of agent folders (default: every agent.yaml below the current folder). ``builder``, ``runner``:
    names instead of the first that works. ``allow_host``: tests may run without isolation. ``jobs``: steps at once.
    ``pools``: how many steps of a kind may be done at once, whatever ``jobs`` says. ``executor``: the address of machines
    that do steps. ``cache``: the shared cache.
    """

    agents: tuple[str, ...] = ()
    builder: str = ""
    runner: str = ""
    allow_host: bool = False
    jobs: int = 0
    pools: Mapping[str, int] = field(default_factory=dict)
    executor: str = ""
    cache: CacheSettings = CacheSettings()


def read_settings(root: Path) -> Settings:
    """The settings of a state root; defaults where it says nothing.

    Raises:
        UsageError: the file is not TOML, or a key or its type is not known.
    """
    path = root / FILE
    if not has_settings(path):
        return Settings()
    try:
        table = dict(table_of(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    cache = table.pop("cache", {})
    cache = {"place": cache} if isinstance(cache, str) else cache
    if not isinstance(cache, dict):
        raise UsageError(f"{path}: [tool.aac] cache must be text or a table, not {cache!r}")
    values = _checked(table, Settings(), "[tool.aac]", path)
    kept = CacheSettings(**_checked(cache, CacheSettings(), "[tool.aac.cache]", path))  # type: ignore[arg-type]  # checked
    return Settings(**values, cache=kept)  # type: ignore[arg-type]  # as above


def table_of(text: str) -> Mapping[str, object]:
    """``[tool.aac]`` of a pyproject.toml; ValueError when it is not TOML."""
    try:
        import tomllib  # type: ignore[import-not-found,unused-ignore]  # lazy: most projects have no settings
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    table: Mapping[str, object] = tomllib.loads(text).get("tool", {}).get("aac", {})
    return table


def at_once() -> int:
    """What ``auto`` means: one step more than this process has processors, for steps also wait (ninja's rule for two of them)."""
    return 1 + (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _jobs(said: object, path: Path) -> int:
    if said == "auto":
        return at_once()
    if not isinstance(said, int) or isinstance(said, bool) or said < 1:
        raise UsageError(f'{path}: [tool.aac] jobs must be a whole number of 1 or more, or "auto", not {said!r}')
    return said


def _checked(table: Mapping[str, object], defaults: Settings | CacheSettings, name: str, path: Path) -> dict[str, object]:
    """Field → value; every type is that of the field's default."""
    known = {f.name.replace("_", "-"): f.name for f in fields(defaults)}
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{path}: {name} has no key {key!r}; it knows {', '.join(known)}")
        default = getattr(defaults, known[key])
        if key == "jobs":
            values[key] = _jobs(value, path)
            continue
        given = tuple(value) if isinstance(value, list) else value
        if type(given) is not type(default) or (isinstance(given, tuple) and not all(isinstance(g, str) for g in given)):
            raise UsageError(f"{path}: {name} {key} must be {_word(default)}, not {value!r}")
        if isinstance(given, dict):
            _check_pools(given, path)
        values[known[key]] = given
    return values


def refuse_other_pools(pools: Iterable[str], kinds: Collection[str], root: Path) -> None:
    """``kinds`` are those of all steps that there are.

    Raises:
        UsageError: a pool is for none of them.
    """
    for name in pools:
        if name not in kinds:
            import difflib  # lazy: only for the message

            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = ", ".join(sorted(kinds))
            raise UsageError(f"{root / FILE}: [tool.aac.pools] {name} is for no step that there is{hint} (there are: {known})")


def _check_pools(pools: Mapping[str, object], path: Path) -> None:
    """Each is a kind of step (plugins may add kinds) and a number."""
    for kind, most in pools.items():
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise UsageError(f"{path}: [tool.aac.pools] {kind} must be a whole number of 1 or more, not {most!r}")


def _word(value: object) -> str:
    return {tuple: "a list of text", str: "text", bool: "true or false", int: "a whole number", dict: "a table"}[type(value)]


def has_shared_cache(cache: CacheSettings, environment: Mapping[str, str]) -> bool:
    """Whether this run has one at all."""
    return environment.get(PLACE, cache.place) not in ("", "none")


def shared_places(cache: CacheSettings, environment: Mapping[str, str], root: Path) -> Iterator[SharedPlace]:
    """Where results are looked for, in this order.

    A run that nobody vouches for (a pull request, or who says so) reads the shared place, and writes to a namespace of its own.

    Raises:
        UsageError: what was said is no place, or no name of a namespace.
    """
    if not has_shared_cache(cache, environment):
        return
    said = environment.get(PLACE, cache.place)
    write = cache.write if WRITE not in environment else environment[WRITE] in ("1", "true")
    own = namespace_of(environment)
    protected = said in cache.protected
    yield _place(said, root, write=write and not own, protected=protected)
    if own:
        yield _place(f"{said.rstrip('/')}/{own}", root, write=write, own=True)


def _place(said: str, root: Path, *, write: bool, protected: bool = False, own: bool = False) -> SharedPlace:
    if said.startswith(("/", ".", "~")):
        folder = root / Path(said).expanduser()
        return SharedPlace(str(folder), folder, write=write, protected=protected, own=own)
    scheme, mark, rest = said.partition("://")
    name = (rest if mark else said).rstrip("/")
    host, slash, _ = name.partition("/")
    if not slash or scheme not in (said, "http", "https") or not ("." in host or ":" in host or host == "localhost"):
        raise UsageError(
            f"the shared cache {said!r} is no place; expected a folder (./cache, /mnt/cache) or a registry's repository "
            "(ghcr.io/team/cache)"
        )
    return SharedPlace(name, None, scheme == "http", write, protected, own)


def namespace_of(environment: Mapping[str, str]) -> str:
    """The namespace of a run that nobody vouches for, "" for any other. Pull and merge requests are told by their CI."""
    said = environment.get(NAMESPACE, "")
    if said and not _NAMESPACE.fullmatch(said):
        raise UsageError(f"{NAMESPACE}: {said!r} is no name; expected lower-case letters and digits with '.', '_' or '-' between")
    if said:
        return said
    if environment.get("GITHUB_EVENT_NAME", "").startswith("pull_request"):
        number = re.fullmatch(r"refs/pull/([0-9]+)/.*", environment.get("GITHUB_REF", ""))
        return f"pull-{number[1]}" if number else "pull-requests"
    merge = environment.get("CI_MERGE_REQUEST_IID", "")
    return f"merge-{merge}" if merge.isdigit() else ""
