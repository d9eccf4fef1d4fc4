"""What is said of an edit: the field of agent.yaml, or the thing of agent.lock, with its values."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from plan.samples import BEFORE
from plan.test_effects import Edit, by_kind, compiled, edited, unedited

from aac_tasks.contracts.plan import Step
from aac_tasks.contracts.result import Result
from aac_tasks.state.judge import Case, reason
from aac_tasks.state.stamps import Stamp, StampFile


def why(before: Step, after: Step, folder: Path) -> str:
    """The reason of a step that has last run as it was before."""
    assert before.action is not None
    assert after.action is not None
    stamp = Stamp(before.id, "", "", before.action, Result())
    return reason(Case(after, after.action), stamp, StampFile(folder))


FIELDS = (
    ("parse", Edit("metadata.version", "2.0.0"), "metadata.version 1.0.0 → 2.0.0"),
    ("parse", Edit("spec.ports.0.host", 8081), "spec.ports[0].host 8080 → 8081"),
    ("parse", Edit("spec.environment.0.value", "fancy"), "spec.environment[MODE].value plain → fancy"),
    ("image", Edit("metadata.version", "2.0.0"), "metadata.version 1.0.0 → 2.0.0"),
    ("image", Edit("metadata.labels", {"team": "support"}), "metadata.labels.team (absent) → support"),
    ("image", Edit("spec.environment.0.value", "fancy"), "spec.environment.MODE plain → fancy"),
    ("image", Edit("spec.config.greeting", "bye"), "spec.config.greeting hello → bye"),
    ("image", Edit("spec.capability_config", {"chat": {"history": 10}}), "spec.capability_config.chat.history (absent) → 10"),
    ("image", Edit("spec.healthCheck.path", "/ready"), "spec.healthCheck /health → /ready (and 1 more)"),
    ("image", Edit("spec.healthCheck.startPeriod", "5s"), "spec.healthCheck.startPeriod (absent) → 5.0"),
    ("image", Edit("spec.healthCheck.interval", "31s"), "spec.healthCheck.interval 30.0 → 31.0"),
    ("image", Edit("spec.build.ssh", True), "spec.build.ssh false → true"),
    ("deploy", Edit("spec.resources.limits.memory", "1Gi"), "spec.resources.limits.memory (absent) → 1073741824"),
    ("deploy", Edit("spec.scaling.replicas", 2), "spec.scaling.replicas 1 → 2"),
    ("deploy", Edit("spec.security.readOnlyRootFilesystem", True), "spec.security.readOnlyRootFilesystem false → true"),
    ("test", Edit("spec.tests.0.expect.status", 204), "spec.tests[answers].expect.status 200 → 204"),
    ("test", Edit("spec.services.redis.environment.0.value", "fancy"),
        "spec.services.redis.environment[MODE].value plain → fancy"),
    ("deploy", Edit("spec.ports.0.host", 8081), "spec.ports[0].host 8080 → 8081"),
    ("lock", Edit("spec.dependencies", ["idna==3.8"]), "spec.dependencies idna==3.7 → idna==3.8"),
)  # fmt: skip


@pytest.mark.parametrize(("kind", "change", "said"), FIELDS, ids=[f"{kind} {change.at}" for kind, change, _ in FIELDS])
def test_the_field_that_was_edited_is_named_with_its_values(kind: str, change: Edit, said: str, tmp_path: Path) -> None:
    assert why(unedited()[kind], by_kind(compiled(edited(change)))[kind], tmp_path) == said


def with_models(**places: object) -> dict[str, Any]:
    """The sample with other models."""
    spec = {name: value for name, value in BEFORE["spec"].items() if name not in ("model", "models")}
    return {**copy.deepcopy(dict(BEFORE)), "spec": {**copy.deepcopy(spec), **places}}


def model(name: str, temperature: float) -> Mapping[str, object]:
    return {"provider": "openai", "name": name, "config": {"temperature": temperature}}


MODELS = (
    ({"model": model("a", 0.2)}, {"model": model("a", 0.3)}, "spec.model.config.temperature 0.2 → 0.3"),
    ({"models": [model("a", 0.2), model("b", 0.2)]}, {"models": [model("a", 0.2), model("b", 0.3)]},
        "spec.models[b].config.temperature 0.2 → 0.3"),
    ({"model": model("a", 0.2), "models": [model("b", 0.2)]}, {"model": model("a", 0.3), "models": [model("b", 0.2)]},
        "spec.model or spec.models 0.2 → 0.3"),
    ({"model": model("a", 0.2)}, {"model": model("b", 0.2)}, "spec.model openai/a → openai/b (and 1 more)"),
)  # fmt: skip


@pytest.mark.parametrize(("before", "after", "said"), MODELS)
def test_a_model_is_named_where_agent_yaml_has_it(before: Any, after: Any, said: str, tmp_path: Path) -> None:
    steps = [by_kind(compiled(with_models(**models)))["image"] for models in (before, after)]
    assert why(*steps, tmp_path) == said


def test_a_dependency_is_named_with_its_versions(tmp_path: Path) -> None:
    after = by_kind(compiled(edited(Edit("spec.dependencies", ["idna==3.8"]))))["image"]
    assert why(unedited()["image"], after, tmp_path).startswith("agent.lock dependencies idna 3.7 → 3.8")
    added = by_kind(compiled(edited(Edit("spec.dependencies", ["idna==3.7", "zipp==4.0"]))))["image"]
    assert why(unedited()["image"], added, tmp_path).startswith("agent.lock dependencies zipp (absent) → 4.0")


def test_every_platform_says_the_field_and_all_of_them_say_it_once(tmp_path: Path) -> None:
    document = edited(Edit("spec.build", {"platforms": ["linux/amd64", "linux/arm64"]}))
    steps = []
    for version in ("0.1.0", "0.2.0"):
        document["metadata"]["version"] = version
        steps.append(by_kind(compiled(document))["image"])
    assert why(*steps, tmp_path) == "metadata.version 0.1.0 → 0.2.0"


def test_a_platform_more_is_one_change_of_the_platforms(tmp_path: Path) -> None:
    two = by_kind(compiled(edited(Edit("spec.build", {"platforms": ["linux/amd64", "linux/arm64"]}))))["image"]
    assert why(unedited()["image"], two, tmp_path) == "spec.build.platforms added"


def test_what_shall_be_written_is_named_by_file_and_line(tmp_path: Path) -> None:
    more = edited(Edit("spec.environment.0.value", "fancy"))
    said = why(unedited()["dockerfile"], by_kind(compiled(more))["dockerfile"], tmp_path)
    assert said.startswith("rendered Dockerfile line ")
    assert "MODE=plain → " in said.replace('"', "")


def test_a_package_that_left_the_base_is_all_that_is_said(tmp_path: Path) -> None:
    step = unedited()["image"]
    assert step.action is not None
    action: Any = copy.deepcopy(dict(step.action))
    names = ["base-files", "netbase", "tzdata"]
    action["recipes"][0]["base"]["files"] = [{"name": n, "version": "1", "url": n, "sha256": n * 9} for n in names]
    without = copy.deepcopy(action)
    del without["recipes"][0]["base"]["files"][1]
    said = why(replace(step, action=action), replace(step, action=without), tmp_path)
    assert said == "agent.lock base.files[netbase] 1 → (absent)"
