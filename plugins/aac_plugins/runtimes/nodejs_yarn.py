"""yarn.lock, of Yarn 1 and of Yarn 2 and later, as a graph. Pure: no yarn is run.

What is exact: every package has the version, and what it depends on is the version, that Yarn decided. Yarn 1 has the
tarball's hash too. Later ones hash an archive of their own making, so the registry says what a tarball hashes to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from aac_plugins.runtimes.nodejs_manifest import MANIFEST, Manifest, split, wanted_trouble
from aac_plugins.runtimes.nodejs_registry import MIRRORED, PUBLIC, tarball_url
from aac_plugins.runtimes.nodejs_tree import Entry, Graph
from aac_tasks.errors import StepError

HINT = "write yarn.lock anew with `yarn install`"
LINE = re.compile(r'( {2}| {4})("[^"]+"|[\w.@/~-]+):?( .*)?')


@dataclass
class Block:
    """One entry of a yarn.lock. ``key`` is the first of its ``name@range``; ``needs`` and ``optional`` map names to ranges."""

    key: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    needs: dict[str, str] = field(default_factory=dict)
    optional: dict[str, str] = field(default_factory=dict)


def read(text: str, manifest: Manifest) -> Graph:
    """The graph below ``manifest``.

    Raises:
        StepError: the file is not what Yarn writes, or does not answer package.json.
    """
    modern = re.search(r"^__metadata:", text, re.MULTILINE) is not None
    blocks = _modern(text) if modern else _classic(text)
    entries: dict[str, Entry] = {}
    edges: dict[str, dict[str, str]] = {}
    pending = [Block("", {}, {**manifest.get("dependencies", {})}, {**manifest.get("optionalDependencies", {})})]
    while pending:
        block = pending.pop()
        if block.key in edges:
            continue
        entries[block.key] = _entry(block, modern=modern)
        found = dict(_edges(block, blocks, manifest))
        edges[block.key] = {name: target.key for name, target in found.items()}
        pending += found.values()
    return Graph(entries, edges)


def _edges(block: Block, blocks: Mapping[str, Block], manifest: Manifest) -> Iterator[tuple[str, Block]]:
    for name, wanted in {**block.needs, **block.optional}.items():
        target = blocks.get(f"{name}@{wanted}") or blocks.get(f"{name}@npm:{wanted}") or _forced(name, blocks, manifest)
        if target is not None:
            yield name, target
        elif name in block.needs:
            raise StepError(f"yarn.lock does not say what {name}@{wanted} is, which {block.key or MANIFEST} needs", hint=HINT)


def _forced(name: str, blocks: Mapping[str, Block], manifest: Manifest) -> Block | None:
    """The one version that there is of a package whose range is in no entry, because ``resolutions`` took its place."""
    found = {block.key: block for key, block in blocks.items() if split(key)[0] == name}
    return next(iter(found.values())) if manifest.get("resolutions") and len(found) == 1 else None


def _entry(block: Block, *, modern: bool) -> Entry:
    needs, optional = block.needs, block.optional
    if not block.key:
        return {"dependencies": needs, "optionalDependencies": optional}
    name, version = _real_name(*split(block.key), block.fields.get("resolution", "")), block.fields.get("version", "")
    entry: Entry = {"name": name, "version": version, "dependencies": needs, "optionalDependencies": optional}
    if modern:
        _check_source(name, block.fields)
        entry["resolved"] = _archive(block.fields.get("resolution", "")) or tarball_url(name, version)
        entry.update(_conditions(block.fields.get("conditions", "")))
        return entry
    resolved, _, sha1 = block.fields.get("resolved", "").partition("#")
    trouble = wanted_trouble(name, resolved)
    if trouble and resolved:
        raise StepError(f"yarn.lock: {trouble}")
    for mirrored in MIRRORED:
        resolved = resolved.replace(mirrored, PUBLIC)
    entry["resolved"] = resolved or tarball_url(name, version)
    weak = f"sha1-{_base64(sha1)}" if re.fullmatch(r"[0-9a-f]{40}", sha1) else ""
    entry["integrity"] = block.fields.get("integrity", "") or weak
    return entry


def _real_name(folder: str, wanted: str, resolution: str) -> str:
    """The package's name in the registry: an alias has another than its folder."""
    if resolution:
        return split(resolution)[0]
    return split(wanted.removeprefix("npm:"))[0] if wanted.startswith("npm:") else folder


def _check_source(name: str, fields: Mapping[str, str]) -> None:
    _, source = split(fields.get("resolution", ""))
    if source.startswith("npm:") or _archive(fields.get("resolution", "")):
        return
    raise StepError(f"yarn.lock: {wanted_trouble(name, source) or f'{name} comes from {source!r}, which is not a registry'}")


def _archive(resolution: str) -> str:
    """The address behind ``name@https://….tgz``, or of a package whose registry has unusual ones."""
    _, source = split(resolution)
    found = re.search(r"::__archiveUrl=(\S+)", source)
    if found:
        from urllib.parse import unquote  # lazy: rare

        return unquote(found[1])
    return source if source.startswith(("https://", "http://")) and not re.search(r"\.git\b", source) else ""


def _conditions(text: str) -> Entry:
    """``(os=linux | os=darwin) & cpu=x64 & libc=glibc`` as npm's lists."""
    found = {name: re.findall(rf"\b{name}=([!\w-]+)", text) for name in ("os", "cpu", "libc")}
    return cast("Entry", {name: words for name, words in found.items() if words})  # the three are fields of it


def _base64(digest: str) -> str:
    import base64  # lazy: old lock files only

    return base64.b64encode(bytes.fromhex(digest)).decode()


def _classic(text: str) -> dict[str, Block]:
    """Yarn 1's own format: indented names and values, no colons between them."""
    blocks: dict[str, Block] = {}
    block, into = Block(), {}
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line.startswith(" "):
            keys = [key.strip('"') for key in line.rstrip(":").split(", ")]
            block = Block(keys[0])
            blocks.update(dict.fromkeys(keys, block))
            continue
        found = LINE.fullmatch(line)
        if found is None:
            raise StepError(f"yarn.lock: {line.strip()!r} is no line that Yarn writes", hint=HINT)
        name, value = found[2].strip('"'), (found[3] or "").strip().strip('"')
        if len(found[1]) == 2:
            into = {"dependencies": block.needs, "optionalDependencies": block.optional}.get(name, {})
            block.fields[name] = value
        else:
            into[name] = value
    for block in blocks.values():  # Yarn 1 lists an optional one in both places
        for name in block.optional:
            block.needs.pop(name, None)
    return blocks


def _modern(text: str) -> dict[str, Block]:
    """YAML of Yarn 2 and later; dependencies that Yarn adds by itself (node-gyp, for packages that compile) are left out."""
    import yaml  # lazy: only at lock, and only where the file is

    try:
        loaded = yaml.load(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))  # noqa: S506  # makes texts only
    except yaml.YAMLError as error:
        raise StepError(f"yarn.lock can't be read: {error}", hint=HINT) from error
    blocks: dict[str, Block] = {}
    for keys, about in loaded.items():
        if keys == "__metadata":
            continue
        needs = {n: r for n, r in about.get("dependencies", {}).items() if (n, r) != ("node-gyp", "npm:latest")}
        meta = about.get("dependenciesMeta", {})
        optional = {n: needs.pop(n) for n in list(needs) if meta.get(n, {}).get("optional") == "true"}
        fields = {n: v for n, v in about.items() if isinstance(v, str)}
        names = keys.split(", ")
        blocks.update(dict.fromkeys(names, Block(names[0], fields, needs, optional)))
    return blocks
