"""The whole way from bytes to AgentSpec: every problem that can be found is found before any is raised."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.errors import Problem, SpecError
from aac_tasks.spec import overlays, rules
from aac_tasks.spec.assemble import assemble
from aac_tasks.spec.definition import Compiled, compiled
from aac_tasks.spec.dialects import foreign
from aac_tasks.spec.spellings import Speller
from aac_tasks.spec.teaching import Teacher
from aac_tasks.spec.tree import Branch, Entry, Scalar, fatal, read_tree
from aac_tasks.spec.values import Path, Reader, dotted

FILE_NAMES = ("agent.yaml", "agent.yml", "Agent.yaml", "Agent.yml")
_MINIMAL = "apiVersion: agent.dev/v1, kind: Agent, metadata, spec; `agent init` writes one"


@dataclass(frozen=True)
class ReadSpec:
    """One agent.yaml that was read.

    ``canonical``: the document in canonical spelling, profile applied, without ``profiles``.
    ``positions``: dotted path → line and column (from 1). ``profiles``: the names of those the file has.
    ``warnings`` have severity ``warning``, or ``build-error`` (an error as soon as an image is asked for).
    """

    spec: AgentSpec
    canonical: JsonObject
    warnings: tuple[Problem, ...] = ()
    positions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()


def find_agent_file(names: Iterable[str], folder: object) -> str | None:
    """The agent file among ``names``, the files of ``folder``, or None; SpecError when there are two."""
    found = sorted(set(names) & set(FILE_NAMES), key=FILE_NAMES.index)
    if len(found) > 1:
        message = f"{' and '.join(found)} stand in one folder ({folder}); keep one of them"
        raise SpecError((Problem(str(folder), 0, 0, "", message),))
    return found[0] if found else None


def read_spec(
    data: bytes, *, file: str, profile: str = "", settings: Mapping[str, JsonObject] | None = None
) -> ReadSpec:
    """Read the bytes of an agent.yaml; ``file`` is its name in messages.

    ``profile`` chooses an overlay of ``spec.profiles``. ``settings`` maps ``runtime:NAME``, ``registry:NAME``
    and ``deployer:NAME`` to the JSON Schemas of plugins (see ``aac_tasks.spec.schema``).
    Raises SpecError with every problem, PluginError when one of those schemas is none.
    """
    return read_by(compiled(settings or {}), data, file=file, profile=profile)


def read_by(schema: Compiled, data: bytes, *, file: str, profile: str = "") -> ReadSpec:
    """The same with settings that are mounted already: whoever reads a thousand files mounts them once."""
    tree, problems = read_tree(data, file)
    root = _mapping(tree, file)
    speller = Speller(file)
    speller.document(root)
    overlaid = _apply_profile(root, profile, file)
    problems += speller.problems + overlaid.problems
    document, reader, found = _validate(overlaid, schema, file)
    problems += [p for p in found if p.severity == "error"]
    if problems:
        raise SpecError(_in_order(problems))
    positions = {dotted(path): place.shown for path, place in reader.places.items()}
    odd = [p for p in found if p.severity != "error"]
    warnings = _in_order(speller.warnings + odd + _without_effect(reader, file))
    return ReadSpec(assemble(document), document, warnings, positions, overlaid.names)


def _mapping(tree: object, file: str) -> Branch:
    if tree is None or (isinstance(tree, Scalar) and not tree.text.strip()):
        raise fatal(file, 0, 0, f"the file is empty; expected {_MINIMAL}")
    if not isinstance(tree, Branch):
        raise fatal(file, 1, 1, f"the file is no mapping; expected {_MINIMAL}")
    other = foreign(tree)
    if other:
        raise fatal(file, 1, 1, other)
    return tree


@dataclass(frozen=True)
class _Overlaid:
    """The document with the chosen profile on it, and the overlays that were not chosen."""

    root: Branch
    names: tuple[str, ...] = ()
    others: Mapping[str, Entry] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def _apply_profile(root: Branch, profile: str, file: str) -> _Overlaid:
    entry = root.entries.get("spec")
    if entry is None or not isinstance(entry.value, Branch):
        return _Overlaid(root)
    profiles = overlays.take_profiles(entry.value)
    names = tuple(profiles)
    problems = overlays.nested(profiles, file)
    if profile and profile not in profiles:
        problems.append(overlays.unknown_profile(profile, names, file))
        return _Overlaid(root, names, profiles, problems)
    chosen = profiles.pop(profile, None) if profile else None
    if chosen is None or not isinstance(chosen.value, Branch):
        return _Overlaid(root, names, profiles | ({profile: chosen} if chosen else {}), problems)
    merged = Entry(entry.line, entry.column, overlays.overlay(entry.value, chosen.value))
    return _Overlaid(
        Branch(root.line, root.column, {**root.entries, "spec": merged}), names, profiles, problems
    )


def _validate(overlaid: _Overlaid, schema: Compiled, file: str) -> tuple[Any, Reader, list[Problem]]:
    """The JSON document, where its values stand, and what the schema and the rules find."""
    reader = Reader(schema.root, schema.inert)
    document: Any = reader.read(overlaid.root, schema.root, ())
    faults = Teacher(schema.root, reader.places, file).problems(schema.document.iter_errors(document))
    bad = [path for path, _ in faults]
    found = [problem for _, problem in faults]
    for path, text, severity in rules.check(_pruned(document, bad) if bad else document):
        found.append(Problem(file, *_place(reader, path), dotted(path), text, severity))
    for name, entry in overlaid.others.items():
        prefix: Path = ("spec", "profiles", name)
        aside = Reader(schema.root, schema.inert)
        value = aside.read(entry.value, schema.root["$defs"]["spec"], prefix, (entry.line, entry.column))
        reader.places.update(aside.places)
        errors = Teacher(schema.root, aside.places, file).problems(schema.overlay.iter_errors(value), prefix)
        found += [problem for _, problem in errors]
    return document, reader, found


def _place(reader: Reader, path: Path) -> tuple[int, int]:
    """Where ``path`` stands; the nearest thing around it when it is not there."""
    for length in range(len(path), -1, -1):
        place = reader.places.get(path[:length])
        if place:
            return place.shown if length == len(path) else place.key
    return 0, 0


def _pruned(document: Any, bad: list[Path]) -> Any:
    """A copy in which None stands for what the schema refused, so that the rules can look at the rest."""
    result = copy.deepcopy(document)
    for path in bad:
        holder = result
        for part in path[:-1]:
            holder = holder[part] if _has(holder, part) else None
        if path and _has(holder, path[-1]):
            holder[path[-1]] = None
    return result


def _has(holder: Any, part: str | int) -> bool:
    if isinstance(holder, list):
        return isinstance(part, int) and part < len(holder)
    return isinstance(holder, dict) and part in holder


def _without_effect(reader: Reader, file: str) -> list[Problem]:
    message = "accepted, no effect yet"
    return [Problem(file, *_place(reader, path), dotted(path), message, "warning") for path in reader.unused]


def _in_order(problems: list[Problem]) -> tuple[Problem, ...]:
    """In file order, none twice, those about the whole file first."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.line, p.column, p.path)))
