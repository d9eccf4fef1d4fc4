"""Compiled plans and the lists of code that they rest on."""

from __future__ import annotations

import os
import time
from pathlib import Path

from aac_tasks.contracts.plan import AgentPlan
from aac_tasks.state.plan_cache import CODE, KEPT, PlanCache
from aac_tasks.state.stamps import seal
from aac_tasks.state.watch import observe

PLAN = AgentPlan("one", "agents/one", "agents/one/agent.yaml", ())


def cache(folder: Path) -> PlanCache:
    """That of another run."""
    return PlanCache(folder, time.time_ns() + 10**10)  # our own code may be younger than a racy moment


def lists(folder: Path) -> set[str]:
    return {path.name for path in folder.glob(f"{CODE}*")}


def list_of(folder: Path, name: str, code: Path, age: int = 0) -> None:
    """One that another run wrote, of one file."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{CODE}{name}"
    path.write_bytes(seal(dict(observe([code], time.time_ns() + 10**10) or {})))
    os.utime(path, (time.time() - age, time.time() - age))


def test_a_list_of_code_that_is_another_by_now_goes_when_a_new_one_comes(tmp_path: Path) -> None:
    old, present = tmp_path / "old.py", tmp_path / "present.py"
    for code in (old, present):
        code.write_text("1")
    folder = tmp_path / "plans"
    list_of(folder, "old", old)
    list_of(folder, "other-interpreter", present)
    (folder / f"{CODE}torn").write_bytes(b"{")
    old.write_text("edited")
    assert cache(folder).save("plan", {}, PLAN)
    assert cache(folder).load("plan") == ({}, PLAN)
    assert {f"{CODE}other-interpreter"} == {name for name in lists(folder) if len(name) < len(CODE) + 32}
    assert len(lists(folder)) == 2


def test_of_lists_that_still_hold_the_newest_are_kept(tmp_path: Path) -> None:
    code, folder = tmp_path / "code.py", tmp_path / "plans"
    code.write_text("1")
    for age in range(KEPT + 5):
        list_of(folder, str(age), code, age=100 + age)
    assert cache(folder).save("plan", {}, PLAN)
    assert cache(folder).load("plan") == ({}, PLAN)
    assert len(lists(folder)) == KEPT
    assert f"{CODE}0" in lists(folder)
    assert f"{CODE}{KEPT + 4}" not in lists(folder)
