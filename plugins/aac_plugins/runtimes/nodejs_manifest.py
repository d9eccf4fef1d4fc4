"""What a Node.js agent depends on, read from the files its author wrote. Pure: texts in, a request out.

``package.json`` says what is wanted; ``devDependencies`` never are. One lock file beside it says which versions:
``npm-shrinkwrap.json``, ``package-lock.json``, ``pnpm-lock.yaml`` or ``yarn.lock``. ``spec.dependencies`` are added; a
package that both name must satisfy both. Of ``.npmrc`` the addresses of registries are kept, and credentials only where
they are names of variables.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from aac_tasks.contracts.lock import DependencyRequest

MANIFEST = "package.json"
NPMRC = ".npmrc"
NPM_LOCKS = ("npm-shrinkwrap.json", "package-lock.json")
LOCKS = (*NPM_LOCKS, "pnpm-lock.yaml", "yarn.lock")
FILES = (MANIFEST, NPMRC, *LOCKS)

MANAGERS = {"npm-shrinkwrap.json": "npm", "package-lock.json": "npm", "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}
WANTED = ("dependencies", "optionalDependencies", "peerDependencies")
STEERING = ("overrides", "resolutions", "peerDependenciesMeta")
"""The fields of package.json that decide what is installed (https://docs.npmjs.com/cli/configuring-npm/package-json)."""

NAME = re.compile(r"(?:@[a-z0-9~-][a-z0-9._~-]*/)?[a-zA-Z0-9~_-][a-zA-Z0-9._~-]*")
PLAIN_RANGE = re.compile(r"[\dxX*.^~<>= +A-Za-z-]+")
LOCAL = re.compile(r"(?:file|link|portal|workspace):|\.{0,2}/")
GIT = re.compile(r"git[+:@]|github:|gitlab:|bitbucket:|gist:|[\w.-]+/[\w.-]+(?:#|$)|\S+\.git(?:#|$)")
KEPT_OPTIONS = re.compile(r"(?:@[\w.~-]+:)?registry|legacy-peer-deps|strict-peer-deps")
CREDENTIAL = re.compile(r"//\S+:(_authToken|_auth|_password|username)|_authToken|_auth|_password")

Problems = tuple[tuple[str, str], ...]
Manifest = dict[str, dict[str, str]]


def read(dependencies: tuple[str, ...], texts: Mapping[str, str | None]) -> tuple[DependencyRequest, Problems]:
    """The request for the resolver, and what stands in its way as (spec path, message) pairs."""
    manifest, problems = _manifest(texts.get(MANIFEST))
    added: dict[str, str] = {}
    for index, text in enumerate(dependencies):
        name, wanted = split(text.strip())
        trouble = _trouble(text.strip(), name, wanted)
        known = manifest.get("dependencies", {}).get(name) or added.get(name)
        both = _both(known, wanted) if known else wanted
        if not trouble and not both:
            trouble = f"{text.strip()!r} and {name}@{known} can't be joined into one range; name {name} in one place"
        if trouble:
            problems.append((f"spec.dependencies[{index}]", trouble))
        else:
            added[name] = both
    files = {}
    if any(manifest.get(field) for field in WANTED):
        lock, more = _lock(texts)
        problems += more
        files = {MANIFEST: json.dumps(manifest, sort_keys=True), **lock}
    options, more = _npmrc(texts.get(NPMRC))
    problems += more
    if options and (files or added):
        files[NPMRC] = options
    return DependencyRequest(tuple(f"{name}@{wanted}" for name, wanted in added.items()), files), tuple(problems)


def split(text: str) -> tuple[str, str]:
    """``@scope/name@range`` → name and range; no range is the tag ``latest``."""
    name, at, wanted = text[1:].partition("@")
    return text[:1] + name, wanted.strip() if at else "latest"


def _both(first: str, second: str) -> str:
    """A range that is in both (semver joins comparators by a space); empty when that can't be written."""
    if "latest" in (first, second) or first == second:
        return first if second in ("latest", first) else second
    plain = all(PLAIN_RANGE.fullmatch(r) and " - " not in r and re.search(r"\d|^\*$", r) for r in (first, second))
    return f"{first} {second}" if plain else ""


def _trouble(text: str, name: str, wanted: str) -> str:
    """Why an entry of spec.dependencies can't be taken, or nothing."""
    pinned = re.fullmatch(r"([^\s=<>~!@]+)\s*(?:==|~=)\s*([\d.]+)", text)
    if pinned:
        return f"{text!r} is not npm's notation; did you mean '{pinned[1]}@{pinned[2]}'?"
    if LOCAL.match(text) or text.startswith(("http:", "https:")) or ("@" not in text and GIT.match(text)):
        return f"{text!r} has no name; expected NAME@RANGE of a registry's package, or NAME@URL of a tarball"
    if not NAME.fullmatch(name):
        return f"{text!r} is not a package; expected NAME@RANGE as in express@4.18.2 or @scope/name@^1"
    return wanted_trouble(name, wanted)


def wanted_trouble(name: str, wanted: str) -> str:
    """Why a dependency's range can't be locked, or nothing."""
    if not wanted or re.search(r"[\x00-\x1f\"'\\]", wanted):
        return f"{name}: {wanted!r} is not a range; expected as in 4.18.2 or ^4"
    if wanted.startswith("npm:"):
        target, _ = split(wanted.removeprefix("npm:"))
        return "" if NAME.fullmatch(target) else f"{name}: {wanted!r} is not an alias; expected npm:NAME@RANGE"
    if re.match(r"https?://", wanted) and not wanted.split("#")[0].endswith(".git"):
        if "@" in wanted.split("/")[2]:
            return f"{name}: the address holds credentials; put them into your own .npmrc"
        return ""
    if LOCAL.match(wanted):
        return (
            f"{name}: {wanted!r} is a folder, and only published packages can be locked; import its files by path, map it "
            f'under "imports" in package.json, or publish it'
        )
    if GIT.match(wanted) or "://" in wanted:
        return f"{name}: {wanted!r} would have to be packed by git and npm; name a published version, or the URL of a tarball"
    if wanted.startswith("patch:"):
        return f"{name}: {wanted!r} is patched by yarn; publish the patched package, or write an image of your own"
    return ""


def _manifest(text: str | None) -> tuple[Manifest, list[tuple[str, str]]]:
    """The fields that decide what is installed, and what is wrong with them."""
    found, trouble = parsed(text)
    if trouble:
        return {}, [("spec.dependencies", f"{MANIFEST}: {trouble}")]
    problems: list[tuple[str, str]] = []
    manifest: Manifest = {}
    for field in (*WANTED, *STEERING):
        value = found.get(field)
        if not value:
            continue
        if not isinstance(value, dict):
            problems.append(("spec.dependencies", f"{MANIFEST}: {field} is not an object of names and ranges"))
            continue
        manifest[field] = value
        if field in WANTED:
            problems += [("spec.dependencies", f"{MANIFEST}: {t}") for t in _troubles(value) if t]
    for name in set(manifest.get("optionalDependencies", {})) & set(manifest.get("dependencies", {})):
        del manifest["dependencies"][name]  # npm: the optional entry has the say
    return manifest, problems


def _troubles(wanted: Mapping[str, object]) -> Iterator[str]:
    for name, value in wanted.items():
        if not isinstance(value, str) or not NAME.fullmatch(name):
            yield f"{name!r}: {value!r} is not a name with a range; expected as in \"express\": \"^4.18.2\""
        else:
            yield wanted_trouble(name, value or "*")


def parsed(text: str | None) -> tuple[Mapping[str, object], str]:
    """The object in package.json, empty when it is absent; and why it can't be read."""
    if text is None:
        return {}, ""
    try:
        found: object = json.loads(text.lstrip("\ufeff"))
    except json.JSONDecodeError as error:  # what exactly is said differs between versions of Python
        return {}, f"is not JSON: line {error.lineno} can't be read; mend the file"
    return (found, "") if isinstance(found, dict) else ({}, "is not a JSON object; write it as `npm init` does")


def _lock(texts: Mapping[str, str | None]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The one lock file that counts; ``packageManager`` chooses where there are several."""
    there = {name: text for name in LOCKS if (text := texts.get(name)) is not None}
    if "npm-shrinkwrap.json" in there:
        there.pop("package-lock.json", None)
    said = parsed(texts.get(MANIFEST))[0].get("packageManager")
    manager = said.partition("@")[0] if isinstance(said, str) else ""
    chosen = {n: t for n, t in there.items() if MANAGERS[n] == manager} or there
    if len(chosen) > 1:
        message = f"{' and '.join(chosen)} are both here; delete one, or say \"packageManager\" in {MANIFEST}"
        return {}, [("spec.dependencies", message)]
    return chosen, []


def _npmrc(text: str | None) -> tuple[str, list[tuple[str, str]]]:
    """The lines of a project's .npmrc that may be kept, and what may not stand in it."""
    kept, problems = [], []
    for number, line in enumerate((text or "").splitlines(), 1):
        name, _, value = (part.strip() for part in line.partition("="))
        if name.startswith((";", "#")):
            continue
        secret = CREDENTIAL.fullmatch(name)
        if (secret and not re.fullmatch(r"\$\{\w+\}", value)) or re.search(r"//[^/]*@", value):
            message = f"{NPMRC}:{number}: holds a credential, and {NPMRC} is part of the image; write ${{NPM_TOKEN}} in its place"
            problems.append(("spec.dependencies", f"{message}, or move the line to the .npmrc of your home folder"))
        elif secret or KEPT_OPTIONS.fullmatch(name):
            kept.append(f"{name}={value}\n")
    return "".join(kept), problems
