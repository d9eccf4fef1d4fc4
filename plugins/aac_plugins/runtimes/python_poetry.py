"""What Poetry's files say, read without Poetry: pyproject.toml names, poetry.lock pins. Pure.

The main group is read, as `poetry install --only main` installs it: other groups and extras of the project are left out.
Each pin of poetry.lock becomes a constraint with its marker and hashes, so the resolver takes those versions and files or
none. Formats: https://python-poetry.org/docs/pyproject/, /docs/dependency-specification/, and poetry.lock 1.1 to 2.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

PYPROJECT = "pyproject.toml"
POETRY_LOCK = "poetry.lock"
CONSTRAINTS = "constraints.txt"

Table = Mapping[str, object]
Problems = tuple[tuple[str, str], ...]
_AGAIN = "write it anew with `poetry lock`"
_ELSEWHERE = ("git", "url", "path", "file")


@dataclass(frozen=True)
class Answer:
    """Requirement lines, files for the resolver, and what stands in the way as (file, message) pairs."""

    requirements: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    problems: Problems = ()


@dataclass(frozen=True)
class _Wish:
    """One dependency: ``spec`` in PEP 440's notation, alternatives apart by ``||``."""

    name: str
    spec: str = ""
    extras: str = ""
    marker: str = ""
    trouble: str = ""

    @property
    def line(self) -> str:
        """Without version: that is the constraint's."""
        return f"{self.name}{self.extras}{f' ; {self.marker}' if self.marker else ''}"


def named(document: Table) -> bool:
    """Whether Poetry's own table says what the project depends on."""
    return bool(_table(document, "tool", "poetry", "dependencies"))


def read(document: Table, lock: Table | None) -> Answer:
    """The main dependencies of ``document`` (pyproject.toml), pinned by ``lock`` (poetry.lock) where there is one."""
    wishes = list(_wishes(document))
    troubles = tuple((PYPROJECT, w.trouble) for w in wishes if w.trouble)
    if troubles:
        return Answer(problems=troubles)
    if lock is None:
        return _unlocked(wishes)
    packages = _reached(wishes, [p for p in _list(lock.get("package")) if _is_main(p)])
    problems = (*_stale(wishes, packages), *_unclear(packages), *_elsewhere(packages))
    lines = [*_indexes(packages), *(w.line for w in wishes)]
    pins = "".join(f"{_pin(p, lock)}\n" for p in packages)
    return Answer(tuple(lines), {CONSTRAINTS: pins}, problems)


def _unlocked(wishes: list[_Wish]) -> Answer:
    problems = tuple(
        (PYPROJECT, f"{w.name}: {w.spec!r} has alternatives, which only a lock can choose from; run `poetry lock`")
        for w in wishes
        if "||" in w.spec
    )
    if problems:
        return Answer(problems=problems)
    return Answer(tuple(w.line.replace(w.name + w.extras, f"{w.name}{w.extras}{w.spec}", 1) for w in wishes))


def _wishes(document: Table) -> Iterator[_Wish]:
    listed = _table(document, "project").get("dependencies")
    if isinstance(listed, list):
        from packaging.requirements import Requirement  # lazy: start-up

        for text in listed:
            asked = Requirement(str(text))  # its grammar was checked
            extras = f"[{','.join(sorted(asked.extras))}]" if asked.extras else ""
            yield _Wish(asked.name, str(asked.specifier), extras, str(asked.marker or ""))
        return
    for name, value in _table(document, "tool", "poetry", "dependencies").items():
        for item in value if isinstance(value, list) else [value]:
            details = item if isinstance(item, Mapping) else {"version": item}
            if name.lower() != "python" and not details.get("optional"):
                yield _wish(name, details)


def _wish(name: str, details: Table) -> _Wish:
    place = next((key for key in _ELSEWHERE if key in details), "")
    if place:
        trouble = f"{name} comes from {place} = {details[place]!r}; only what an index has can be locked; publish it"
        return _Wish(name, trouble=trouble)
    try:
        spec = translated(str(details.get("version", "*")))
        python = [_python_marker(str(details["python"]))] if "python" in details else []
    except ValueError as error:
        return _Wish(name, trouble=f"{name}: {error}")
    given = [f"({text})" for key in ("markers",) if (text := str(details.get(key, "")))]
    platform = [f"sys_platform == '{details['platform']}'"] if "platform" in details else []
    extras = ",".join(sorted(str(e) for e in _strings(details.get("extras"))))
    return _Wish(name, spec, f"[{extras}]" if extras else "", " and ".join((*python, *platform, *given)))


def translated(text: str) -> str:
    """A constraint of Poetry in PEP 440's notation: ``^1.2`` → ``>=1.2,<2``; alternatives stay apart by ``||``.

    Raises:
        ValueError: it is no constraint.
    """
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # lazy: start-up

    options = []
    for option in re.split(r"\s*\|\|?\s*", text.strip()):
        parts = [_part(part) for part in re.split(r"\s*,\s*|(?<=[\w*.])\s+(?=[<>=!~^])", option) if part]
        joined = ",".join(part for part in parts if part)
        try:
            SpecifierSet(joined)
        except InvalidSpecifier as error:
            raise ValueError(f"{text!r} is no version constraint of Poetry; expected as in ^1.2, ~1.2, >=1.2,<2 or *") from error
        options.append(joined)
    return " || ".join(options)


