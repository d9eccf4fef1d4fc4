"""A team with one workspace of small agents and a shared cache: everybody has a clone, a home and a cache of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from real.kill_yard import SERVER, Yard, make_base

from aac_tasks.testing import Project, Ran, clean_environment, need

AGENT = SERVER + """\
      entrypoint: [/bin/sh, -c, 'exec httpd -f -p "127.0.0.1:${{PORT:-{port}}}" -h www']
      tests: [{{name: serves its page, type: http, request: {{path: /}}, expect: {{status: 200, body: {name}}}}}]
      image: {{registry: oci:dist}}
    """


@dataclass(frozen=True)
class Key:
    """A pair of keys as openssl made it."""

    file: Path
    public: str


def make_key(folder: Path, name: str) -> Key:
    """A new one; its private half is in ``file``."""
    need(shutil.which("openssl"), "openssl is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pem"
    subprocess.run(("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(file)), check=True, capture_output=True)
    text = subprocess.run(("openssl", "pkey", "-in", str(file), "-pubout"), check=True, capture_output=True, text=True).stdout
    return Key(file, text.splitlines()[1])


@dataclass(frozen=True)
class Member:
    """One machine of the team: a clone of the workspace."""

    project: Project

    def doit(self, *words: str, **env: str) -> Ran:
        """Plain ``doit``."""
        return self.project.doit(*words, env=env)

    def outcomes(self, *words: str, **env: str) -> dict[str, str]:
        """``agent test --json``: step → done, cached or fresh; it must succeed."""
        return outcomes(self.project.agent(*(words or ("test",)), "--json", env=env).ok())

    def blobs(self) -> list[str]:
        """Digests of the blobs that are in this user's store, but for the empty one."""
        empty = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        found = Path(self.project.env["XDG_CACHE_HOME"], "aac/blobs/sha256").glob("??/*")
        return sorted(path.name for path in found if path.name != empty)


def outcomes(ran: Ran) -> dict[str, str]:
    """Step → how it ended, out of the JSON document of a run."""
    return {step["step"]: step["status"] for step in json.loads(ran.stdout)["steps"]}


@dataclass(frozen=True)
class Team:
    """``top`` is the test's folder; the workspace is committed in ``source``, locks included."""

    top: Path
    names: tuple[str, ...]

    @property
    def source(self) -> Project:
        """What is cloned."""
        return Project(self.top / "team/project", clean_environment(self.top / "team/home", self.top / "team/cache"))

    def settings(self, **cache: object) -> None:
        """``[tool.aac.cache]``."""
        lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in cache.items())
        self.source.write({"pyproject.toml": f'[tool.aac]\nrunner = "host"\nallow-host = true\n[tool.aac.cache]\n{lines}'})

    def member(self, name: str, env: Mapping[str, str] | None = None) -> Member:
        """A fresh clone on a machine that has nothing."""
        top = self.top / name
        for folder in ("home", "cache"):
            (top / folder).mkdir(parents=True)
        shutil.copytree(self.source.folder, top / "project", ignore=shutil.ignore_patterns(".aac", "dist"))
        return Member(Project(top / "project", {**clean_environment(top / "home", top / "cache"), **(env or {})}))


def make_team(top: Path, names: tuple[str, ...]) -> Team:
    """Write the workspace and lock it."""
    team = Team(top, names)
    for folder in ("project", "home", "cache"):
        (top / "team" / folder).mkdir(parents=True)
    make_base(Yard(top / "team", "team"))
    for name in names:
        files = {"agent.yaml": AGENT.format(name=name, port=8080), "www/index.html": f"I am {name}\n"}
        team.source.sub(f"agents/{name}").write(files)
    team.source.write({"dodo.py": "from aac_tasks.dodo import *\n"})
    team.settings()
    team.source.agent("lock").ok()
    return team
