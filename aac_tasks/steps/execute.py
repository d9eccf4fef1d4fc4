"""ROOM 4, DO: one function per built-in step, from a decoded action to a result. Effects go through lent tools."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.context import Snapshot
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.lock import Lock
from aac_tasks.contracts.making import DockerfileAction, ImageAction, LockAction, ParseAction
from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.recipe import CompiledLayer, DependencyLayer, Recipe
from aac_tasks.contracts.result import Artifact, Result
from aac_tasks.contracts.roles import BuildRequest, Compilation
from aac_tasks.errors import StepError
from aac_tasks.steps.built import built, image_here, index_of, with_engine
from aac_tasks.steps.toolchain import settings_of

if TYPE_CHECKING:
    from aac_tasks.contracts.engines import Fetcher
    from aac_tasks.contracts.lock import LockedDependencies
    from aac_tasks.contracts.roles import (
        BaseImage,
        Compiler,
        IndexRegistry,
        Instance,
        Pushed,
        Registry,
        Runner,
    )
    from aac_tasks.contracts.tools import Tools


@dataclass(frozen=True)
class Job:
    """One step to do. ``action`` is complete; ``upstream`` holds the outputs of every step it needs, by kind; those of other
    agents' steps by id.

    ``folder`` is the agent's folder on disk. ``previous`` is what the step's last result said (deploy: what runs).
    """

    step: Step
    action: JsonObject
    folder: Path
    tools: Tools
    catalog: Catalog
    snapshot: Snapshot | None = None
    upstream: Mapping[str, Mapping[str, Json]] | None = None
    runner: Callable[[], Runner] | None = None
    previous: JsonObject | None = None
    lock: Lock | None = None
    allow_host: bool = False
    no_cache: bool = False

    def output(self, kind: str, name: str) -> Json:
        """One output of an upstream step."""
        return (self.upstream or {}).get(kind, {}).get(name)


def execute(job: Job) -> Result:
    """Do a step's work.

    Raises:
        StepError: what failed, on what, and what to do next.
    """
    return DO[job.step.kind](job)


def _parse(job: Job) -> Result:
    action = decode(ParseAction, job.action)
    text = json.dumps(action.spec, indent=2, ensure_ascii=False, sort_keys=True)  # a plan from the cache has lost the order
    return Result(artifacts=(_write(job, "spec.json", f"{text}\n"),))


def _lock(job: Job) -> Result:
    from aac_tasks.steps.lock import make_lock

    lock = make_lock(decode(LockAction, job.action), job.catalog, job.tools, previous=job.lock)
    return Result(outputs={"lock": encode(lock), "builder": lock.builder}, notes=(f"builder {lock.builder}: {lock.reason}",))


def _dockerfile(job: Job) -> Result:
    action = decode(DockerfileAction, job.action)
    written = tuple(_write(job, name, text) for name, text in sorted(action.files.items()))
    return Result(outputs={a.name: a.digest for a in written}, artifacts=written)


def _image(job: Job) -> Result:
    action = decode(ImageAction, job.action)
    if job.snapshot is None:
        raise TypeError("an image step has an input tree")
    builder = job.catalog.builders.get(action.builder)
    images = [builder.build(_build_request(job, recipe), job.tools) for recipe in action.recipes]
    return with_engine(built(images, action.builder, job.tools.blobs), builder, action.name, job.tools)


def _build_request(job: Job, recipe: Recipe) -> BuildRequest:
    base = job.catalog.bases.get(recipe.base.base)
    dependencies = next((x for x in recipe.layers if isinstance(x, DependencyLayer)), None)

    def fetch() -> BaseImage:
        return base.fetch(recipe.base, job.tools)

    def install(into: Path) -> None:
        if dependencies is not None:
            runtime = job.catalog.runtimes.get(dependencies.runtime)
            runtime.install(dependencies.locked, recipe.base, into, job.tools)

    files = job.snapshot.files if job.snapshot else ()

    def compile_(layer: CompiledLayer, into: Path) -> None:
        from aac_tasks.steps.sources import sources_of  # lazy: only languages that compile

        compiler = cast("Compiler", job.catalog.runtimes.get(layer.runtime))
        with sources_of(layer, job.step.agent, files, job.tools) as sources:
            compiler.compile(Compilation(layer, recipe.base, recipe.platform, sources), into, job.tools)

    def fetch_locked(name: str, locked: LockedDependencies) -> None:
        runtime = job.catalog.runtimes.get(name)
        if hasattr(runtime, "fetch"):
            cast("Fetcher", runtime).fetch(locked, job.tools)

    return BuildRequest(
        recipe,
        files,
        job.tools.root / job.step.tree.root if job.step.tree else job.folder,
        "",
        fetch,
        install,
        compile_,
        no_cache=job.no_cache,
        fetch_base=lambda locked: job.catalog.bases.get(locked.base).fetch(locked, job.tools),
        fetch=fetch_locked,
        settings=lambda name: settings_of(job.catalog.runtimes.get(name), job.tools),
    )


def _test(job: Job) -> Result:
    from aac_tasks.contracts.actions import TestAction  # lazy, as below: an edit → image run needs none of it
    from aac_tasks.steps.environment import resolve
    from aac_tasks.steps.service_images import service_bench
    from aac_tasks.steps.test import FOLDER, SERVICES, Bench, Beside, run_tests

    action, runner = decode(TestAction, job.action), _runner(job)
    top = job.tools.state / FOLDER

    def bench(action: TestAction, folder: Path, step: str) -> Bench:
        image, config = _image_to_run(job, step)
        return Bench(action, image, config, runner, resolve(action.instance, job.tools, strict=False), folder)

    def images(one: Bench) -> list[Bench]:
        return [service_bench(one, service, job.catalog, top / SERVICES, job.tools) for service in one.action.images]

    others: list[Bench] = []
    for one in action.neighbours:
        beside = Beside(one.agent, f"agent {one.agent} is needed (spec.services)", "spec.services")
        needed = TestAction(one.instance, (), runner=action.runner, services=one.services, images=one.images)
        helper = replace(bench(needed, top / SERVICES / one.agent, f"image:{one.agent}"), beside=beside)
        others += [*images(helper), helper]
    tested = bench(action, top, "image")
    result = run_tests(replace(tested, others=(*others, *images(tested))), job.tools)
    return replace(result, outputs={**result.outputs, "isolation": action.runner.get("isolation", "")})


def _push(job: Job) -> Result:
    from aac_tasks.contracts.actions import PushAction

    action = decode(PushAction, job.action)
    registry = job.catalog.registries.get(action.registry)
    if job.output("test", "isolation") == "process" and action.registry != "layout" and not job.allow_host:
        raise StepError(
            "the tests ran without isolation (runner host), which does not vouch for a push to a registry",
            hint="test with docker, runc, crun or a user namespace, or say --allow-host",
        )
    pushed = [_pushed(job, registry, ref, action.settings) for ref in action.refs]
    artifacts = tuple(Artifact("tag", name=p.ref, digest=p.digest, where=action.registry) for p in pushed)
    outputs: dict[str, Json] = {"digest": pushed[0].digest, "refs": [p.ref for p in pushed], "sent": sum(p.sent for p in pushed)}
    return Result(outputs, artifacts, tuple(f"{p.ref}@{p.digest}" for p in pushed))


def _pushed(job: Job, registry: Registry, ref: str, settings: JsonObject) -> Pushed:
    """One reference to one image, or to the index of all platforms."""
    several = index_of((job.upstream or {}).get("image", {}))
    if several is None:
        return registry.push(stored_image(job)[0], ref, job.tools, settings)
    if not hasattr(registry, "push_index"):
        raise StepError(f"registry {registry.name} takes images of one platform", hint="build for one: --platform linux/amd64")
    return cast("IndexRegistry", registry).push_index(*several, ref, job.tools)


def _deploy(job: Job) -> Result:
    from aac_tasks.contracts.actions import DeployAction
    from aac_tasks.contracts.running import DeployRequest
    from aac_tasks.steps.environment import resolve, secrets_of
    from aac_tasks.steps.neighbours import place_of, urls_of

    action = decode(DeployAction, job.action)
    deployer = job.catalog.deployers.get(action.target)
    upstream = job.upstream or {}
    places = {agent: place_of(upstream.get(f"deploy:{agent}", {})) for agent in action.services.values()}
    urls = urls_of(action.services, places)
    image, config = stored_image(job) if deployer.pulls else _image_to_run(job)

    def well(instance: Instance, log: Path) -> None:
        from aac_tasks.steps.health import Watch, wait_until_well  # lazy: only targets on this machine wait so

        secrets = secrets_of(action.instance, resolve(action.instance, job.tools, strict=True))
        runner = job.catalog.runners.get(instance.runner)
        wait_until_well(Watch(runner, instance, action.instance.probe, log, secrets), job.tools)

    request = DeployRequest(
        action=action,
        image=image,
        config=config,
        runner=None if deployer.pulls else _runner(job),
        runners=job.catalog.runners.get,
        resolve_env=lambda instance: {**urls, **resolve(instance, job.tools, strict=True)},
        wait_until_well=well,
        previous=job.previous or {},
    )
    deployed = deployer.deploy(request, job.tools)
    outputs: dict[str, Json] = {"url": deployed.url, "data": deployed.data, "target": action.target}
    if inside := _inside(deployed.artifacts):
        outputs["inside"] = inside
    return Result(outputs, deployed.artifacts, (f"{action.target}: {deployed.url}",) if deployed.url else ())


def _inside(artifacts: Sequence[Artifact]) -> str:
    """Where other agents of this machine reach what was deployed, if it is not at its URL."""
    from aac_tasks.contracts.running import Instance

    instances = (decode(Instance, artifact.data) for artifact in artifacts if artifact.type == "instance")
    return next((one.url_inside for one in instances if one.inside), "")


DO: Mapping[str, Callable[[Job], Result]] = {
    "parse": _parse,
    "lock": _lock,
    "dockerfile": _dockerfile,
    "image": _image,
    "test": _test,
    "push": _push,
    "deploy": _deploy,
}
"""Step kind → what does it."""


def stored_image(job: Job, step: str = "image") -> tuple[StoredImage, ImageConfig]:
    """The image that this run is about, or that of another agent's step, and how it wants to be run."""
    from aac_tasks.contracts.oci_config import config_from_oci  # lazy: only for steps that run an image

    image = image_here((job.upstream or {}).get(step, {}))
    with job.tools.blobs.open(image.config.digest) as file:
        return image, config_from_oci(json.load(file))


def _image_to_run(job: Job, step: str = "image") -> tuple[StoredImage, ImageConfig]:
    """The same, with every blob brought: what is missing must not look like a failure of the agent."""
    image = image_here((job.upstream or {}).get(step, {}))
    for blob in image.blobs:
        job.tools.blobs.bring(blob)
    return stored_image(job, step)


def _runner(job: Job) -> Runner:
    if job.runner is None:
        raise TypeError("this step was planned without a runner")
    return job.runner()


def _write(job: Job, name: str, text: str) -> Artifact:
    path = job.tools.state / name
    data = text.encode()
    try:
        temporary = path.with_name(f".{name}.new")
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise StepError(
            f"{path} can't be written: {error.strerror or error}", hint="make the folder writable, or free some space"
        ) from error
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return Artifact("file", name=path.relative_to(job.tools.root).as_posix(), digest=digest, size=len(data))
