"""Agents that need other agents: `spec.services` with an agent behind it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.kill_shots import Ground
from real.kill_yard import SERVER, Yard, make_base
from real.podman import Podman
from real_registry import free_port

from aac_tasks.testing import Project, Ran, clean_environment, command, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

SERVE = 'exec httpd -f -p "{address}:${{{{PORT:-{{port}}}}}}" -h www'
ANSWERS = "      tests: [{{name: answers, type: http, request: {{path: /}}, expect: {{status: 200}}}}]\n"
ASKS = """\
      services: {{helper: {{agent: {helper}}}}}
      tests:
        - {{name: asks its helper, type: command, command: [/bin/sh, -c, 'wget -qO- $HELPER_URL'], expect: {{stdout: helps}}}}
"""
DODO = "from aac_tasks.dodo import *\n"


@dataclass(frozen=True)
class Pair:
    """Two agents on this machine: ``front`` asks ``helper``."""

    project: Project
    helper: str
    front: str

    def outcomes(self, *words: str) -> dict[str, str]:
        """What came of the steps of a command that must succeed: step, less the agents' own part of its name → how it ended."""
        steps = json.loads(self.project.agent(*words, "--json").ok().stdout)["steps"]
        short = {self.helper: "helper", self.front: "front"}
        return {f"{kind}:{short[name]}": one["status"] for one in steps for kind, _, name in [one["step"].partition(":")]}

    def done(self, *words: str) -> list[str]:
        """Steps that were not up to date."""
        return [step for step, status in self.outcomes(*words).items() if status not in ("fresh", "skipped")]

    def url(self, agent: str) -> str:
        """Where a deployed one answers."""
        agents = json.loads(self.project.agent("ps", "--json").ok().stdout)["instances"]
        return next(str(one["url"]) for one in agents if one["name"] == agent)


def make_pair(top: Path, runner: str, address: str = "127.0.0.1") -> Pair:
    """Their workspace, with a base of busybox."""
    mark = secrets.token_hex(3)
    pair = Pair(Project(top / "project", clean_environment(top / "home", top / "cache")), f"helper-{mark}", f"front-{mark}")
    for folder in ("project", "home", "cache"):
        (top / folder).mkdir(parents=True)
    make_base(Yard(top, pair.front))
    for name, rest in ((pair.helper, ANSWERS), (pair.front, ASKS)):
        serve = SERVE.format(address=address)
        text = f"{SERVER}      entrypoint: [/bin/sh, -c, '{serve}']\n{rest}      image: {{{{registry: oci:dist}}}}\n"
        files = {"agent.yaml": text.format(name=name, port=free_port(), helper=pair.helper), "www/index.html": "it helps\n"}
        pair.project.sub(name).write(files)
    settings = f'[tool.aac]\nrunner = "{runner}"\nallow-host = true\n'
    pair.project.write({"pyproject.toml": settings, "dodo.py": DODO, ".dockerignore": "base\n*.tar\n"})
    return pair


@pytest.fixture(params=["runc", "host"])
def pair(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pair]:
    if request.param == "runc":
        need(os.geteuid() == 0 and shutil.which("runc"), "runc as root is not here")
    made = make_pair(tmp_path, request.param)
    yield made
    for name in (made.front, made.helper):
        made.project.agent("stop", name)


def edit(pair: Pair, agent: str, text: str) -> None:
    """Another page, older than the next run."""
    pair.project.sub(agent).write({"www/index.html": text})
    time.sleep(0.1)


def test_an_edit_of_one_tests_those_that_need_it_and_builds_only_itself(pair: Pair) -> None:
    first = pair.done("test", pair.front)
    assert first[-2:] == ["test:helper", "test:front"]
    assert len(first) == 10
    for _ in range(2):
        time.sleep(0.1)
        assert pair.done("test") == []
    edit(pair, pair.helper, "it helps still\n")
    why = pair.project.agent("why", f"test:{pair.front}").ok().stdout
    assert why.startswith(f"test:{pair.front}: may run, after image:{pair.helper} (file www/index.html: sha256 ")
    assert pair.done("test") == ["image:helper", "test:helper", "test:front"]
    assert pair.project.agent("why", f"test:{pair.front}").ok().stdout.startswith(f"test:{pair.front}: up to date")
    edit(pair, pair.front, "in front\n")
    assert pair.done("test") == ["image:front", "test:front"]
    edit(pair, pair.helper, "it helps\n")
    assert pair.outcomes("test", pair.front)["image:helper"] == "cached"
    edit(pair, pair.helper, "no use\n")
    failed = pair.project.agent("test")
    assert failed.exit_code == 1
    assert "asks its helper: /bin/sh: expected output matching 'helps', got no use\n" in failed.stdout
    assert not list(pair.project.folder.glob(".aac/agents/*/test/**/running.json"))


