"""What `agent ci` writes is what the services' own schemas accept, whatever was asked for."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from aac_tasks.pipelines import VENDORS, Wish, is_ours, shares
from aac_tasks.pipelines.vendor import MOST_JOBS

SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci", "circleci": "vendor.circle-ci"}
SECOND = ("gitlab", "circleci")
"""Services whose jobs for a commit are a pipeline of its own."""

PIP = ("aac-tasks==0.1.0",)
WISHES = [
    Wish(PIP, push=push, allow_host=host, folder=folder, machine=machine)
    for (push, host), (folder, machine) in itertools.product(
        ((False, False), (True, True)), (("", ""), ("the agents/of it", "registry.example.org/python:3.12-slim"))
    )
]
NAMES = ("hello", "default", "cache-2")


def check(service: str, *files: Path) -> subprocess.CompletedProcess[str]:
    """The schema that the service publishes, as check-jsonschema carries it."""
    words = ("--builtin-schema", SCHEMAS[service], "--no-cache", *map(str, files))
    return subprocess.run((sys.executable, "-m", "check_jsonschema", *words), capture_output=True, text=True, check=False)


@pytest.mark.parametrize("service", SCHEMAS)
def test_every_pipeline_is_what_the_service_publishes_a_schema_for(service: str, tmp_path: Path) -> None:
    vendor = VENDORS[service]
    texts = [vendor.write(wish) for wish in WISHES]
    if service in SECOND:
        texts += [vendor.jobs(shares(names), wish) for wish in WISHES for names in (NAMES, ())]
    files = [tmp_path / f"{i}.yml" for i in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text)
    done = check(service, *files)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", SCHEMAS)
def test_the_schema_would_refuse_a_pipeline_that_is_none(service: str, tmp_path: Path) -> None:
    document = yaml.safe_load(VENDORS[service].write(WISHES[0]))
    document.get("jobs", document)["plan"]["script" if service == "gitlab" else "steps"] = 5
    (tmp_path / "bad.yml").write_text(yaml.safe_dump(document))
    assert check(service, tmp_path / "bad.yml").returncode == 1


def test_a_matrix_has_a_job_for_each_agent_on_one_line() -> None:
    text = VENDORS["github"].jobs(shares(NAMES), WISHES[0])
    assert "\n" not in text
    assert json.loads(text) == [{"name": name, "agents": name} for name in NAMES]
    assert VENDORS["github"].jobs((), WISHES[0]) == "[]"  # what the workflow compares with


def test_a_child_pipeline_has_a_job_for_each_agent_whatever_it_is_called() -> None:
    document = yaml.safe_load(VENDORS["gitlab"].jobs(shares(NAMES), WISHES[0]))
    assert [key for key in document if key.startswith("agent ")] == ["agent hello", "agent default", "agent cache-2"]
    assert document["agent default"] == {"extends": ".agent", "variables": {"AGENTS": "default"}}
    nothing = yaml.safe_load(VENDORS["gitlab"].jobs((), WISHES[0]))
    assert nothing["nothing changed"]["script"] == ['echo "no agent is affected"']


def test_what_circleci_goes_on_with_has_a_job_for_each_agent_and_is_never_empty() -> None:
    document = yaml.safe_load(VENDORS["circleci"].jobs(shares(NAMES), WISHES[0]))
    invoked = document["workflows"]["agents"]["jobs"]
    assert [job["agent"] for job in invoked] == [{"name": f"agent {name}", "key": name, "agents": name} for name in NAMES]
    assert yaml.safe_load(VENDORS["circleci"].jobs((), WISHES[0]))["workflows"]["agents"]["jobs"] == ["nothing"]


@pytest.mark.parametrize("count", [1, MOST_JOBS, MOST_JOBS + 1, 1000])
def test_thousands_of_agents_fit_into_as_many_jobs_as_a_service_takes(count: int) -> None:
    names = [f"a{i}" for i in range(count)]
    made = shares(names)
    assert len(made) <= MOST_JOBS
    assert [name for share in made for name in share.agents] == names
    assert len({share.name for share in made}) == len(made)


def test_a_file_says_how_it_was_asked_for_and_what_of_it_is_not_usual() -> None:
    wish = Wish((*PIP, "my plugin"), branch="trunk", machine="big", push=True, allow_host=True)
    text = VENDORS["github"].write(wish)
    head = text.splitlines()[0]
    assert "`agent ci github --install 'my plugin' --branch trunk --machine big --push --allow-host`" in head
    assert is_ours(text)
    assert not is_ours("on: push\n")


def steps_of(job: dict[str, Any]) -> str:
    return json.dumps(job["steps"])


def test_images_are_pushed_only_where_that_was_asked_for() -> None:
    quiet, pushing = (yaml.safe_load(VENDORS["github"].write(Wish(PIP, push=push))) for push in (False, True))
    assert "agent push" not in steps_of(quiet["jobs"]["agent"])
    assert quiet["permissions"] == {"contents": "read"}
    assert "agent push $AGENTS" in steps_of(pushing["jobs"]["agent"])
    assert pushing["permissions"] == {"contents": "read", "packages": "write"}
    assert "agent push" not in VENDORS["gitlab"].jobs(shares(NAMES), Wish(PIP))
    assert "agent push $AGENTS" in VENDORS["gitlab"].jobs(shares(NAMES), Wish(PIP, push=True))
    assert "agent push" not in VENDORS["circleci"].jobs(shares(NAMES), Wish(PIP))
    assert "agent push $AGENTS" in VENDORS["circleci"].jobs(shares(NAMES), Wish(PIP, push=True))


def test_reports_and_caches_of_a_workspace_that_is_no_repository_of_its_own_are_found() -> None:
    wish = Wish(PIP, folder="the agents/of it")
    github = yaml.safe_load(VENDORS["github"].write(wish))
    assert github["defaults"]["run"]["working-directory"] == "the agents/of it"
    assert '"the agents/of it/.aac/agents/*/test/junit.xml"' in steps_of(github["jobs"]["agent"])
    gitlab = yaml.safe_load(VENDORS["gitlab"].jobs(shares(NAMES), wish))
    assert gitlab[".agent"]["script"][1] == "cd 'the agents/of it'"
    assert gitlab[".agent"]["cache"]["paths"] == ["the agents/of it/.aac/cache"]
    assert gitlab["variables"]["AAC_CACHE_DIR"] == "$CI_PROJECT_DIR/the agents/of it/.aac/cache"
    circleci = yaml.safe_load(VENDORS["circleci"].jobs(shares(NAMES), wish))["jobs"]["agent"]
    assert {"run": "cd 'the agents/of it' && agent test $AGENTS"} in circleci["steps"]
    assert {"store_test_results": {"path": "the agents/of it/.aac/agents"}} in circleci["steps"]
