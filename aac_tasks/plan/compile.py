"""ROOM 2, DECIDE: (spec, facts, catalog) → the steps of one agent. Pure.

Actions downstream of the lock need what the lock decided. While ``agent.lock`` is missing or answers another question
they are left out (``pending``), and the agent is compiled again as soon as step ``lock`` has run: there are no
placeholders in an action (docs/adr/0003).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.actions import (
    Check,
    DeployAction,
    DockerfileAction,
    ImageAction,
    LockAction,
    ParseAction,
    PushAction,
    TestAction,
)
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import HealthProbe, ImageRef, Platform
from aac_tasks.contracts.lock import BaseRequest, Lock, LockedBase
from aac_tasks.contracts.making import dockerfile_name
from aac_tasks.contracts.plan import PENDING_LOCK, AgentPlan, Consumed, Facts, Step, TreeRequest
from aac_tasks.contracts.recipe import Recipe
from aac_tasks.contracts.roles import RuntimePlan
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.errors import PlanError
from aac_tasks.plan.context import context_root, ignore_patterns
from aac_tasks.plan.dockerfile import render, render_ignore
from aac_tasks.plan.instance import images_of, instance_of, probe_of, services_of, unlimited
from aac_tasks.plan.origins import ORIGINS, model_origins, service_origins
from aac_tasks.plan.recipe import EPOCH, complete


@dataclass(frozen=True)
class Request:
    """One agent to compile. ``folder`` is relative to the state root ("" is the root), ``file`` the manifest's name.

    ``ignore`` holds the patterns of its .dockerignore; ``builder`` and ``platforms`` come from the command line.
    """

    spec: AgentSpec
    canonical: JsonObject
    facts: Facts
    folder: str
    file: str
    ignore: tuple[str, ...] = ()
    builder: str = ""
    platforms: tuple[Platform, ...] = ()
    created: int = EPOCH
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compiled:
    """The plan of one agent, and what stands in the way of an image: (spec path, message)."""

    plan: AgentPlan
    problems: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Draft:
    """What the steps of one agent are made of."""

    request: Request
    catalog: Catalog
    answer: RuntimePlan
    lock_action: LockAction
    lock: Lock | None
    recipes: tuple[Recipe, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.request.spec.name


def compile_agent(request: Request, catalog: Catalog) -> Compiled:
    """All steps of one agent, upstream first.

    Raises:
        PluginError: the runtime, the deploy target or the registry has no plugin.
    """
    spec = request.spec
    runtime = catalog.runtimes.get(spec.runtime)
    answer = runtime.plan(spec, request.facts)
    platforms = request.platforms or tuple(Platform.parse(p) for p in spec.build.platforms) or (Platform(),)
    lock_action = LockAction(
        runtime=spec.runtime,
        base=answer.base,
        dependencies=answer.dependencies,
        platforms=platforms,
        builder=request.builder or spec.build.builder,
        needs=(*answer.needs, *(("commands",) if spec.build.commands else ())),
        toolchain=answer.toolchain,
        images=answer.images,
        services={name: BaseRequest("registry", one.image) for name, one in spec.services.items() if one.image},
    )
    lock = request.facts.lock if is_current(request.facts.lock, lock_action) else None
    draft = _Draft(request, catalog, answer, lock_action, lock)
    if lock is not None:
        locked = (lock.of(p) for p in platforms)
        recipes = tuple(
            complete(runtime.recipe(spec, request.facts, one), spec, request.created)
            for one in locked
            if one is not None
        )
        draft = replace(draft, recipes=recipes)
    steps = (
        _parse(draft),
        _lock(draft),
        _dockerfile(draft),
        _image(draft),
        _test(draft),
        _push(draft),
        _deploy(draft),
    )
    plan = AgentPlan(spec.name, request.folder, request.file, steps, request.warnings, lock_action.question)
    return Compiled(plan, answer.problems)


def is_current(lock: Lock | None, action: LockAction) -> bool:
    """Whether this lock answers this question."""
    if lock is None or lock.inputs != action.question:
        return False
    return action.builder in ("", lock.builder) and all(lock.of(p) for p in action.platforms)


def _step(draft: _Draft, kind: str, action: object | None, needs: tuple[str, ...], doc: str) -> Step:
    encoded = encode(action) if action is not None else None
    return Step(
        id=f"{kind}:{draft.name}",
        kind=kind,
        agent=draft.name,
        action=encoded if isinstance(encoded, Mapping) else None,
        needs=tuple(f"{n}:{draft.name}" for n in needs),
        origins=ORIGINS[kind],
        pending="" if action is not None else PENDING_LOCK,
        doc=doc,
    )


def _parse(draft: _Draft) -> Step:
    step = _step(
        draft,
        "parse",
        ParseAction(draft.request.canonical),
        (),
        "check agent.yaml and write the resolved spec",
    )
    return replace(step, pure=False)


def _lock(draft: _Draft) -> Step:
    step = _step(draft, "lock", draft.lock_action, ("parse",), "pin base, dependencies and builder in agent.lock")
    return replace(step, pure=False)


def _dockerfile(draft: _Draft) -> Step:
    action = DockerfileAction(_rendered(draft)) if draft.recipes else None
    step = _step(draft, "dockerfile", action, ("lock",), "render the Dockerfile and its ignore file")
    return replace(step, pure=False)


def _rendered(draft: _Draft) -> dict[str, str]:
    def name_of(base: LockedBase) -> str:
        return draft.catalog.bases.get(base.base).dockerfile_from(base)

    files = {"Dockerfile.dockerignore": render_ignore(_ignore(draft))}
    for recipe in draft.recipes:
        files[dockerfile_name(recipe.platform, len(draft.recipes))] = render(recipe, name_of)
    return files


def _image(draft: _Draft) -> Step:
    action, number = None, 1
    if draft.lock is not None and draft.recipes:
        action = ImageAction(draft.lock.builder, draft.recipes, draft.name)
        number = draft.catalog.builders.get(draft.lock.builder).format
    step = _step(draft, "image", action, ("dockerfile",), "build the OCI image")
    root = context_root(draft.request.folder, draft.request.spec.build.context, draft.request.file)
    origins = {**step.origins, **dict(model_origins(table(draft.request.canonical.get("spec"))))}
    return replace(step, tree=TreeRequest(root, _ignore(draft)), format=number, origins=origins)


def _test(draft: _Draft) -> Step:
    spec = draft.request.spec
    instance = unlimited(instance_of(spec, _probe(draft), fixed_ports=False))
    checks = tuple(Check(t.name or f"{t.type} {i + 1}", t.type, t.settings) for i, t in enumerate(spec.tests))
    services, images = services_of(spec), images_of(spec, draft.lock.platforms[0].images if draft.lock else {})
    action = TestAction(instance, checks, services=services, images=images)
    step = _step(draft, "test", action, ("image",), "start the image and run its checks")
    return replace(
        step,
        needs=(*step.needs, *_each("test", services)),
        consumes=(Consumed(f"image:{draft.name}", "content_digest"),),
        asks=("runner", "services") if spec.services else ("runner",),
        origins={**step.origins, **{path: place for name in images for path, place in service_origins(name)}},
        pending=_waiting(draft),
    )


def _probe(draft: _Draft) -> HealthProbe | None:
    spec = draft.request.spec
    return draft.recipes[0].probe if draft.recipes else probe_of(spec.health_check, spec.ports[0].container if spec.ports else 0)


def _push(draft: _Draft) -> Step:
    image = draft.request.spec.image
    refs = references(draft.request.spec)
    action = None
    if image.registry:
        plugin = next((r.name for r in draft.catalog.registries if r.accepts(refs[0])), "")
        if not plugin:
            raise PlanError(f"{draft.request.file} spec.image.registry: no registry plugin takes {refs[0]!r}")
        action = PushAction(plugin, refs, image.settings.get(plugin, {}))
    step = _step(draft, "push", action, ("test",), "push the image and read its digest back")
    where = f"{draft.request.file} spec.image.registry"
    problem = f"{where}: not set, so there is nowhere to push to; write a host (ghcr.io/me) or a folder (oci:dist)"
    return replace(
        step,
        consumes=(Consumed(f"image:{draft.name}", "digest"),),
        pure=False,
        pending=_waiting(draft) if action else problem,
    )


def references(spec: AgentSpec) -> tuple[str, ...]:
    """Every name the image is pushed under; default ``metadata.name:metadata.version`` (``latest`` without one)."""
    repository = spec.image.repository or spec.name
    tags = spec.image.tags or (spec.metadata.version or "latest",)
    if ":" in spec.image.registry.partition("/")[0] and not _is_host(spec.image.registry):
        return tuple(f"{spec.image.registry}:{repository}:{t}" for t in tags)
    host, _, path = (spec.image.registry or "docker.io").partition("/")
    full = f"{path}/{repository}" if path else repository
    return tuple(str(ImageRef(host, full, tag)) for tag in tags)


def _is_host(registry: str) -> bool:
    """``localhost:5000/team`` is a host, ``oci:dist`` and ``folder:out`` name another kind of place."""
    return registry.partition("/")[0].rpartition(":")[2].isdigit()


def _deploy(draft: _Draft) -> Step:
    spec = draft.request.spec
    target = spec.deploy.target or "process"
    deployer = draft.catalog.deployers.get(target)
    settings: dict[str, Json] = dict(spec.deploy.settings.get(target, {}))
    services = services_of(spec)
    instance = instance_of(spec, _probe(draft), fixed_ports=True)
    action = DeployAction(target, instance, settings, replicas=spec.scaling.replicas or 1, services=services)
    others = _each("deploy", services)
    step = _step(draft, "deploy", action, ("push",) if deployer.pulls else ("test",), f"make {target} run the image")
    return replace(
        step,
        needs=(*step.needs, *others),
        consumes=(Consumed(f"image:{draft.name}", "digest"), *(Consumed(o, out) for o in others for out in ("url", "inside"))),
        asks=() if deployer.pulls else ("runner",),
        pure=False,
        format=deployer.format,
        pending=_waiting(draft),
    )


def _each(kind: str, services: Mapping[str, str]) -> tuple[str, ...]:
    """That step of every agent behind a service."""
    return tuple(f"{kind}:{agent}" for agent in sorted(set(services.values())))


def _waiting(draft: _Draft) -> str:
    return "" if draft.lock is not None else PENDING_LOCK


def _ignore(draft: _Draft) -> tuple[str, ...]:
    """Own outputs are left out: an OCI layout inside the folder must not become part of the next image."""
    registry = draft.request.spec.image.registry
    outputs = (registry.partition(":")[2],) if registry and not _is_host(registry) and ":" in registry else ()
    return ignore_patterns(draft.request.ignore, tuple(o for o in outputs if not o.startswith(("/", ".."))))