def test_another_checkout_finds_all_of_it_in_the_cache(pair: Pair, tmp_path: Path) -> None:
    pair.project.agent("test").ok()
    other = replace(pair.project, folder=tmp_path / "other")
    shutil.copytree(pair.project.folder, other.folder, ignore=shutil.ignore_patterns(".aac"))
    there = replace(pair, project=other).outcomes("test", pair.front)
    assert {step: there[step] for step in there if step.startswith(("image", "test"))} == dict.fromkeys(
        ("image:helper", "test:helper", "image:front", "test:front"), "cached"
    )


def test_stats_do_not_answer_for_an_agent_when_one_that_it_needs_changed(pair: Pair) -> None:
    for _ in range(3):
        pair.project.agent("test").ok()
        pair.project.doit().ok()
        time.sleep(0.1)
    assert (pair.project.folder / ".aac/manifest/test").exists()
    edit(pair, pair.helper, "it helps more\n")
    said = pair.project.agent("test").ok().stdout
    assert f"✓ test:{pair.front}" in said
    edit(pair, pair.helper, "it helps even more\n")
    said = pair.project.doit().ok().stdout
    assert f"✓ test:{pair.front}" in said
    edit(pair, pair.front, "in front\n")
    said = pair.project.doit().ok().stdout
    assert f"– test:{pair.helper}" in said
    assert f"✓ test:{pair.front}" in said


def test_a_deploy_deploys_whom_it_needs_first_and_again_when_that_moves(pair: Pair) -> None:
    assert pair.done("deploy", pair.front)[-2:] == ["deploy:helper", "deploy:front"]
    assert pair.done("deploy") == []
    said = pair.project.agent("exec", pair.front, "--", "/bin/sh", "-c", "wget -qO- $HELPER_URL").ok().stdout
    assert said == "it helps\n"
    edit(pair, pair.helper, "it helps elsewhere\n")
    assert [step for step in pair.done("deploy") if step.startswith("deploy")] == ["deploy:helper", "deploy:front"]
    said = pair.project.agent("exec", pair.front, "--", "/bin/sh", "-c", "wget -qO- $HELPER_URL").ok().stdout
    assert said == "it helps elsewhere\n"
    pair.project.agent("restart", pair.front).ok()
    assert pair.project.agent("exec", pair.front, "--", "/bin/sh", "-c", "wget -qO- $HELPER_URL").ok().stdout == said


def test_agent_run_is_told_where_the_others_are_deployed(pair: Pair) -> None:
    said = pair.project.agent("run", "-d", pair.front, "--name", "alone").ok()
    assert f"HELPER_URL is left unset: {pair.helper} is not deployed here" in said.stderr + said.stdout
    pair.project.agent("stop", "alone").ok()
    pair.project.agent("deploy", pair.helper).ok()
    pair.project.agent("run", "-d", pair.front, "--name", "told").ok()
    try:
        said = pair.project.agent("exec", "told", "--", "/bin/sh", "-c", "wget -qO- $HELPER_URL").ok()
        assert said.stdout == "it helps\n"
    finally:
        pair.project.agent("stop", "told").ok()


def test_in_its_folder_an_agent_brings_along_whom_it_needs_and_no_more_is_meant(pair: Pair) -> None:
    front = pair.project.sub(pair.front)
    front.write({"dodo.py": DODO})
    front.agent("push").ok()
    assert not pair.project.sub(pair.helper).folder.joinpath(".aac").exists()
    stamps = {path.parent.parent.parent.name for path in pair.project.folder.glob(".aac/agents/*/steps/push/stamp")}
    assert stamps == {pair.front}
    listed = front.doit("list", "--all", "push").ok().stdout
    assert pair.helper not in listed
    assert f"– test:{pair.helper}" in front.doit().ok().stdout
    assert front.agent("why", "test").ok().stdout.startswith(f"test:{pair.front}: up to date")


