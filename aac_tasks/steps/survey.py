"""What works here, found out by trying it: for `agent doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import AacError


@dataclass(frozen=True)
class Finding:
    """One thing looked at. ``state``: ``ok``, ``off`` (not here, which is fine), ``warning``, ``blocked``."""

    area: str
    name: str
    state: str
    text: str = ""


def survey(catalog: Catalog, tools: Tools, *, allow_host: bool = False) -> tuple[Finding, ...]:
    """Each builder and runner tried; bases, registries, deployers listed; then what steps would take."""
    found = [*_builders(catalog, tools), *_runners(catalog, tools), *_listed(catalog)]
    return (*found, _choice("image", "builder", found), _choice("test", "runner", found, allow_host))


def _builders(catalog: Catalog, tools: Tools) -> Iterator[Finding]:
    for builder in catalog.builders:
        try:
            reason = builder.can_build(frozenset(), tools)
        except AacError as error:
            reason = str(error)
        yield Finding("builder", builder.name, "off" if reason else "ok", reason)


def _runners(catalog: Catalog, tools: Tools) -> Iterator[Finding]:
    for runner in catalog.runners:
        try:
            probe = runner.probe(tools)
        except AacError as error:
            yield Finding("runner", runner.name, "off", str(error))
            continue
        words = [f"isolation {probe.isolation}" if probe.isolation else "", probe.version, probe.reason]
        yield Finding("runner", runner.name, "ok" if probe.works else "off", ", ".join(w for w in words if w))


def _listed(catalog: Catalog) -> Iterator[Finding]:
    for base in catalog.bases:
        yield Finding("base", base.name, "ok", f"from {catalog.bases.origin.get(base.name, '?')}")
    for registry in catalog.registries:
        yield Finding("registry", registry.name, "ok", f"from {catalog.registries.origin.get(registry.name, '?')}")
    for deployer in catalog.deployers:
        pulls = "pulls from a registry" if deployer.pulls else "takes the image from here"
        yield Finding("deployer", deployer.name, "ok", pulls)


def _choice(step: str, role: str, found: list[Finding], allow_host: bool = False) -> Finding:
    first = next((f for f in found if f.area == role and f.state == "ok"), None)
    if first is None:
        return Finding("choice", step, "blocked", f"no {role} works here; each says why above")
    if first.name == "host" and not allow_host:
        return Finding("choice", step, "warning", "only runner host works; it must be allowed with --allow-host")
    return Finding("choice", step, "ok", f"would take {role} {first.name}")
