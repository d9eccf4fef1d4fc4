"""Many agents in one workspace: what concerns one leaves the others alone. Agents without a base: nothing is downloaded."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest
from real.workspaces import AGENT, ALONE, SHARING, agent, built, edit

from aac_tasks.contracts.result import Event
from aac_tasks.session import Options, Session
from aac_tasks.testing import Project

DODO = "from aac_tasks.dodo import *\nDOIT_CONFIG['default_tasks'] = ['image']\n"
LEFT_ALONE = "nothing that it rests on changed"


def settled(project: Project) -> Project:
    """Built, and so that stats can answer: nothing is younger than the run that looked at it."""
    project.agent("build").ok()
    time.sleep(0.1)
    project.agent("build").ok()
    project.agent("build").ok()
    assert (project.folder / ".aac/manifest/build").exists()
    return project


@pytest.fixture
def three(project: Project) -> Project:
    project.write({".git/HEAD": "", "dodo.py": DODO, **agent("ada"), **agent("bob"), **agent("carl")})
    return settled(project)


def left_alone(said: str) -> set[str]:
    return {line.split()[1].partition(":")[2] for line in said.splitlines() if LEFT_ALONE in line}


def test_an_edit_concerns_its_agent_and_nobody_looks_at_the_others(three: Project) -> None:
    edit(three, "agents/bob/start")
    said = three.agent("build").ok().stdout
    assert (built(said), left_alone(said)) == (["image:bob"], {"ada", "carl"})
    again = three.agent("build").ok().stdout
    assert again.count("up to date  sha256:") == 3, "the stats of the two and of the new image answer together"
    edit(three, "agents/carl/start")
    said = three.agent("build").ok().stdout
    assert (built(said), left_alone(said)) == (["image:carl"], {"ada", "bob"})


def test_plain_doit_leaves_the_others_alone_as_well(three: Project) -> None:
    for _ in range(2):
        three.doit().ok()
    edit(three, "agents/bob/start")
    said = three.doit().ok().stdout
    assert built(said) == ["image:bob"]
    assert "– image:ada  up to date\n" in said
    assert three.doit().ok().stdout.count("up to date  sha256:") == 3


def test_an_agent_that_comes_or_goes_leaves_the_others_alone(three: Project) -> None:
    three.write(agent("dora"))
    said = three.agent("build").ok().stdout
    assert (built(said), left_alone(said)) == (["image:dora"], {"ada", "bob", "carl"})
    shutil.rmtree(three.folder / "agents/ada")
    said = three.agent("build").ok().stdout
    assert "ada" not in said
    assert built(said) == []


def test_an_agent_that_comes_after_an_edit_is_found_wherever_it_is(three: Project) -> None:
    edit(three, "agents/bob/start")
    three.agent("build").ok()  # looks into bob's folder only, and must go on knowing where agents were looked for
    inner = {name.replace("agents/erik", "agents/bob/inner"): text for name, text in agent("erik").items()}
    for files, name in ((agent("dora"), "dora"), (inner, "erik")):
        three.write(files)
        time.sleep(0.1)
        said = three.agent("build").ok().stdout
        assert f"image:{name}" in built(said)
        assert "ada" in left_alone(said)


def test_a_second_agent_of_an_untouched_ones_name_is_refused(three: Project) -> None:
    edit(three, "agents/bob/agent.yaml", AGENT.format(name="ada", build=ALONE))
    refused = three.agent("build").exits(3).output
    assert "agents/ada/agent.yaml" in refused
    assert "agents/bob/agent.yaml" in refused


def test_a_shared_folder_concerns_exactly_those_whose_context_has_it(project: Project) -> None:
    project.write({".git/HEAD": "", "agents/shared/text": "1\n"})
    project.write({**agent("alone"), **agent("one", SHARING), **agent("two", SHARING)})
    settled(project)
    edit(project, "agents/shared/text")
    said = project.agent("build").ok().stdout
    assert sorted(built(said)) == ["image:one", "image:two"]
    assert left_alone(said) == {"alone"}


def test_what_failed_is_all_that_the_next_run_looks_at(three: Project) -> None:
    (three.folder / "agents/bob/out").symlink_to("/etc")
    edit(three, "agents/carl/start")
    failed = three.agent("build", "-k").exits(1)
    assert built(failed.stdout) == ["image:carl"]
    (three.folder / "agents/bob/out").unlink()
    time.sleep(0.1)
    said = three.agent("build").ok().stdout
    assert built(said) == []
    assert "ada" in left_alone(said)


def test_an_output_that_went_away_concerns_its_agent_only(three: Project) -> None:
    (three.folder / ".aac/agents/bob/steps/image/stamp").unlink()
    said = three.agent("build").ok().stdout
    assert left_alone(said) == {"ada", "carl"}
    assert "image:bob" in said


def test_settings_of_the_workspace_concern_everybody(three: Project) -> None:
    edit(three, "pyproject.toml", "[tool.aac]\njobs = 2\n")
    said = three.agent("build").ok().stdout
    assert left_alone(said) == set()
    assert "image:ada" in said


def test_who_is_named_is_planned_alone(three: Project) -> None:
    edit(three, "agents/bob/agent.yaml", "this: is no agent\n")
    assert "image:ada" in three.agent("build", "ada").ok().stdout
    assert "image:ada" in three.doit("image:ada").ok().stdout
    assert "bob" in three.agent("build").exits(3).output


def test_a_named_step_is_answered_by_stats_until_its_agent_changes(three: Project) -> None:
    for _ in range(2):
        three.doit("image:ada").ok()
    assert (three.folder / ".aac/manifest/doit image:ada").exists()
    edit(three, "agents/bob/start")
    assert "– image:ada  up to date  sha256:" in three.doit("image:ada").ok().stdout
    edit(three, "agents/ada/start")
    assert built(three.doit("image:ada").ok().stdout) == ["image:ada"]


def test_tasks_of_the_users_own_may_need_any_step(three: Project) -> None:
    note = {"actions": ["echo made > note.txt"], "task_dep": ["dockerfile:bob"], "targets": ["note.txt"], "uptodate": [True]}
    three.write({"dodo.py": f"{DODO}\n\ndef task_note():\n    return {note!r}\n"})
    for _ in range(3):
        three.doit("image:ada").ok()
        three.doit("note").ok()
        three.doit().ok()
    assert three.read("note.txt") == "made\n"


def test_every_processor_may_be_asked_for(three: Project) -> None:
    for name in ("ada", "bob", "carl"):
        edit(three, f"agents/{name}/start", f"{name} {time.time_ns()}\n")
    assert len(built(three.agent("build", "-n", "auto").ok().stdout)) == 3
    assert "is not a number of 1 or more" in three.agent("build", "-n", "many").exits(3).output


# -- pools, plan, layers -----------------------------------------------------------------------------------------------


def overlap(folder: Path, cache: Path) -> bool:
    """Whether a second image step begins before the first has ended."""
    events: list[str] = []

    def tell(event: Event) -> None:
        if event.type in ("start", "done") and event.step.startswith("image:"):
            events.append(event.type)
            time.sleep(0.2 if event.type == "start" else 0.0)

    from aac_tasks.doit_bridge import run

    session = Session(Options(cwd=folder, environment={"AAC_CACHE_DIR": str(cache)}), tell)
    assert run(session, ["image"], jobs=3) == 0
    assert events.count("start") == 3
    return events[:2] == ["start", "start"]


def test_a_pool_bounds_how_many_steps_of_a_kind_are_done_at_once(tmp_path: Path) -> None:
    for pools, expected in (("", True), ("[tool.aac.pools]\nimage = 1\n", False)):
        project = Project(tmp_path / ("pooled" if pools else "free"), {})
        project.folder.mkdir()
        project.write({"pyproject.toml": f"[tool.aac]\n{pools}", **agent("ada"), **agent("bob"), **agent("carl")})
        assert overlap(project.folder, tmp_path / f"cache{len(pools)}") is expected


def test_a_pool_that_is_no_number_is_refused(three: Project) -> None:
    edit(three, "pyproject.toml", "[tool.aac.pools]\nimage = 0\n")
    assert "[tool.aac.pools] image must be a whole number of 1 or more" in three.agent("build").exits(3).output


def test_plan_says_what_would_run_and_how_long_it_took(three: Project) -> None:
    edit(three, "agents/bob/start", f"{time.time_ns()}\n")  # no cache knows the result
    three.agent("build").ok()
    edit(three, "agents/bob/start")
    document = json.loads(three.agent("plan", "bob", "--json").ok().stdout)["schedule"]
    by_step = {one["step"]: one for one in document["steps"]}
    assert by_step["image:bob"]["status"] == "runs"
    assert "start" in by_step["image:bob"]["reason"]
    assert by_step["image:bob"]["seconds"] > 0
    assert by_step["dockerfile:bob"]["status"] == "fresh"
    assert by_step["push:bob"]["status"] == by_step["deploy:bob"]["status"] == "asked"
    assert document["seconds"] == pytest.approx(by_step["image:bob"]["seconds"], abs=0.002)
    assert document["unknown"] == 1, "bob was never tested"
    assert "steps would run: about" in three.agent("plan", "bob").ok().stdout
    assert "up to date since" in three.agent("why", "image:ada").ok().stdout


@pytest.mark.network
def test_agents_with_the_same_dependencies_share_one_layer_that_is_made_once(project: Project) -> None:
    python = AGENT.replace("runtime: custom", "runtime: python").replace("build: {build}", "dependencies: [markupsafe==3.0.2]")
    for name in ("ada", "bob"):
        project.write({f"agents/{name}/agent.yaml": python.format(name=name), f"agents/{name}/main.py": f"{time.time_ns()}\n"})
    assert "✓ image:ada" in project.agent("build", "ada").ok().stdout
    (layer,) = (one for one in layers(project, "ada") if one["name"] == "dependencies")
    blob = Path(project.env["XDG_CACHE_HOME"]) / "aac/blobs/sha256" / layer["digest"][7:9] / layer["digest"][7:]
    before = blob.stat()
    assert "✓ image:bob" in project.agent("build", "bob").ok().stdout
    assert layer in layers(project, "bob")
    assert (blob.stat().st_mtime_ns, blob.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert layers(project, "ada")[-1] != layers(project, "bob")[-1]


def layers(project: Project, name: str) -> list[dict[str, str]]:
    listed: list[dict[str, str]] = json.loads(project.agent("inspect", name, "--json").ok().stdout)["layers"]
    return listed


def test_a_lock_that_answers_is_not_planned_because_agent_yaml_was_edited(three: Project) -> None:
    edited = three.read("agents/bob/agent.yaml").replace('version: "1.0"', 'version: "1.1"')
    edit(three, "agents/bob/agent.yaml", edited)
    document = json.loads(three.agent("plan", "bob", "--json").ok().stdout)["schedule"]
    runs = [one["step"] for one in document["steps"] if one["status"] == "runs"]
    assert runs == ["parse:bob", "dockerfile:bob", "image:bob", "test:bob"]
    ran = three.agent("build", "bob").ok().stdout
    assert "– lock:bob" in ran
    assert "✓ parse:bob  (metadata.version 1.0 → 1.1)" in ran


def test_how_long_a_step_takes_is_known_after_its_result_came_from_the_cache(three: Project) -> None:
    before = three.read("agents/bob/start")
    edit(three, "agents/bob/start", f"{time.time_ns()}\n")
    three.agent("build", "bob").ok()
    edit(three, "agents/bob/start", before)
    assert "from the cache" in three.agent("build", "bob").ok().stdout
    document = json.loads(three.agent("plan", "bob", "--json").ok().stdout)["schedule"]
    assert next(one["seconds"] for one in document["steps"] if one["step"] == "image:bob") > 0


def test_how_a_step_failed_is_told_until_it_is_done(three: Project) -> None:
    edit(three, "agents/bob/start", "no program\n")
    failed = three.agent("test", "bob", "--allow-host").exits(1).output
    said = next(line for line in failed.splitlines() if line.startswith("✗ test:bob")).split(maxsplit=2)[2]
    reason = three.agent("why", "test:bob").ok().stdout
    assert reason == f"test:bob: would run (its last run failed: {said})\n"


def test_a_fresh_clone_says_what_its_lock_does_not_answer(three: Project) -> None:
    shutil.rmtree(three.folder / ".aac")  # not in git
    more = three.read("agents/bob/agent.yaml").replace("scratch}", "scratch, platforms: [linux/amd64, linux/arm64]}")
    other = three.read("agents/ada/agent.yaml").replace("{baseImage: scratch}", '{baseImage: "oci:base"}')
    three.write({"agents/bob/agent.yaml": more, "agents/ada/agent.yaml": other})
    said = three.agent("why", "lock:bob").ok().stdout
    assert said == "lock:bob: would run (agent.lock answers another question: spec.build.platforms changed)\n"
    said = three.agent("build", "ada", env={"CI": "true"}).exits(1).output
    base = "spec.runtime, spec.build.baseImage or spec.build.systemPackages"
    assert f"agent.lock answers another question: {base} changed, and --locked" in said
