"""Runners of GitHub, GitLab and CircleCI in small: they take a pipeline's own text, and run its commands in fresh clones.

What stands behind ``uses:`` is done as the action documents it: a clone, a cache folder by key, files handed in. An
expression that is not in the table of the job fails the test.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from aac_tasks.testing import Project, Ran

NONE = "0" * 40


@dataclass
class Service:
    """``origin`` is the repository, ``programs`` the folder with a job's pip and python, ``top`` has room for everything."""

    origin: Project
    programs: Path
    top: Path
    count: int = 0
    env: dict[str, str] = field(default_factory=dict)

    def clone(self, commit: str, **env: str) -> Project:
        """A machine that nothing was done on: a clone and a home of its own."""
        self.count += 1
        folder = self.top / f"job-{self.count}"
        home = folder / "home"
        home.mkdir(parents=True)
        place = Project(folder / "clone", {**self.origin.env, **self.env, "CI": "true", "HOME": str(home), **env})
        path = f"{self.programs}:{self.origin.env['PATH']}"
        place.env.update(PATH=path, XDG_CACHE_HOME=str(home / ".cache"))  # type: ignore[attr-defined]  # a dict
        self.origin.run(("git", "clone", "-q", str(self.origin.folder), str(place.folder))).ok()
        place.run(("git", "checkout", "-q", commit)).ok()
        return place

    def keep(self, place: Path, key: str) -> None:
        """What a cache action does at the end of a job."""
        kept = self.top / "caches" / key
        shutil.copytree(place, kept, symlinks=True, dirs_exist_ok=True)
        os.utime(kept)  # the newest is asked for, and a copy has the date of what was copied

    def restore(self, place: Path, *keys: str) -> None:
        """What it does at the beginning: the first key that there is, or the newest that begins so."""
        known = sorted((self.top / "caches").glob("*"), key=lambda p: p.stat().st_mtime_ns)
        found = [path for key in keys for path in reversed(known) if path.name.startswith(key)]
        if found:
            shutil.copytree(found[0], place, symlinks=True)


@dataclass(frozen=True)
class Job:
    """How a job ended. ``reports`` are the files that it handed in, by their place in the clone."""

    name: str
    runs: tuple[Ran, ...]
    reports: Mapping[str, str]
    outputs: Mapping[str, str] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.runs[-1].exit_code

    @property
    def output(self) -> str:
        return "".join(ran.output for ran in self.runs)

    def ok(self) -> Job:
        self.runs[-1].ok()
        return self


class GitHub(Service):
    """Runs ``.github/workflows/agents.yml``."""

    def pipeline(self, commit: str, before: str) -> dict[str, Job]:
        """The jobs of a push, by name; the matrix is not run when its condition says so, or ``plan`` failed."""
        text = self.origin.run(("git", "show", f"{commit}:.github/workflows/agents.yml")).ok().stdout
        jobs = yaml.safe_load(text)["jobs"]
        known = {"github.event.pull_request.base.sha || github.event.before": before, "github.sha": commit, "runner.os": "Linux"}
        known["github.ref"] = "refs/heads/main"
        env = yaml.safe_load(text).get("env", {})
        ran = {"plan": self.job("plan", jobs["plan"], known, env, commit)}
        asked = ran["plan"].outputs.get("jobs", "[]")
        assert jobs["agent"]["if"] == "needs.plan.outputs.jobs != '[]'"
        for row in json.loads(asked):
            values = {**known, "matrix.job.name": row["name"], "matrix.job.agents": row["agents"]}
            ran[row["name"]] = self.job(row["name"], jobs["agent"], values, env, commit)
        return ran

    def job(self, name: str, job: Any, known: Mapping[str, str], env: Mapping[str, str], commit: str) -> Job:
        place = self.clone(commit, GITHUB_ACTIONS="true", **env, **_filled(job.get("env", {}), known))
        out = place.folder.parent / "output"
        out.touch()
        place.env.update(GITHUB_OUTPUT=str(out), GITHUB_WORKSPACE=str(place.folder))  # type: ignore[attr-defined]
        runs: list[Ran] = []
        reports: dict[str, str] = {}
        for step in job["steps"]:
            given = _filled(step.get("with", {}), known)
            action = step.get("uses", "").partition("@")[0]
            failed = bool(runs) and runs[-1].exit_code != 0
            if action == "actions/cache":
                cache = Path(given["path"].replace("~", place.env["HOME"]))
                self.restore(cache, given["key"], *given["restore-keys"].split())
            elif action == "actions/upload-artifact":
                assert step["if"] == "${{ !cancelled() }}"
                reports |= _found(place, given["path"])
            elif "run" in step and not failed:
                script = place.folder.parent / "step.sh"
                script.write_text(step["run"])
                runs.append(place.run(("bash", "-e", str(script)), env=_filled(step.get("env", {}), known)))
            else:
                assert failed or action in ("actions/checkout", "actions/setup-python"), step
        if runs[-1].exit_code == 0 and "strategy" in job:
            self.keep(Path(place.env["HOME"]) / ".cache/aac", given_key(job, known))
        lines = (line.partition("=") for line in out.read_text().splitlines())
        return Job(name, tuple(runs), reports, {key: value for key, _, value in lines})


def given_key(job: Any, known: Mapping[str, str]) -> str:
    """The key that a job's cache is kept under."""
    (step,) = (s for s in job["steps"] if s.get("uses", "").startswith("actions/cache@"))
    return _filled(step["with"], known)["key"]


