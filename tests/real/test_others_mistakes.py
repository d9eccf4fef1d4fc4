"""What is wrong with one agent of a workspace, and those who want another one. Nothing is downloaded to build them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from real.kill_yard import Yard, make_base
from real.workspaces import AGENT, ALONE, agent

from aac_tasks.testing import Project

pytestmark = pytest.mark.real

DODO = "from aac_tasks.dodo import *\n"


@pytest.fixture
def three(project: Project) -> Project:
    project.write({".git/HEAD": "", "dodo.py": DODO, **agent("ada"), **agent("bob"), **agent("carl")})
    project.agent("build").ok()
    return project


NAMING = [
    ("agent", "build", "bob"),
    ("agent", "build", "agents/bob"),
    ("agent", "build", "agents/bob/agent.yaml"),
    ("agent", "plan", "bob"),
    ("agent", "build", "--since", "HEAD", "bob"),
    ("agent", "why", "image:bob"),
    ("agent", "why", "bob:image"),
    ("doit", "info", "image:bob"),
    ("doit", "forget", "image:bob"),
    ("doit", "clean", "image:bob"),
    ("doit", "image:bob"),
]


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("words", NAMING, ids=" ".join)
def test_what_another_has_wrong_is_no_matter_to_who_is_named(project: Project, words: tuple[str, ...], seen: bool) -> None:
    project.write({"dodo.py": DODO, **agent("ada"), **agent("bob"), **agent("carl")})
    for git in (("init", "-q"), ("add", "."), ("-c", "user.name=T", "-c", "user.email=t@x.org", "commit", "-qm", "first")):
        project.run(("git", *git)).ok()
    if seen:
        project.agent("build").ok()
    text = project.read("agents/carl/agent.yaml")
    project.write({"agents/carl/agent.yaml": text.replace("custom", "pyton"), "agents/bob/start": "edited"})
    done = project.agent(*words[1:]) if words[0] == "agent" else project.doit(*words[1:])
    assert "bob" in done.exits(int(words[1] == "info")).output, "doit says with 1 that it is not up to date"
    assert "unknown runtime 'pyton'" in project.agent("build", "carl").exits(3).stderr
    assert "unknown runtime 'pyton'" in project.agent("build", "agents").exits(3).stderr


def ended(project: Project, *words: str) -> dict[str, str]:
    """How each step ended, of a command that agent.yaml stood in the way of."""
    document = json.loads(project.agent(*words, "--json").exits(3).stdout)
    assert document["exit"] == 3
    return {step["step"]: step["status"] for step in document["steps"]}


@pytest.mark.parametrize("more", [(), ("agents",), ("-n", "2"), ("*",), ("--since", "HEAD")])
def test_k_builds_all_but_those_whose_agent_yaml_is_broken(project: Project, more: tuple[str, ...]) -> None:
    needs = f"{ALONE}\n  services: {{carl: {{agent: carl}}}}"
    project.write({**agent("ada"), **agent("bob"), **agent("carl"), **agent("dora", needs)})
    project.run(("git", "init", "-q")).ok()
    project.run(("git", "-c", "user.name=T", "-c", "user.email=t@x.org", "commit", "-qm", "first", "--allow-empty")).ok()
    project.write({"agents/carl/agent.yaml": project.read("agents/carl/agent.yaml").replace("custom", "pyton")})
    steps = ended(project, "build", "-k", *more)
    assert {steps.pop(step) for step in ("parse:carl", "parse:dora")} == {"failed"}
    assert {step for step in steps if step.startswith("image:")} == {"image:ada", "image:bob"}
    assert "failed" not in steps.values()
    said = project.agent("build", "-k", *more).exits(3)
    assert "parse:carl  agents/carl/agent.yaml:6:12 spec.runtime: unknown runtime 'pyton'" in said.output
    assert "8 up to date, 2 failed in " in said.stdout
    assert "(failed: parse:carl, parse:dora)" in said.stdout
    assert project.agent("build", *more).exits(3).stdout == ""


@pytest.mark.parametrize("more", [(), ("agents",), ("-n", "2"), ("*",), ("--since", "HEAD"), ("bob", "ada", "carl")])
@pytest.mark.parametrize("seen", [True, False])
def test_k_builds_all_but_two_agents_of_one_name(project: Project, more: tuple[str, ...], seen: bool) -> None:
    needs = f"{ALONE}\n  services: {{carl: {{agent: carl}}}}"
    project.write({**agent("ada"), **agent("bob"), **agent("carl"), **agent("dora", needs)})
    project.run(("git", "init", "-q")).ok()
    project.run(("git", "-c", "user.name=T", "-c", "user.email=t@x.org", "commit", "-qm", "first", "--allow-empty")).ok()
    if seen:
        project.agent("build").ok()
    project.write({"agents/twin/agent.yaml": project.read("agents/carl/agent.yaml"), "agents/twin/start": "#!twin\n"})
    named = "bob" in more and seen  # where carl was seen last is who is meant
    said = project.agent("build", "-k", *more).exits(0 if named else 3)
    steps = {line.split()[1]: line.split()[0] for line in said.stdout.splitlines() if ":" in line.split()[1]}
    assert {"image:ada", "image:bob"} <= steps.keys()
    assert {step for step in steps if step.startswith("parse:carl")} == {"parse:carl"}
    if not named:
        both = "two agents are called 'carl': agents/carl/agent.yaml and agents/twin/agent.yaml; rename one (metadata.name)"
        assert f"✗ parse:carl  {both}" in said.stdout
        assert "image:dora" not in steps
        assert "image:carl" not in steps
        assert both in project.agent("build").exits(3).stderr


def test_k_marks_the_lines_of_an_agent_yaml_that_is_broken(three: Project) -> None:
    three.write({"agents/carl/agent.yaml": three.read("agents/carl/agent.yaml").replace("custom", "pyton")})
    said = replace(three, env={**three.env, "GITHUB_ACTIONS": "true"}).agent("build", "-k").exits(3).output
    assert f"::error file={three.folder}/agents/carl/agent.yaml,line=6,col=12,title=parse%3Acarl::unknown runtime" in said


@pytest.mark.parametrize("carl", ["carl", "agents/carl"])
@pytest.mark.parametrize("seen", [True, False])
def test_k_builds_the_others_that_are_named(three: Project, carl: str, seen: bool) -> None:
    if not seen:
        shutil.rmtree(three.folder / ".aac")
    three.write({"agents/carl/agent.yaml": three.read("agents/carl/agent.yaml").replace("custom", "pyton")})
    steps = ended(three, "build", "-k", carl, "bob")
    assert {step for step, status in steps.items() if status == "failed"} == {"parse:carl"}
    assert "image:bob" in steps
    assert "image:ada" not in steps
    assert list(ended(three, "build", "-k", carl)) == ["parse:carl"]
    assert "no agent 'nobody' here" in three.agent("build", "-k", carl, "nobody").exits(3).stderr


def test_k_tells_of_all_when_agent_yaml_stands_in_the_way_of_a_step(three: Project) -> None:
    make_base(Yard(three.folder.parent, "dora"))
    text = AGENT.replace("custom", "python").replace("/app/start", "python3, main.py")
    three.write({"agents/dora/agent.yaml": text.format(name="dora", build="{baseImage: 'oci:base'}")})
    steps = ended(three, "build", "-k")
    assert (steps["image:ada"], steps["lock:dora"], steps["dockerfile:dora"]) == ("fresh", "done", "failed")
    said = three.agent("build", "-k").exits(3).output
    assert "✗ dockerfile:dora  agents/dora/agent.yaml" in said
    assert "main.py" in said
    assert "1 failed, 1 not run in " in said


def test_a_profile_that_others_lack_is_no_matter_to_who_is_named(three: Project) -> None:
    three.write(agent("bob", f"{ALONE}\n  profiles: {{prod: {{image: {{tags: [p]}}}}}}"))
    assert "image:bob" in three.agent("build", "bob", "--profile", "prod").ok().stdout
    assert "bob" in three.agent("plan", "bob", "--profile", "prod").ok().stdout
    assert "agents/ada/agent.yaml" in three.agent("build", "--profile", "prod").exits(3).stderr
