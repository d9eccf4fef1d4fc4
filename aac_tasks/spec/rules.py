"""What a schema can't say: rules between the fields of one spec. What the schema refused is None here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aac_tasks.contracts import quantities
from aac_tasks.contracts.capabilities import CAPABILITIES, is_known, short
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.spec import variable_of
from aac_tasks.spec.lines import one_line
from aac_tasks.spec.teaching import nearest
from aac_tasks.spec.values import Path, dotted

Finding = tuple[Path, str, str]
"""Path, message, severity."""
Doc = Mapping[str, Any]  # JSON of many shapes; the schema has been through it

_SOURCES = {
    "secretName": "secret", "secretKey": "secret", "configMapName": "configmap", "configMapKey": "configmap",
    "envKey": "env", "defaultValue": "env",
}  # fmt: skip


_RUN = ("http", "command", "structure")
"""Types of checks that the test step can run."""


def check(doc: Doc) -> Iterator[Finding]:
    """Every finding in the canonical document."""
    yield from one_line(doc)
    spec = doc.get("spec")
    if isinstance(spec, Mapping):
        for rule in _RULES:
            yield from rule(spec)


def _resources(spec: Doc) -> Iterator[Finding]:
    limits = _at(spec, "resources", "limits")
    readers: dict[str, Callable[[str], float]] = {
        "cpu": quantities.cores,
        "memory": quantities.memory_bytes,
        "ephemeral-storage": quantities.memory_bytes,
        "gpu": float,
    }
    for key, asked in _at(spec, "resources", "requests").items():
        read = readers.get(key)
        limit = limits.get(key)
        if read and limit and asked and read(asked) > read(limit):
            message = (
                f"{asked!r} is more than resources.limits.{key}, {limit!r}; lower it, or raise the limit"
            )
            yield ("spec", "resources", "requests", key), message, "error"


def _ports(spec: Doc) -> Iterator[Finding]:
    for field in ("host", "container"):
        seen: dict[tuple[int, str], int] = {}
        for number, port in _items(spec, "ports"):
            key = (port.get(field, 0), port.get("protocol", "tcp"))
            if key[0] and key in seen:
                message = (
                    f"{field} port {key[0]}/{key[1]} is taken by spec.ports[{seen[key]}]; choose another"
                )
                yield ("spec", "ports", number, field), message, "error"
            seen.setdefault(key, number)


def _environment(spec: Doc) -> Iterator[Finding]:
    yield from _variables(spec, ("spec",))


def _variables(holder: Doc, at: Path) -> Iterator[Finding]:
    yield from _unique(holder, "environment", "keep one of the two", at)
    for number, entry in _items(holder, "environment"):
        path = (*at, "environment", number)
        source = entry.get("from", "")
        if source is None:  # refused by the schema already
            continue
        if source and "value" in entry:
            yield (*path, "value"), f"`value` and `from: {source}` exclude each other; keep one", "error"
        if not source and "value" not in entry and not any(key in entry for key in _SOURCES):
            yield (
                path,
                "neither `value` nor `from`; expected one, as in `value: info` or `from: secret`",
                "error",
            )
        for key, needs in _SOURCES.items():
            if key in entry and source != needs:
                yield (*path, key), f"this needs `from: {needs}` beside it", "error"


def _names(spec: Doc) -> Iterator[Finding]:
    yield from _unique(spec, "tests", "reports tell checks apart by name")
    yield from _unique(spec, "secrets", "keep one of the two")


def _checks(spec: Doc) -> Iterator[Finding]:
    """A check of another type is reported as not run, by the step as well."""
    for number, entry in _items(spec, "tests"):
        if entry.get("type") not in (None, *_RUN):
            yield ("spec", "tests", number), "accepted, no effect yet", "warning"


def _services(spec: Doc) -> Iterator[Finding]:
    """The agent is told of each by variables."""
    told: dict[str, str] = {}
    for name, service in _at(spec, "services").items():
        path = ("spec", "services", name)
        if isinstance(service, Mapping):
            yield from _service(service, path)
        variable = variable_of(name)
        if not re.match("[A-Z_]", variable):
            yield path, f"no variable can be called {variable}; let the name begin with a letter", "error"
        if variable in told:
            yield path, f"{told[variable]!r} is told by {variable} already; rename one of the two", "error"
        told.setdefault(variable, name)


def _service(service: Doc, path: Path) -> Iterator[Finding]:
    """It is an agent or an image, and all else that is said of it is of an image."""
    if not {"agent", "image"} & service.keys():
        yield path, "neither `image` nor `agent`; expected one, as in `image: redis:7.4`", "error"
    if {"agent", "image"} <= service.keys():
        yield (*path, "agent"), "a service is an `agent` or an `image`; keep one of the two", "error"
    elif "agent" in service:
        for key in sorted(service.keys() - {"agent"}):
            if not key.startswith("x-"):
                yield (*path, key), "this belongs to a service with `image`; an agent says it in its own agent.yaml", "error"
    yield from _variables(service, path)
    yield from _probe(service, path)


def _unique(spec: Doc, block: str, why: str, at: Path = ("spec",)) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, entry in _items(spec, block):
        name = entry.get("name")
        if name and name in seen:
            message = f"the name {name!r} is taken by {dotted((*at, block, seen[name]))}; {why}"
            yield (*at, block, number, "name"), message, "error"
        if name:
            seen.setdefault(name, number)


def _volumes(spec: Doc) -> Iterator[Finding]:
    seen: dict[str, int] = {}
    for number, volume in _items(spec, "volumes"):
        path = ("spec", "volumes", number)
        kind, target = volume.get("type", "volume"), volume.get("target")
        if target and target in seen:
            yield (*path, "target"), f"{target!r} is mounted by spec.volumes[{seen[target]}] already", "error"
        seen.setdefault(str(target), number)
        if kind != "tmpfs" and not volume.get("source"):
            yield path, f"a volume of type {kind} needs a `source`", "error"
        if kind == "tmpfs" and volume.get("source"):
            yield (*path, "source"), "a tmpfs is made of memory and has no source; remove it", "error"
        if kind == "configmap":
            yield (*path, "type"), "accepted, no effect yet", "warning"


def _health(spec: Doc) -> Iterator[Finding]:
    check = spec.get("healthCheck")
    if not isinstance(check, Mapping) or ("type" in check and check["type"] is None):  # refused by the schema already
        return
    yield from _probe(spec, ("spec",))
    path, kind = ("spec", "healthCheck"), probe_type(check)
    exposed = [port.get("container") for _, port in _items(spec, "ports")]
    if kind != "command" and check.get("port") and check["port"] not in exposed:
        shown = ", ".join(map(str, exposed)) or "none"
        message = f"port {check['port']} is probed but not among spec.ports ({shown}); add it there"
        yield (*path, "port"), message, "warning"
    if kind != "command" and not {"port", "command"} & check.keys() and not exposed:
        yield path, "there is no port to probe; add `port` here or a port to spec.ports", "error"


def _probe(holder: Doc, at: Path) -> Iterator[Finding]:
    """What a health check says belongs to its type."""
    check = holder.get("healthCheck")
    if not isinstance(check, Mapping) or ("type" in check and check["type"] is None):
        return
    path, kind = (*at, "healthCheck"), probe_type(check)
    if kind == "command" and not check.get("command"):
        yield path, "a check of type command needs `command`", "error"
    for key, needs in (("command", "command"), ("path", "http")):
        if key in check and kind != needs:
            yield (*path, key), f"this belongs to `type: {needs}`, and the type here is {kind}", "error"


def probe_type(check: Doc) -> str:
    """The type of a health check that does not say it."""
    if check.get("type"):
        return str(check["type"])
    if "command" in check:
        return "command"
    return "tcp" if "port" in check and "path" not in check else "http"


def _security(spec: Doc) -> Iterator[Finding]:
    security = _at(spec, "security")
    if security.get("runAsNonRoot") is True and security.get("runAsUser") == 0:
        yield (
            ("spec", "security", "runAsUser"),
            "user 0 is root, and runAsNonRoot is true; keep one of the two",
            "error",
        )
    for block in ("add", "drop"):
        for number, name in enumerate(_at(security, "capabilities").get(block) or ()):
            if isinstance(name, str) and not is_known(name):
                near = nearest(short(name), CAPABILITIES) or "; capabilities(7) lists them"
                yield ("spec", "security", "capabilities", block, number), f"Linux has no capability {name!r}{near}", "error"


def _scaling(spec: Doc) -> Iterator[Finding]:
    scaling = _at(spec, "scaling")
    low, high = scaling.get("minReplicas"), scaling.get("maxReplicas")
    if low is not None and high is not None and low > high:
        yield ("spec", "scaling", "minReplicas"), f"{low} is more than maxReplicas, {high}", "error"


def _plugin_keys(spec: Doc) -> Iterator[Finding]:
    """A misspelled block must not pass as the settings of a plugin that nobody has."""
    for block, own in (("deploy", ("target", "strategy")), ("image", ("registry", "repository", "tags"))):
        for key, value in _at(spec, block).items():
            if value is None:  # refused by the schema already
                continue
            near = "" if key in own or key.startswith("x-") else nearest(key, own)
            if near:
                yield ("spec", block, key), f"unknown key {key!r}{near}", "error"


def _start(spec: Doc) -> Iterator[Finding]:
    own = _at(spec, "build").get("dockerfile")  # says itself how it starts
    if str(spec.get("runtime", "")).partition(":")[0] == "custom" and not (spec.get("entrypoint") or own):
        message = 'runtime custom has no default entrypoint; add one, as in `entrypoint: ["./agent"]`'
        yield ("spec", "entrypoint"), message, "build-error"


def _own_dockerfile(spec: Doc) -> Iterator[Finding]:
    build = _at(spec, "build")
    for key in ("args", "target"):
        if build.get(key) and not build.get("dockerfile"):
            yield ("spec", "build", key), "is for an own Dockerfile; name it in build.dockerfile", "error"


def _platforms(spec: Doc) -> Iterator[Finding]:
    for number, text in enumerate(_at(spec, "build").get("platforms") or ()):
        try:
            Platform.of_image(text or "linux/amd64")  # what the schema refused is told already
        except ValueError as error:
            yield ("spec", "build", "platforms", number), str(error), "error"


def _at(spec: Doc, *keys: str) -> Doc:
    found: Any = spec
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _items(spec: Doc, block: str) -> Iterator[tuple[int, Doc]]:
    found = spec.get(block)
    if isinstance(found, Sequence) and not isinstance(found, str):
        yield from ((number, item) for number, item in enumerate(found) if isinstance(item, Mapping))


_RULES: tuple[Callable[[Doc], Iterator[Finding]], ...] = (
    _resources, _ports, _environment, _names, _checks, _volumes, _health, _security, _scaling, _plugin_keys, _start,
    _services, _own_dockerfile, _platforms,
)  # fmt: skip
