"""What step lock keeps, and what it resolves again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from aac_tasks.catalog import Catalog, Table
from aac_tasks.contracts.actions import LockAction
from aac_tasks.contracts.engines import Errand, ToolchainImage
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, Lock, LockedBase, LockedDependencies, LockedFile
from aac_tasks.contracts.recipe import Run
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.lock import make_lock, unanswered

ASKED = LockAction("lang", BaseRequest("ground", "ground:1"), DependencyRequest(("a",)), (Platform(),))


@dataclass
class Day:
    """A base, a runtime and a builder; every answer names the day on which it was given."""

    number: int = 1
    name: str = "ground"
    uses_toolchain: bool = True
    asked: list[str] = field(default_factory=list)

    def resolve(self, request: BaseRequest | DependencyRequest, where: object, tools: Tools) -> LockedBase | LockedDependencies:
        if isinstance(request, BaseRequest):
            self.asked.append("base" if request.reference.startswith("ground") else request.reference)
            return LockedBase("ground", f"day {self.number}", cast("Platform", where))
        self.asked.append("dependencies")
        return LockedDependencies((LockedFile("a", f"{self.number}", "https://example.org/a", "0" * 64),))

    def pin(self, reference: str, tools: Tools, hint: str = "") -> str:
        self.asked.append(reference)
        if reference == "missing":
            raise StepError("there is no such image", hint=hint)
        return f"{reference}@day {self.number}"

    def can_build(self, needs: frozenset[str], tools: Tools) -> str:
        return ""


class Quiet:
    def progress(self, text: str) -> None: ...


def lock_again(
    action: LockAction, previous: Lock | None, number: int, *, uses_toolchain: bool = True, day: Any = None, tools: Any = None
) -> tuple[Lock, list[str]]:
    day = day or Day(number, uses_toolchain=uses_toolchain)
    empty: Any = Table("nothing")
    one: Any = Table("thing", {"ground": day, "lang": day})
    catalog = Catalog(one, one, one, empty, empty, empty, empty)
    return make_lock(action, catalog, cast("Tools", tools or Quiet()), previous=previous), day.asked


def test_a_platform_that_is_added_moves_nothing_of_the_others() -> None:
    first, _ = lock_again(ASKED, None, 1)
    second, asked = lock_again(replace(ASKED, platforms=(Platform(), Platform("linux", "arm64"))), first, 2)
    assert second.platforms[0] == first.platforms[0]
    assert asked == ["base", "dependencies"]


def test_an_edited_dependency_does_not_move_the_base() -> None:
    first, _ = lock_again(ASKED, None, 1)
    second, asked = lock_again(replace(ASKED, dependencies=DependencyRequest(("b",))), first, 2)
    assert second.platforms[0].base == first.platforms[0].base
    assert asked == ["dependencies"]


def with_services(**images: str) -> LockAction:
    return replace(ASKED, services={name: BaseRequest("ground", image) for name, image in images.items()})


def test_a_service_that_is_added_moves_nothing_and_is_asked_alone() -> None:
    first, _ = lock_again(ASKED, None, 1)
    second, asked = lock_again(with_services(redis="redis:7"), first, 2)
    assert asked == ["redis:7"]
    assert second.platforms[0] == replace(first.platforms[0], images={"redis:7": "redis:7@day 2"})
    third, asked = lock_again(with_services(redis="redis:7", cache="redis:7", other="other"), second, 3)
    assert asked == ["other"]
    assert third.platforms[0].images == {"redis:7": "redis:7@day 2", "other": "other@day 3"}


def test_a_service_that_goes_takes_its_image_along() -> None:
    first, _ = lock_again(ASKED, None, 1)
    second, _ = lock_again(with_services(redis="redis:7"), first, 2)
    third, asked = lock_again(ASKED, second, 3)
    assert asked == []
    assert third == replace(first, reason=third.reason)


def test_a_lock_knows_which_parts_of_a_question_it_does_not_answer() -> None:
    lock, _ = lock_again(with_services(redis="redis:7"), None, 1)
    assert unanswered(with_services(redis="redis:7"), lock) == ()
    assert unanswered(ASKED, lock) == ("services",)
    assert unanswered(replace(with_services(redis="redis:7"), dependencies=DependencyRequest(("b",))), lock) == ("dependencies",)
    moved = replace(with_services(redis="redis:7"), builder="other", platforms=(Platform("linux", "arm64"),))
    assert unanswered(moved, lock) == ("builder", "platforms")
    assert unanswered(ASKED, replace(lock, questions={})) == ()  # an older one does not say what it was asked
    idle, _ = lock_again(replace(ASKED, toolchain=BaseRequest("ground", "tools:1")), None, 1, uses_toolchain=False)
    assert unanswered(replace(ASKED, toolchain=BaseRequest("ground", "tools:1")), idle) == ()


def test_a_service_whose_image_nobody_has_says_where_it_is_named() -> None:
    with pytest.raises(StepError, match=r"^spec\.services\.redis\.image: there is no such image") as failed:
        lock_again(with_services(redis="missing"), None, 1)
    assert failed.value.places == {"spec.services.redis.image": "there is no such image"}
    assert "registry" in failed.value.hint
    with pytest.raises(StepError, match=r"^there is no such image") as failed:
        lock_again(replace(ASKED, images=(BaseRequest("ground", "missing"),)), None, 1)
    assert "FROM" in failed.value.hint


def test_another_base_resolves_the_dependencies_for_it() -> None:
    first, _ = lock_again(ASKED, None, 1)
    _, asked = lock_again(replace(ASKED, base=BaseRequest("ground", "ground:2")), first, 2)
    assert asked == ["base", "dependencies"]


def test_to_ask_for_an_update_is_to_forget_the_lock_before() -> None:
    second, asked = lock_again(ASKED, None, 2)
    assert asked == ["base", "dependencies"]
    assert second.platforms[0].base.reference == "day 2"


COMPILED = replace(ASKED, toolchain=BaseRequest("ground", "toolchain:1"), needs=("tool:make",))


def test_a_toolchain_is_pinned_where_the_builder_compiles_in_one_and_when_the_builder_is_moved_to_such_a_one() -> None:
    first, asked = lock_again(COMPILED, None, 1, uses_toolchain=False)
    assert (asked, first.platforms[0].toolchain) == (["base", "dependencies"], None)
    second, asked = lock_again(COMPILED, first, 2)
    assert asked == ["toolchain:1", "dependencies"]
    assert second.platforms[0].base == first.platforms[0].base
    third, asked = lock_again(COMPILED, second, 3)
    assert (asked, third.platforms) == ([], second.platforms)


def test_a_toolchain_that_is_pinned_is_kept_when_dependencies_change() -> None:
    first, _ = lock_again(COMPILED, None, 1)
    second, asked = lock_again(replace(COMPILED, dependencies=DependencyRequest(("b",))), first, 2)
    assert asked == ["dependencies"]
    assert second.platforms[0].toolchain == first.platforms[0].toolchain


@dataclass
class Engine(Day):
    """A day on which the runtime also knows what to ask in an image, and the builder has an engine for it."""

    command: tuple[str, ...] = ()

    def resolve_in(self, request: DependencyRequest, image: ToolchainImage, tools: Tools) -> LockedDependencies:
        more = image.other(BaseRequest("ground", "more:1"))
        image.run((Run(("make", "lock")),), ("/lock",), Path("first"), lambda tail: StepError(f"refused: {tail}"))
        said = more.run((), (), Path("second"), StepError)
        return LockedDependencies(texts={"lock": said})

    def errand(self, errand: Errand, into: Path, tools: Tools) -> str:
        self.asked.append(f"{errand.what}: {len(errand.instructions)} into {into}, {', '.join(errand.paths)}")
        if self.command:
            raise StepError("it ended with 1", tail="no such thing", command=self.command)
        return "said"

    def fetch(self, locked: LockedBase, tools: Tools) -> None: ...


@dataclass
class Host(Quiet):
    """A machine with some programs."""

    programs: tuple[str, ...] = ()
    offline: bool = False

    def which(self, program: str) -> Path | None:
        return Path(program) if program in self.programs else None

    def note(self, text: str) -> None: ...


def test_a_tool_that_the_host_lacks_is_asked_in_the_toolchain_image() -> None:
    lock, asked = lock_again(COMPILED, None, 1, day=Engine(), tools=Host())
    assert lock.platforms[0].dependencies.texts == {"lock": "said"}
    assert asked == [
        "base", "toolchain:1", "more:1", "make in day 1: 1 into first, /lock", "make in day 1: 0 into second, ",
    ]  # fmt: skip
    assert lock.platforms[0].toolchain is not None


def test_a_tool_that_the_host_has_is_the_one_that_is_asked() -> None:
    _, asked = lock_again(COMPILED, None, 1, day=Engine(), tools=Host(("make",)))
    assert asked == ["base", "toolchain:1", "dependencies"]


def test_a_builder_that_compiles_with_the_host_s_tools_asks_no_image() -> None:
    _, asked = lock_again(COMPILED, None, 1, day=Engine(uses_toolchain=False), tools=Host())
    assert asked == ["base", "dependencies"]


def test_what_a_tool_in_an_image_refuses_is_told_in_the_runtime_s_words() -> None:
    with pytest.raises(StepError, match=r"^refused: no such thing$"):
        lock_again(COMPILED, None, 1, day=Engine(command=("make", "lock")), tools=Host())


def test_no_image_is_asked_without_a_network() -> None:
    with pytest.raises(StepError, match="make is not installed, and an image that has it can be asked with a network only"):
        lock_again(COMPILED, None, 1, day=Engine(), tools=Host(offline=True))