class GitLab(Service):
    """Runs ``.gitlab-ci.yml`` and the child pipeline that it starts."""

    def pipeline(self, commit: str, before: str) -> dict[str, Job]:
        """The jobs of a push, by name."""
        text = self.origin.run(("git", "show", f"{commit}:.gitlab-ci.yml")).ok().stdout
        document = yaml.safe_load(text)
        ran = {"plan": self.job("plan", document["plan"], {"CI_COMMIT_BEFORE_SHA": before}, commit)}
        trigger = document["agents"]["trigger"]["include"][0]
        assert trigger["job"] == "plan"
        child = yaml.safe_load(ran["plan"].reports[trigger["artifact"]]) if ran["plan"].exit_code == 0 else {}
        for name, job in child.items():
            if not name.startswith(".") and ("script" in job or "extends" in job):
                base = child.get(job.get("extends"), {})
                variables = {**child.get("variables", {}), **job.get("variables", {})}
                ran[name] = self.job(name, {**base, **job, "variables": variables}, {}, commit)
        return ran

    def job(self, name: str, job: Any, more: Mapping[str, str], commit: str) -> Job:
        place = self.clone(commit, GITLAB_CI="true", CI_COMMIT_BRANCH="main", **more)
        top = str(place.folder)
        slug = re.sub("[^a-z0-9]", "-", name.lower())
        said = {key: value.replace("$CI_PROJECT_DIR", top) for key, value in job.get("variables", {}).items()}
        place.env.update({**said, "CI_PROJECT_DIR": top})  # type: ignore[attr-defined]
        cache = job.get("cache")
        key = cache["key"].replace("$CI_JOB_NAME_SLUG", slug) if cache else ""
        if cache:
            self.restore(place.folder / cache["paths"][0], key)
        script = place.folder.parent / "step.sh"
        script.write_text("\n".join(job["script"]))
        ran = place.run(("bash", "-eo", "pipefail", str(script)))
        if cache:
            self.keep(place.folder / cache["paths"][0], key)
        artifacts = job.get("artifacts", {})
        reports = [*artifacts.get("paths", ()), *artifacts.get("reports", {}).values()]
        handed = {name: text for pattern in reports for name, text in _found(place, pattern).items()}
        return Job(name, (ran,), handed)


class CircleCI(Service):
    """Runs ``.circleci/config.yml`` and the configuration that it goes on with."""

    def pipeline(self, commit: str, before: str) -> dict[str, Job]:
        """The jobs of a push, by name."""
        document = yaml.safe_load(self.origin.run(("git", "show", f"{commit}:.circleci/config.yml")).ok().stdout)
        assert document["setup"] is True
        known = {"pipeline.git.base_revision": before}
        ran = {name: self.job(name, document["jobs"][name], known, commit) for name in document["workflows"]["plan"]["jobs"]}
        if "next" not in ran["plan"].outputs:
            return ran
        then = yaml.safe_load(ran["plan"].outputs["next"])
        for invoked in then["workflows"]["agents"]["jobs"]:
            kind, given = next(iter(invoked.items())) if isinstance(invoked, dict) else (invoked, {"name": invoked})
            values = {f"parameters.{name}": value for name, value in given.items()}
            ran[given["name"]] = self.job(given["name"], then["jobs"][kind], values, commit)
        return ran

    def job(self, name: str, job: Any, known: Mapping[str, str], commit: str) -> Job:
        """Once a step failed, only what hands in results is done."""
        place = self.clone(commit, CIRCLECI="true", CIRCLE_BRANCH="main", **_angled(job.get("environment", {}), known))
        cache = Path(place.env["HOME"]) / ".cache/aac"
        known = {**known, ".Revision": commit}
        runs: list[Ran] = []
        reports: dict[str, str] = {}
        outputs: dict[str, str] = {}
        for step in job["steps"]:
            action, given = next(iter(step.items())) if isinstance(step, dict) else (step, {})
            if action == "store_test_results":
                reports |= _found(place, f"{given['path']}/**/*.xml")
            elif runs and runs[-1].exit_code != 0:
                continue
            elif action == "run":
                asked = given if isinstance(given, dict) else {"command": given}
                script = place.folder.parent / "step.sh"
                script.write_text(_angled(asked, known)["command"])
                env = _angled(asked.get("environment", {}), known)
                runs.append(place.run(("bash", "-eo", "pipefail", str(script)), env=env))
            elif action == "restore_cache":
                self.restore(cache, *_angled({str(n): key for n, key in enumerate(given["keys"])}, known).values())
            elif action == "save_cache":
                assert given["paths"] == ["~/.cache/aac"]
                self.keep(cache, _angled(given, known)["key"])
            elif action == "continuation/continue":
                outputs["next"] = (place.folder / given["configuration_path"]).read_text()
            else:
                assert action == "checkout", step
        return Job(name, tuple(runs), reports, outputs)


def _angled(values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Values with ``<< … >>`` and ``{{ … }}`` replaced."""
    marked = re.compile(r"<< (.*?) >>|\{\{ (.*?) \}\}")
    return {name: marked.sub(lambda m: known[m[1] or m[2]], str(value)) for name, value in values.items()}


def _filled(values: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, str]:
    """Values with their expressions replaced."""
    return {name: re.sub(r"\$\{\{ (.*?) \}\}", lambda m: known[m[1]], str(value)) for name, value in values.items()}


def _found(place: Project, pattern: str) -> dict[str, str]:
    return {p.relative_to(place.folder).as_posix(): p.read_text() for p in sorted(place.folder.glob(pattern))}
