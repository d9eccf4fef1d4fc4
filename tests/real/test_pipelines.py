"""What `agent ci` writes, run as a CI service runs it: its own commands, in fresh clones, commit after commit."""

from __future__ import annotations

import json
import re
import shutil
import sys
import sysconfig
from pathlib import Path

import pytest
from real.ci_services import NONE, CircleCI, GitHub, GitLab, Job, Service
from real.kill_yard import SERVER, Yard, make_base
from real_registry import free_port

from aac_tasks.pipelines import VENDORS
from aac_tasks.testing import Project, clean_environment, need

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("pipelines")]

TREE = Path(__file__).resolve().parents[2]
IN_THE_WHEEL = ("aac_tasks", "aac_agent", "plugins", "schemas", "pyproject.toml", "README.md", "LICENSE")
AGENT = SERVER + """\
      entrypoint: [/bin/sh, -c, 'exec httpd -f -p "127.0.0.1:${{PORT:-{port}}}" -h www']
      tests:
        - {{name: serves its page, type: http, request: {{path: /}}, expect: {{body: version}}}}
    """
GIT = {f"GIT_{who}_{what}": "ada@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with pip that finds our wheel and nothing else; what the wheel depends on is beside it (a .pth file)."""
    top = tmp_path_factory.mktemp("wheel")
    user = Project(top, clean_environment(top, top / "cache"))
    source = top / "source"
    source.mkdir()
    leave_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in IN_THE_WHEEL:
        if (TREE / name).is_dir():
            shutil.copytree(TREE / name, source / name, symlinks=True, ignore=leave_out)
        elif (TREE / name).exists():
            shutil.copy(TREE / name, source / name)
    user.run((sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", "./source")).ok()
    user.run((sys.executable, "-m", "venv", "venv")).ok()
    site = user.run(("venv/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")).ok().stdout
    (Path(site.strip()) / "beside.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = ("venv/bin/pip", "install", "-q", "--no-index", "--find-links", "dist", "--no-deps", "--ignore-installed")
    user.run((*pip, "aac-tasks")).ok()  # once: the jobs find it there
    return top / "venv/bin"


@pytest.fixture
def origin(tmp_path: Path, programs: Path) -> Project:
    """A repository of two locked agents, whose tests run with the runner that works everywhere."""
    need(shutil.which("git"), "git is not installed")
    for name in ("home", "cache", "project"):
        (tmp_path / name).mkdir()
    env = {**clean_environment(tmp_path / "home", tmp_path / "cache"), "PIP_NO_INDEX": "1", **GIT}
    project = Project(tmp_path / "project", env)
    make_base(Yard(tmp_path, "base"))
    project.write({"pyproject.toml": '[tool.aac]\nrunner = "host"\n', ".gitignore": ".aac/\n"})
    for name in ("one", "two"):
        project.write({f"agents/{name}/agent.yaml": AGENT.format(name=name, port=free_port())})
        project.write({f"agents/{name}/www/index.html": "version 1\n"})
    project.run(("git", "init", "-q", "-b", "main")).ok()
    project.agent("lock").ok()
    for service in VENDORS:
        project.agent("ci", service, "--allow-host").ok()
    return project


def commit(project: Project, files: dict[str, str] | None = None) -> str:
    """Everything as it is now, and its name."""
    project.write(files or {})
    project.run(("git", "add", "-A")).ok()
    project.run(("git", "commit", "-q", "--allow-empty", "-m", "another")).ok()
    return project.run(("git", "rev-parse", "HEAD")).ok().stdout.strip()


def cases(job: Job, agent: str) -> list[str]:
    """The cases of the report that a job handed in."""
    report = job.reports[f".aac/agents/{agent}/test/junit.xml"]
    return re.findall(r'<testcase classname="[^"]*" name="([^"]*)"', report)


def known(job: Job, agent: str) -> bool:
    """Whether that report is of a result from the cache."""
    return 'name="cached" value="true"' in job.reports[f".aac/agents/{agent}/test/junit.xml"]


SERVICES = [
    pytest.param(GitHub, "", id="github"),
    pytest.param(GitLab, "agent ", id="gitlab"),
    pytest.param(CircleCI, "agent ", id="circleci"),
]


@pytest.mark.parametrize(("kind", "prefix"), SERVICES)
def test_a_pipeline_tests_what_a_commit_concerns_and_keeps_what_it_learned(
    kind: type[Service], prefix: str, origin: Project, programs: Path, tmp_path: Path
) -> None:
    service = kind(origin, programs, tmp_path / "jobs")
    first = commit(origin)
    ran = service.pipeline(first, NONE)  # type: ignore[attr-defined]
    assert list(ran) == ["plan", f"{prefix}one", f"{prefix}two"], ran["plan"].output
    for name in ("one", "two"):
        job = ran[f"{prefix}{name}"].ok()
        assert cases(job, name) == ["becomes well", "serves its page"]
        assert not known(job, name)

    second = commit(origin, {"agents/one/www/index.html": "version 2\n", "README.md": "for nobody\n"})
    ran = service.pipeline(second, first)  # type: ignore[attr-defined]
    assert list(ran) == ["plan", f"{prefix}one"]
    assert not known(ran[f"{prefix}one"].ok(), "one")

    ran = service.pipeline(second, "f" * 40)  # type: ignore[attr-defined]  # a history that was rewritten
    assert "is not in this clone, so every agent counts as changed" in ran["plan"].output
    for name in ("one", "two"):
        job = ran[f"{prefix}{name}"].ok()
        assert f"test:{name}  from the cache" in job.output
        assert cases(job, name) == ["becomes well", "serves its page"]
        assert known(job, name)

    ran = service.pipeline(commit(origin, {"README.md": "for somebody\n"}), second)  # type: ignore[attr-defined]
    assert [name for name in ran if "agents/" in "".join(ran[name].reports)] == []
    assert f"{prefix}one" not in ran


WRONG_TEST = AGENT.replace("body: version", "body: poetry")
WRONG_SPEC = AGENT.replace("provider: openai", "provder: openai")


def broken(origin: Project, template: str) -> str:
    return commit(origin, {"agents/two/agent.yaml": template.format(name="two", port=free_port())})


def test_github_shows_what_is_wrong_at_its_line(origin: Project, programs: Path, tmp_path: Path) -> None:
    service = GitHub(origin, programs, tmp_path / "jobs")
    first = commit(origin)
    failing = service.pipeline(broken(origin, WRONG_TEST), first)
    assert failing["two"].exit_code == 1
    (line,) = (i for i, text in enumerate(origin.read("agents/two/agent.yaml").splitlines(), 1) if "poetry" in text)
    assert f"::error file=agents/two/agent.yaml,line={line},col=" in failing["two"].output
    assert "title=test%3Atwo::serves its page: GET /: expected a body matching" in failing["two"].output
    assert '<failure message="GET /: expected' in failing["two"].reports[".aac/agents/two/test/junit.xml"]

    refused = service.pipeline(broken(origin, WRONG_SPEC), first)
    assert list(refused) == ["plan"]
    assert refused["plan"].exit_code == 3
    assert re.search(r"^::error file=agents/two/agent.yaml,line=\d+,col=\d+,title=spec.model", refused["plan"].output, re.M)


def test_gitlab_gets_what_is_wrong_as_code_quality(origin: Project, programs: Path, tmp_path: Path) -> None:
    service = GitLab(origin, programs, tmp_path / "jobs")
    first = commit(origin)
    failing = service.pipeline(broken(origin, WRONG_TEST), first)["agent two"]
    assert failing.exit_code == 1
    (issue,) = json.loads(failing.reports["gl-code-quality-report.json"])
    assert issue["location"]["path"] == "agents/two/agent.yaml"
    line = origin.read("agents/two/agent.yaml").splitlines()[issue["location"]["lines"]["begin"] - 1]
    assert "poetry" in line
    refused = service.pipeline(broken(origin, WRONG_SPEC), first)
    assert list(refused) == ["plan"]
    issues = json.loads(refused["plan"].reports["gl-code-quality-report.json"])
    assert {issue["location"]["path"] for issue in issues} == {"agents/two/agent.yaml"}


def test_the_committed_file_is_compared_with_what_would_be_written(origin: Project) -> None:
    file = origin.folder / ".github/workflows/agents.yml"
    origin.agent("ci", "github", "--allow-host", "--check").ok()
    said = origin.agent("ci", "github", "--check").exits(1)
    assert '-  AAC_ALLOW_HOST: "1"' in said.stdout
    file.write_text("on: push\n")
    refused = origin.agent("ci", "github").exits(3)
    assert "was not written by `agent ci`; --force overwrites it" in refused.stderr
    assert file.read_text() == "on: push\n"
    origin.agent("ci", "github", "--force").ok()
    assert json.loads(origin.agent("ci", "github", "--check", "--json").ok().stdout)["same"] is True
    assert origin.agent("ci", "github").ok().stdout == "unchanged: .github/workflows/agents.yml\n"
    assert origin.agent("ci", "github", "--stdout").ok().stdout == file.read_text()
    assert "did you mean 'gitlab'?" in origin.agent("ci", "gitlub").exits(3).stderr
