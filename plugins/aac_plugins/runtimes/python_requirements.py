"""What a Python agent depends on, read from the files its author wrote. Pure: text in, requirement lines out.

Where the set comes from, first that there is:

1. ``uv.lock`` beside a ``pyproject.toml`` with ``[project]``: versions and files are those it pins;
2. ``poetry.lock`` beside a ``pyproject.toml``: the same, see ``python_poetry``;
3. ``requirements.txt``: where a ``pyproject.toml`` lies beside it, this is the pinned form made from it;
4. ``[project] dependencies`` of ``pyproject.toml``, else its ``[tool.poetry.dependencies]``.

``spec.dependencies`` are added to it, not put in its place: a package that both name must satisfy both, and
two that can't agree are reported by the resolver with both names. Markers stay (the resolver knows the image's
Python and platform, not the host's), and so do hashes: only a file that one of them names is taken.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from aac_plugins.runtimes import python_poetry
from aac_plugins.runtimes.python_poetry import POETRY_LOCK
from aac_tasks.contracts.lock import DependencyRequest

REQUIREMENTS = "requirements.txt"
PYPROJECT = "pyproject.toml"
UV_LOCK = "uv.lock"
INCLUDABLE = ("constraints.txt", "requirements/base.txt", "requirements/prod.txt")
"""Other files that ``-r`` and ``-c`` may name: planning reads only what it named beforehand."""

FILES = (REQUIREMENTS, PYPROJECT, UV_LOCK, POETRY_LOCK, *INCLUDABLE)
HASH = re.compile(r"\s--hash[= ](\S+)")

_KEPT_OPTIONS = ("--index-url", "--extra-index-url", "--pre")
_OPTION_NAMES = {"-i": "--index-url", "-r": "--requirement", "-c": "--constraint", "-e": "--editable"}
_IGNORED_OPTIONS = ("--require-hashes", "--prefer-binary", "--only-binary", "--no-cache-dir")

Problems = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Line:
    """One logical line of a requirements file, without its comment; ``place`` is ``requirements.txt:3``."""

    place: str
    text: str


def read(dependencies: tuple[str, ...], texts: Mapping[str, str | None]) -> tuple[DependencyRequest, Problems]:
    """The request for the resolver, and what stands in its way as (spec path, message) pairs."""
    own: list[str] = []
    problems: list[tuple[str, str]] = []
    for index, text in enumerate(dependencies):
        trouble = _trouble(text.strip())
        if trouble:
            problems.append((f"spec.dependencies[{index}]", trouble))
        else:
            own.append(text.strip())
    found, files, more = _from_files(texts)
    problems += [("spec.dependencies", f"{place}: {message}") for place, message in more]
    return DependencyRequest(tuple(dict.fromkeys((*found, *own))), files), tuple(problems)


def _from_files(texts: Mapping[str, str | None]) -> tuple[tuple[str, ...], Mapping[str, str], Problems]:
    pyproject = texts.get(PYPROJECT)
    document, trouble = _toml(pyproject)
    project = document.get("project")
    if not trouble and project is not None and not isinstance(project, dict):
        trouble = "[project] is not a table; write it as https://packaging.python.org/specifications/pyproject-toml says"
    if trouble:
        return (), {}, ((PYPROJECT, trouble),)
    uv_lock = texts.get(UV_LOCK)
    if uv_lock is not None and pyproject is not None and isinstance(project, dict):
        return (), {PYPROJECT: pyproject, UV_LOCK: uv_lock}, ()
    if texts.get(POETRY_LOCK) is not None and pyproject is not None:
        return _poetry(document, texts.get(POETRY_LOCK))
    if texts.get(REQUIREMENTS) is not None:
        return _requirements(texts)
    if python_poetry.named(document) and not (isinstance(project, dict) and "dependencies" in project):
        return _poetry(document, None)
    return _project_dependencies(project) if isinstance(project, dict) else ((), {}, ())


def _toml(text: str | None) -> tuple[Mapping[str, object], str]:
    """What the file holds, and why it can't be read."""
    if text is None:
        return {}, ""
    if sys.version_info >= (3, 11):  # lazy: only an agent that has the file pays for the parser
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text), ""
    except tomllib.TOMLDecodeError as error:
        return {}, f"is not TOML: {error}; mend the file"


def _poetry(document: Mapping[str, object], locked: str | None) -> tuple[tuple[str, ...], Mapping[str, str], Problems]:
    project = document.get("project")
    if isinstance(project, dict) and "dependencies" in project:
        problems = _project_dependencies(project)[2]  # its lines must be what they should, whoever pinned them
        if problems:
            return (), {}, problems
    lock, trouble = _toml(locked)
    if trouble:
        return (), {}, ((POETRY_LOCK, f"{trouble.removesuffix('; mend the file')}; write it anew with `poetry lock`"),)
    answer = python_poetry.read(document, lock if locked is not None else None)
    wrong = ((PYPROJECT, t) for line in answer.requirements if not line.startswith("-") and (t := _trouble(line)))
    index = ((POETRY_LOCK, t) for o in answer.requirements if (t := _option_trouble(*_option(o)) if o.startswith("-") else ""))
    return answer.requirements, answer.files, (*answer.problems, *wrong, *index)