def _part(text: str) -> str:
    """https://python-poetry.org/docs/dependency-specification/#version-constraints."""
    found = re.fullmatch(r"(\^|~(?!=)|)\s*v?(\d+(?:\.\d+)*)(.*)", text)
    if text == "*":
        return ""
    if found is None or (not found.group(1) and found.group(3).startswith(".*")):
        return text if found is None else f"=={text}"
    sign, release, rest = found.groups()
    if not sign:
        return f"=={text}"
    numbers = [int(n) for n in release.split(".")]
    at = min(1, len(numbers) - 1) if sign == "~" else next((i for i, n in enumerate(numbers) if n), len(numbers) - 1)
    upper = ".".join(str(n) for n in (*numbers[:at], numbers[at] + 1))
    return f">={release}{rest},<{upper}"


def _python_marker(text: str) -> str:
    options = []
    for option in translated(text).split(" || "):
        parts = [re.fullmatch(r"(\D+)(.+)", part) for part in option.split(",") if part]
        options.append(" and ".join(_compared(*m.groups()) for m in parts if m) or "python_version >= '3'")
    return f"({' or '.join(options)})"


def _compared(operator: str, version: str) -> str:
    bare = version.removesuffix(".*")
    variable = "python_full_version" if bare.count(".") > 1 else "python_version"
    return f"{variable} {operator} '{bare if '.' in bare or bare == version else version}'"


def _stale(wishes: list[_Wish], packages: list[Table]) -> Iterator[tuple[str, str]]:
    from packaging.specifiers import SpecifierSet  # lazy: start-up

    for wish in wishes:
        versions = [str(p.get("version")) for p in packages if _name(p) == _canonical(wish.name)]
        fits = (SpecifierSet(o).contains(v, prereleases=True) for o in wish.spec.split(" || ") for v in versions)
        if not any(fits):
            held = f"holds {wish.name} {' and '.join(versions)}" if versions else f"does not hold {wish.name}"
            yield POETRY_LOCK, f"{held}, {PYPROJECT} asks for {wish.name}{wish.spec}; {_AGAIN}"


def _unclear(packages: list[Table]) -> Iterator[tuple[str, str]]:
    """Before format 2.1 a lock does not say which of several versions is for whom."""
    found: dict[str, list[str]] = {}
    for package in packages:
        if not _marker(package):
            found.setdefault(str(package.get("name")), []).append(str(package.get("version")))
    for name, versions in found.items():
        if len(versions) > 1:
            yield POETRY_LOCK, f"holds {name} {' and '.join(versions)} without saying which is for whom; {_AGAIN} of Poetry 2"


def _elsewhere(packages: list[Table]) -> Iterator[tuple[str, str]]:
    for package in packages:
        source = _table(package, "source")
        if source.get("type") not in (None, "legacy") and not package.get("optional"):
            what = f"{package.get('name')} comes from {source.get('type')} {source.get('url')}"
            yield POETRY_LOCK, f"{what}; only what an index has can be locked; publish it"


def _indexes(packages: list[Table]) -> list[str]:
    urls = [str(_table(p, "source").get("url")) for p in packages if _table(p, "source").get("type") == "legacy"]
    return [f"--extra-index-url {url}" for url in dict.fromkeys(urls)]


def _pin(package: Table, lock: Table) -> str:
    name, marker = str(package.get("name")), _marker(package)
    listed = package.get("files") or _table(lock, "metadata", "files").get(name)  # format 1 has them at the end
    hashes = "".join(f" --hash={f['hash']}" for f in _list(listed) if str(f.get("hash", "")).startswith("sha256:"))
    return f"{name}=={package.get('version')}{f' ; {marker}' if marker else ''}{hashes}"


def _reached(wishes: list[_Wish], packages: list[Table]) -> list[Table]:
    """Those that the wishes lead to, whatever the markers say: before format 2.1 a lock does not tell groups apart."""
    names = {_canonical(w.name) for w in wishes}
    before = -1
    while before != len(names):
        before = len(names)
        names |= {_canonical(n) for p in packages if _name(p) in names for n in _table(p, "dependencies")}
    return [p for p in packages if _name(p) in names]


def _name(package: Table) -> str:
    return _canonical(str(package.get("name")))


def _is_main(package: Table) -> bool:
    groups = _strings(package.get("groups")) or ([str(package["category"])] if "category" in package else ["main"])
    return "main" in groups


def _marker(package: Table) -> str:
    marker = package.get("markers", "")
    return str(marker.get("main", "")) if isinstance(marker, Mapping) else str(marker)


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _table(document: Table, *names: str) -> Table:
    for name in names:
        value = document.get(name)
        document = value if isinstance(value, Mapping) else {}
    return document


def _list(value: object) -> list[Table]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _strings(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