def test_what_a_killed_test_started_beside_is_ended_by_the_next(pair: Pair) -> None:
    pair.project.agent("test", pair.helper).ok()
    text = pair.project.read(f"{pair.front}/agent.yaml")
    pair.project.write({f"{pair.front}/agent.yaml": text.replace("exec httpd", "sleep 30; exec httpd")})
    run = subprocess.Popen(
        (*command("agent"), "test", pair.front), cwd=pair.project.folder, env=pair.project.env, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    tests = pair.project.folder / f".aac/agents/{pair.front}/test"
    record, own = tests / f"services/{pair.helper}/running.json", tests / "running.json"
    end = time.monotonic() + 60
    while not own.exists() and time.monotonic() < end:
        time.sleep(0.02)
    ground = Ground(pair.project.folder, pair.project.folder, pair.helper)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert record.exists()
    pair.project.write({f"{pair.front}/agent.yaml": text})
    pair.project.agent("test").ok()
    assert not record.exists()
    assert ground.processes() == {}


def test_who_is_needed_by_one_that_is_needed_is_started_as_well(pair: Pair) -> None:
    text = pair.project.read(f"{pair.front}/agent.yaml").replace(f"name: {pair.front},", "name: outer,")
    check = "'wget -qO- $HELPER_URL && wget -qO- $FRONT_URL'"
    text = text.replace("'wget -qO- $HELPER_URL'", check).replace(
        f"{{helper: {{agent: {pair.helper}}}}}", f"{{front: {{agent: {pair.front}}}, helper: {{agent: {pair.helper}}}}}"
    )
    pair.project.sub("outer").write({"agent.yaml": text, "www/index.html": "outer\n"})
    steps = json.loads(pair.project.agent("test", "outer", "--json").ok().stdout)["steps"]
    tests = [one["step"] for one in steps if one["step"].startswith("test:")]
    assert tests == [f"test:{pair.helper}", f"test:{pair.front}", "test:outer"]
    edit(pair, pair.helper, "it helps all\n")
    steps = json.loads(pair.project.agent("test", "outer", "--json").ok().stdout)["steps"]
    done = [one["step"] for one in steps if one["status"] == "done"]
    assert done == [f"image:{pair.helper}", *tests]


def test_since_a_commit_those_that_need_a_changed_one_are_concerned(pair: Pair) -> None:
    need(shutil.which("git"), "git is not installed")
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    for words in (("init", "-q"), ("add", pair.helper, pair.front, "pyproject.toml"), ("commit", "-qm", "first")):
        subprocess.run(("git", *who, *words), cwd=pair.project.folder, check=True)
    pair.project.agent("build").ok()
    edit(pair, pair.helper, "it helps since\n")
    assert [step for step in pair.done("test", "--since", "HEAD") if step.startswith("test")] == ["test:helper", "test:front"]


def with_an_engine(top: Path, runner: str, env: dict[str, str], engine: Callable[..., Ran]) -> None:
    """Containers have networks of their own: one reaches the other there, and not on this machine's loopback."""
    pair = make_pair(top, runner, "0.0.0.0")  # noqa: S104  # inside of a container
    pair = replace(pair, project=replace(pair.project, env={**pair.project.env, **env}))
    try:
        assert pair.done("deploy", pair.front)[-2:] == ["deploy:helper", "deploy:front"]
        ask = "echo $HELPER_URL; wget -qO- $HELPER_URL"
        said = pair.project.agent("exec", pair.front, "--", "/bin/sh", "-c", ask).ok().stdout
        assert said.endswith("\nit helps\n")
        assert "127.0.0.1" not in said
    finally:
        for name in (pair.front, pair.helper):
            pair.project.agent("stop", name)
    for name in (pair.front, pair.helper):
        assert engine("ps", "--all", "--quiet", "--filter", f"label=dev.agent.name={name}").ok().stdout == ""


def test_with_docker(tmp_path: Path, docker_engine: Engine) -> None:
    with_an_engine(tmp_path, "docker", docker_engine.env, docker_engine.docker)


def test_with_podman(tmp_path: Path, podman: Podman) -> None:
    with_an_engine(tmp_path, "podman", podman.env, podman.run)