def _project_dependencies(project: Mapping[str, object]) -> tuple[tuple[str, ...], dict[str, str], Problems]:
    dynamic = project.get("dynamic")
    if isinstance(dynamic, list) and "dependencies" in dynamic:
        message = (
            "[project] says that dependencies are dynamic, known only to its build tool; "
            "list them there, or in requirements.txt"
        )
        return (), {}, ((PYPROJECT, message),)
    listed = project.get("dependencies") or []
    if not isinstance(listed, list) or not all(isinstance(d, str) for d in listed):
        return (), {}, ((PYPROJECT, "[project] dependencies is not a list of texts"),)
    problems = tuple((PYPROJECT, trouble) for d in listed if (trouble := _trouble(d.strip())))
    return tuple(d.strip() for d in listed), {}, problems


def _requirements(texts: Mapping[str, str | None]) -> tuple[tuple[str, ...], dict[str, str], Problems]:
    kept: list[str] = []
    constraints: list[str] = []
    problems: list[tuple[str, str]] = []
    seen: set[str] = set()
    pending = [(REQUIREMENTS, kept)]
    while pending:
        name, into = pending.pop(0)
        if name in seen:
            continue
        seen.add(name)
        for line in logical_lines(name, texts.get(name) or ""):
            option, value = _option(line.text)
            if option in ("--requirement", "--constraint"):
                trouble = _include_trouble(name, value, texts)
                target = kept if option == "--requirement" and into is kept else constraints
                pending.extend([] if trouble else [(value.removeprefix("./"), target)])
            elif option:
                trouble = _option_trouble(option, value)
                kept.extend([f"{option} {value}".strip()] if not trouble and option in _KEPT_OPTIONS else [])
            else:
                trouble = _trouble(line.text)
                into.append(line.text)
            if trouble:
                problems.append((line.place, trouble))
    files = {"constraints.txt": "\n".join(constraints) + "\n"} if constraints else {}
    return tuple(kept), files, tuple(problems)


def logical_lines(name: str, text: str) -> Iterator[Line]:
    """The lines of a requirements file: comments gone, continued lines joined, empty ones left out."""
    joined, start = "", 0
    for number, raw in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        start = start or number
        bare = re.sub(r"(^|\s)#.*$", "", raw)
        if bare.rstrip().endswith("\\"):
            joined += bare.rstrip()[:-1] + " "
            continue
        whole = " ".join((joined + bare).split())
        if whole:
            yield Line(f"{name}:{start}", whole)
        joined, start = "", 0
    if joined.strip():
        yield Line(f"{name}:{start}", " ".join(joined.split()))


def _option(text: str) -> tuple[str, str]:
    if not text.startswith("-"):
        return "", ""
    found = re.fullmatch(r"(--[\w-]+|-\w)(?:[= ]\s*)?(.*)", text)
    if not found:
        return text, ""
    return _OPTION_NAMES.get(found.group(1), found.group(1)), found.group(2).strip()


def _include_trouble(name: str, value: str, texts: Mapping[str, str | None]) -> str:
    if texts.get(value.removeprefix("./")) is not None and "/" not in name:
        return ""
    return f"includes {value!r}; only {', '.join(INCLUDABLE)} of the agent's folder can be included; write the lines here"


def _option_trouble(option: str, value: str) -> str:
    if option in _KEPT_OPTIONS:
        if re.search(r"//[^/]*@", value):
            return f"{option} holds credentials; take them out and set UV_DEFAULT_INDEX or UV_INDEX in the environment"
        return ""
    if option in _IGNORED_OPTIONS:
        return ""
    if option == "--editable":
        return f"editable {value!r} can't be locked; leave it out: the agent's own folder is in the image as it is"
    return f"option {option} is not supported; accepted are {', '.join(_KEPT_OPTIONS)}, -r and -c"


@functools.lru_cache(maxsize=1024)  # agents of one workspace have many lines in common
def _trouble(text: str) -> str:
    """Why a requirement can't be taken, or nothing."""
    from packaging.requirements import InvalidRequirement, Requirement  # lazy: start-up

    if "\n" in text or "\0" in text:
        return f"{text!r} spans lines; write one requirement per entry"
    bare = HASH.sub("", f" {text}").strip()
    if re.match(r"\.{0,2}/|file:|git\+|https?:", bare):
        return f"{bare!r} has no name; expected NAME @ URL of a wheel, or NAME==VERSION from an index"
    try:
        requirement = Requirement(bare)
    except InvalidRequirement:
        return f"{bare!r} is not a requirement; expected NAME or NAME==VERSION, as in httpx>=0.27"
    if re.fullmatch(r"[\w.-]+@[\d.]+", bare):
        return f"{bare!r} is not a requirement; did you mean {bare.replace('@', '==', 1)!r}?"
    if requirement.url and not re.match(r"https?://[^@\s]+\.whl(#\S+)?$", requirement.url):
        return f"{bare!r}: only the https address of a wheel (.whl) can be locked; build and publish one"
    return ""
