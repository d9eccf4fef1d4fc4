"""Step lock: everything that depends on the day, decided once and written down."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from aac_tasks.catalog import Catalog
from aac_tasks.contracts.actions import LockAction
from aac_tasks.contracts.canonical import Json, fingerprint
from aac_tasks.contracts.codec import encode
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import Lock, LockedPlatform
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.toolchain import Lent, can_lend, lacking, lending

if TYPE_CHECKING:
    from aac_tasks.contracts.lock import BaseRequest, LockedBase, LockedDependencies
    from aac_tasks.contracts.roles import Builder, Pinning


def make_lock(action: LockAction, catalog: Catalog, tools: Tools, *, previous: Lock | None) -> Lock:
    """Resolve base and dependencies for each platform and choose the builder.

    What was locked for the same question is kept: an edited dependency must not move the base, and a platform that is
    added must not move the dependencies of the others.

    Raises:
        StepError: something can't be resolved, or no builder can build it.
    """
    question = action.question
    builder, reason = choose_builder(action, catalog, tools, previous)
    if not catalog.builders.get(builder).uses_toolchain:
        action = replace(action, toolchain=None)
    making = _Making(action, catalog, catalog.builders.get(builder), tools, previous)
    locked = tuple(making.platform(p) for p in action.platforms)
    others = previous.platforms if previous is not None and previous.inputs == question else ()
    kept = tuple(p for p in others if p.platform not in action.platforms)
    every = tuple(sorted((*locked, *kept), key=lambda p: str(p.platform)))
    return Lock(question, builder, every, reason=reason, questions=_questions(action))


def choose_builder(action: LockAction, catalog: Catalog, tools: Tools, previous: Lock | None) -> tuple[str, str]:
    """(name, why): as said, else as locked before, else the first that can."""
    needs = needs_of(action)
    if action.builder:
        refusal = catalog.builders.get(action.builder).can_build(needs, tools)
        if refusal:
            raise StepError(f"builder {action.builder} can't build this: {refusal}")
        return action.builder, "as asked"
    before = previous.builder if previous else ""
    if before in catalog.builders and not catalog.builders.get(before).can_build(needs, tools):
        return before, "as locked before"
    refusals: list[str] = []
    for builder in catalog.builders:
        refusal = builder.can_build(needs, tools)
        if not refusal:
            return builder.name, "; ".join(refusals) or "the first that can build this"
        refusals.append(f"{builder.name}: {refusal}")
    raise StepError("no builder can build this: " + "; ".join(refusals), hint="see `agent doctor` for what is installed")


def needs_of(action: LockAction) -> frozenset[str]:
    """What a builder must be able to do."""
    needs = set(action.needs)
    if action.base.packages and action.base.base != "debian":
        needs.add("system-packages")
    return frozenset(needs)


_PINNED = {"images", "services"}
"""Questions whose answers nothing else of a lock rests on."""

_OF_DOCKERFILE = "correct the name behind FROM; an image of the engine alone is localhost/NAME"


@dataclass(frozen=True)
class _Making:
    """A lock while it is made."""

    action: LockAction
    catalog: Catalog
    builder: Builder
    tools: Tools
    previous: Lock | None

    def platform(self, platform: Platform) -> LockedPlatform:
        """What was locked for the same question, and what is resolved now."""
        action, catalog, tools = self.action, self.catalog, self.tools
        kept = self.previous.of(platform) if self.previous else None
        same = _same_questions(action, self.previous)
        if kept is not None and same.issuperset(_questions(action).keys() - _PINNED):
            return replace(kept, images=self._images())
        base = kept.base if kept is not None and "base" in same else None
        if base is None:
            tools.progress(f"resolving base {action.base.reference} for {platform}")
            base = catalog.bases.get(action.base.base).resolve(action.base, platform, tools)
        toolchain = kept.toolchain if kept is not None and "toolchain" in same else None
        if toolchain is None and action.toolchain is not None:
            tools.progress(f"resolving toolchain {action.toolchain.reference} for {platform}")
            toolchain = catalog.bases.get(action.toolchain.base).resolve(action.toolchain, platform, tools)
        tools.progress(f"resolving dependencies for {platform}")
        return LockedPlatform(platform, base, self._dependencies(base, toolchain), toolchain, self._images())

    def _dependencies(self, base: LockedBase, toolchain: LockedBase | None) -> LockedDependencies:
        """By the host's tools; where it lacks one, by those of the image that an engine compiles in."""
        action, runtime = self.action, self.catalog.runtimes.get(self.action.runtime)
        missing = lacking(action, self.tools) if toolchain is not None and can_lend(self.builder, runtime) else ()
        if toolchain is None or not missing:
            return runtime.resolve(action.dependencies, base, self.tools)
        image = Lent(runtime, toolchain, self.builder, self.catalog, missing, self.tools)
        return lending(runtime).resolve_in(action.dependencies, image, self.tools)

    def _images(self) -> dict[str, str]:
        """Images of an own Dockerfile and of services, each pinned once for all platforms; one that is added moves no other."""
        platforms = self.previous.platforms if self.previous else ()
        known = {name: pin for one in platforms for name, pin in one.images.items()}
        asked = [("", image) for image in self.action.images]
        asked += [(f"spec.services.{name}.image", image) for name, image in self.action.services.items()]
        for place, image in asked:
            if image.reference not in known:
                known[image.reference] = self._pin(image, place)
        return {image.reference: known[image.reference] for _, image in asked}

    def _pin(self, image: BaseRequest, place: str) -> str:
        """``place`` is where agent.yaml names it, empty where a Dockerfile does."""
        self.tools.progress(f"resolving {image.reference}")
        base = cast("Pinning", self.catalog.bases.get(image.base))
        if not place:
            return base.pin(image.reference, self.tools, _OF_DOCKERFILE)
        try:
            return base.pin(image.reference, self.tools, "correct the name; the image has to be in a registry")
        except StepError as error:
            raise StepError(f"{place}: {error.message}", hint=error.hint, places={place: error.message}) from error


def unanswered(action: LockAction, lock: Lock) -> tuple[str, ...]:
    """Parts of the action that the lock does not answer, as far as it says what it was asked."""
    asked = _questions(action)
    known = {*lock.questions, *asked} - {"toolchain"} if lock.questions else set()  # a builder may have had no use for one
    parts = sorted(name for name in known if lock.questions.get(name) != asked.get(name))
    builder = () if action.builder in ("", lock.builder) else ("builder",)
    return (*parts, *builder, *(() if all(lock.of(p) for p in action.platforms) else ("platforms",)))


def _same_questions(action: LockAction, previous: Lock | None) -> frozenset[str]:
    """Parts whose question is the one that ``previous`` answered."""
    asked = _questions(action)
    return frozenset(name for name, question in asked.items() if previous and previous.questions.get(name) == question)


def _questions(action: LockAction) -> dict[str, str]:
    """The parts that are resolved apart from each other; a toolchain, images and services only where there are some."""
    parts: dict[str, Json] = {"base": encode(action.base), "dependencies": [action.runtime, encode(action.dependencies)]}
    if action.toolchain is not None:
        parts["toolchain"] = encode(action.toolchain)
    if action.images:
        parts["images"] = encode(action.images)
    if action.services:
        parts["services"] = encode(action.services)
    return {name: fingerprint(question) for name, question in parts.items()}
