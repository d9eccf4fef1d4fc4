"""An agent of one shell script on a base of busybox: built in a second, without a network."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

from real.kill_yard import SERVER, Yard, make_base
from real_registry import free_port

from aac_tasks.testing import Project, clean_environment

AGENT = SERVER + """\
      entrypoint: [/bin/sh, /app/main.sh]
      environment: [{{name: GREETING, value: "${{GREETING}}"}}]
      deploy: {{target: process}}
    """
MAIN = """
    echo "args: $*, greeting: $GREETING"
    trap 'echo got TERM; exit 9' TERM
    trap 'echo got USR1' USR1
    case "$1" in
      ask) echo "name?"; read name; [ -t 0 ] && where=" at a terminal"; echo "hello $name$where"; exit 4 ;;
      end) exit 5 ;;
      both) for n in 1 2 3; do echo "answer $n"; echo "warning $n" >&2; done; exit 6 ;;
    esac
    httpd -f -p "127.0.0.1:${{PORT:-{port}}}" -h www &
    echo ready
    while :; do sleep 0.05; done
    """


def small_agent(top: Path, runner: str) -> tuple[Project, str, int]:
    """A user's project with it, its name (nobody else's on this machine) and its port."""
    name, port = f"small-{secrets.token_hex(3)}", free_port()
    yard = Yard(top, name)
    for folder in ("project", "home", "cache"):
        (top / folder).mkdir()
    project = replace(yard.project, env={**clean_environment(top / "home", top / "cache"), "GREETING": "hi"})
    files = {"www/index.html": "well\n", ".dockerignore": "base\n*.tar\n", "pyproject.toml": f'[tool.aac]\nrunner = "{runner}"\n'}
    project.write({"agent.yaml": AGENT.format(name=name, port=port), "main.sh": MAIN.format(port=port), **files})
    make_base(yard)
    return project, name, port
