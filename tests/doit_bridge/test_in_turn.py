"""One job without doit says and does what doit would; a plain `doit` answered by stats still runs the user's own tasks."""

from __future__ import annotations

import json
import re
import time

import pytest

from aac_tasks.contracts.plan import AgentPlan, Plan, Step
from aac_tasks.doit_bridge.in_turn import choose, needed
from aac_tasks.errors import UsageError
from aac_tasks.testing import Project

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: NAME, version: 1.0.0}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
"""


def step(step_id: str, *needs: str) -> Step:
    kind, _, agent = step_id.partition(":")
    return Step(id=step_id, kind=kind, agent=agent, action={}, needs=needs)


def test_a_step_comes_after_what_it_needs_even_when_the_plan_names_it_before() -> None:
    steps = (step("sbom:a", "image:a"), step("image:a", "lock:a"), step("lock:a"), step("push:a", "image:a"))
    plan = Plan((AgentPlan("a", "", "agent.yaml", steps),))
    assert needed(plan, ("sbom",)) == ["lock:a", "image:a", "sbom:a"]
    assert needed(plan, ("push:a", "sbom:a")) == ["lock:a", "image:a", "sbom:a", "push:a"]


def test_a_wildcard_that_matches_nothing_is_an_error() -> None:
    plan = Plan((AgentPlan("a", "", "agent.yaml", (step("image:a"),)),))
    assert choose(plan, ("image:*",)) == ("image:a",)
    with pytest.raises(UsageError, match="matches no step"):
        choose(plan, ("image:b*",))


@pytest.mark.network
def test_a_dry_run_says_of_each_step_what_would_be(project: Project) -> None:
    one = project.write({"agent.yaml": AGENT.replace("NAME", "one"), "main.py": "", ".git/HEAD": ""})
    new = json.loads(one.agent("build", "--dry-run", "--json").ok().stdout)
    assert [(step["step"], step["status"]) for step in new["steps"]][:2] == [("parse:one", "stale"), ("lock:one", "stale")]
    assert new["steps"][1]["text"] == "would run: there is no agent.lock"
    one.agent("build").ok()
    assert {step["status"] for step in json.loads(one.agent("build", "--dry-run", "--json").ok().stdout)["steps"]} == {"fresh"}
    one.write({"main.py": "1\n"})
    edited = one.agent("build", "--dry-run").ok().output
    assert "one:image | would run: file main.py" in edited
    assert "one:lock | up to date" in edited


def told(text: str) -> list[str]:
    """What was said, without times, digests and the agent's name."""
    return [re.sub(r"\S+ m?s$|in \S+ m?s|sha256:\w+|\b(one|two)\b", "", line).rstrip() for line in text.splitlines()]


@pytest.mark.network
def test_one_job_and_doit_tell_the_same(project: Project) -> None:
    new = f"{time.time_ns()}\n"  # the same for both: sizes are told too
    one, two = (
        project.sub(name).write({"agent.yaml": AGENT.replace("NAME", name), "main.py": new, ".git/HEAD": ""})
        for name in ("one", "two")
    )
    for run in range(2):
        alone, scheduled = one.agent("build").ok(), two.agent("build", "-n", "2").ok()
        assert told(alone.stdout) == told(scheduled.stdout), f"run {run}"  # progress, on stderr, is told by the clock


@pytest.mark.network
def test_the_first_failure_ends_the_run_with_or_without_doit(project: Project) -> None:
    files = {"agent.yaml": AGENT.replace("NAME", "bot"), "requirements.txt": "no-such-package-of-anybody==9\n", "main.py": ""}
    project.write(files)
    alone, scheduled = project.agent("build").exits(1), project.agent("build", "-n", "2").exits(1)
    assert "✗ lock:bot" in alone.output
    assert "✗ lock:bot" in scheduled.output
    assert "image:bot" not in alone.stdout.replace("failed: lock:bot", "")


@pytest.mark.network
def test_an_ignored_step_is_ignored_by_the_other_door(project: Project) -> None:
    project.write({"agent.yaml": AGENT.replace("NAME", "bot"), "main.py": "", "dodo.py": "from aac_tasks.dodo import *\n"})
    project.doit("ignore", "dockerfile:bot").ok()
    assert "dockerfile:bot  ignored; `doit forget dockerfile:bot` ends that\n" in project.agent("build").output


@pytest.mark.network
def test_a_plain_doit_without_work_still_runs_the_users_own_tasks(project: Project) -> None:
    own = '\nDOIT_CONFIG["default_tasks"] = ["lock", "mine"]\n\n\ndef task_mine():\n    return {"actions": ["echo made it"]}\n'
    files = {"agent.yaml": AGENT.replace("NAME", "bot"), "main.py": "import time\ntime.sleep(600)\n"}
    project.write({**files, ".git/HEAD": "", "dodo.py": "from aac_tasks.dodo import *\n"})
    project.doit(env={"AAC_ALLOW_HOST": "1"}).ok()
    for _ in range(3):
        time.sleep(0.1)
        ran = project.doit(env={"AAC_ALLOW_HOST": "1"}).ok()
    assert re.fullmatch(r"– test:bot  up to date  sha256:\w+\n", ran.stdout)
    project.write({"dodo.py": f"from aac_tasks.dodo import *\n{own}"})  # not an input of any step
    for _ in range(2):
        time.sleep(0.1)
        ran = project.doit(env={"AAC_ALLOW_HOST": "1"}).ok()
        assert "mine" in ran.stdout
        assert "made it" in ran.output
