"""What works here, found out by trying it: for `agent doctor`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.codec import decode
from aac_tasks.contracts.lock import Lock
from aac_tasks.contracts.making import DockerfileAction, ImageAction, LockAction, dockerfile_name
from aac_tasks.contracts.plan import AgentPlan, Plan
from aac_tasks.contracts.recipe import DockerfileLayers
from aac_tasks.contracts.roles import Builder
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import AacError

if TYPE_CHECKING:
    from aac_tasks.contracts.canonical import JsonObject
    from aac_tasks.contracts.engines import CheckingBuilder


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
    choices = (_choice("image", "builder", found), _with_commands(catalog, tools), _choice("test", "runner", found, allow_host))
    return (*found, *choices)


def builders_of(plan: Plan, catalog: Catalog, tools: Tools, lock_of: Callable[[AgentPlan], Lock | None]) -> Iterator[Finding]:
    """Which builder each agent's image step takes, and why: as locked, as asked, or the first that can. Before it, for a
    language that compiles, whose tools a step lock will ask.
    """
    from aac_tasks.steps.lock import choose_builder, needs_of

    for agent in plan.agents:
        name, step, lock = f"image:{agent.agent}", agent.step("lock"), lock_of(agent)
        if step is None or step.action is None:
            continue
        try:
            action = decode(LockAction, step.action)
            if lock is not None and lock.inputs == agent.lock_inputs and action.builder in ("", lock.builder):
                yield _locked(name, catalog.builders.get(lock.builder), needs_of(action), tools)
                continue
            builder, why = choose_builder(action, catalog, tools, lock)
            yield from _asking(f"lock:{agent.agent}", action, catalog.builders.get(builder), catalog, tools)
            yield Finding("agents", name, "ok", f"builder {builder}: {why}")
        except AacError as error:
            yield Finding("agents", name, "blocked", str(error).partition("\n")[0])


def _asking(name: str, action: LockAction, builder: Builder, catalog: Catalog, tools: Tools) -> Iterator[Finding]:
    """Which tools answer what has to be resolved: this machine's, or the toolchain image's. Nothing where none is needed."""
    from aac_tasks.steps.toolchain import can_lend, lacking, lending, programs_of

    programs = ", ".join(programs_of(action))
    missing = lacking(action, tools)
    if not programs:
        return
    if not missing:
        yield Finding("agents", name, "ok", f"{programs} of this machine")
        return
    runtime = catalog.runtimes.get(action.runtime)
    lent = lending(runtime).lends if action.toolchain is not None and can_lend(builder, runtime) else ()
    if set(missing).issubset(lent) and action.toolchain is not None:
        image = f"the image {action.toolchain.reference}, by builder {builder.name}"
        yield Finding("agents", name, "ok", f"{programs} in {image}; not on PATH: {', '.join(missing)}")
        return
    alone = ", ".join(program for program in missing if program not in lent)
    yield Finding("agents", name, "warning", f"{alone} is not on PATH, and no image is asked for it")


def dockerfiles_of(agent: str, image: JsonObject, dockerfile: JsonObject, catalog: Catalog, tools: Tools) -> Iterator[Finding]:
    """What the builder of an image says about its Dockerfiles, one for each platform, and which of it is in the way."""
    name, action, texts = f"image:{agent}", decode(ImageAction, image), decode(DockerfileAction, dockerfile).files
    builder = catalog.builders.get(action.builder)
    for recipe in action.recipes:
        own = next((layer.file for layer in recipe.layers if isinstance(layer, DockerfileLayers)), "")
        if not hasattr(builder, "check"):
            if own:
                yield Finding("agents", name, "ok", f"builder {builder.name} has no check; of {own} its images were read")
            continue
        text = texts.get(dockerfile_name(recipe.platform, len(action.recipes)), "")
        try:
            checked = cast("CheckingBuilder", builder).check(recipe, text, tools)
        except AacError as error:
            yield Finding("agents", name, "warning", str(error).partition("\n")[0])
            continue
        yield Finding("agents", name, "ok", checked.how)
        for remark in checked.remarks:
            where = f"{own or 'Dockerfile'}:{remark.line}: " if remark.line else ""
            yield Finding("agents", name, "blocked" if remark.wrong else "warning", f"{where}{remark.text}")


def _locked(name: str, builder: Builder, needs: frozenset[str], tools: Tools) -> Finding:
    refusal = _refusal(builder, needs, tools)
    text = f"builder {builder.name}: as agent.lock says"
    return Finding("agents", name, "warning" if refusal else "ok", f"{text}, but {refusal}" if refusal else text)


def _builders(catalog: Catalog, tools: Tools) -> Iterator[Finding]:
    for builder in catalog.builders:
        reason = _refusal(builder, frozenset(), tools)
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


def _with_commands(catalog: Catalog, tools: Tools) -> Finding:
    """Commands in an image and own Dockerfiles need an engine: which, or why none."""
    refusals = {b.name: _refusal(b, frozenset({"commands", "dockerfile"}), tools) for b in catalog.builders}
    first = next((name for name, refusal in refusals.items() if not refusal), "")
    if first:
        return Finding("choice", "image (commands)", "ok", f"would take builder {first}")
    return Finding("choice", "image (commands)", "off", "; ".join(f"{name}: {why}" for name, why in refusals.items()))


def _refusal(builder: Builder, needs: frozenset[str], tools: Tools) -> str:
    try:
        return builder.can_build(needs, tools)
    except AacError as error:
        return str(error)


def _choice(step: str, role: str, found: list[Finding], allow_host: bool = False) -> Finding:
    first = next((f for f in found if f.area == role and f.state == "ok"), None)
    if first is None:
        return Finding("choice", step, "blocked", f"no {role} works here; each says why above")
    if first.name == "host" and not allow_host:
        return Finding("choice", step, "warning", "only runner host works; it must be allowed with --allow-host")
    return Finding("choice", step, "ok", f"would take {role} {first.name}")
