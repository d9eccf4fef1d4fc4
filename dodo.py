"""This repository is its own first user: plain `doit` builds, tests, pushes and runs examples/hello, then asks it.

Steps of all examples: `doit list --all`. Chores: `doit lint types tests docs bench wheel`.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aac_tasks.dodo import *  # noqa: F403
from aac_tasks.dodo import DOIT_CONFIG  # once more by name, for those who read it

DOIT_CONFIG["default_tasks"] = ["hello"]

PYTHON = Path(sys.executable)
QUESTION = {"message": "good morning"}


def show() -> None:
    """Where hello is, what it is made of, what made and runs it, and what it answers."""
    from aac_tasks import Options, Session  # lazy: `doit list` and the chores do not need it

    session = Session(Options(Path.cwd()), lambda event: None)
    image, deployed = (session.outputs("hello", step) or {} for step in ("image", "deploy"))
    lock = json.loads(Path("examples/hello/agent.lock").read_text("utf-8"))
    runner = session.hands.runner_choice
    session.close()
    url = str(deployed["url"])
    print(f"\nhello     {url}")
    print(f"digest    {image['digest']}")
    for layer in image["layers"]:
        print(f"layer     {layer['name']:<14}{layer['size'] / 1000:>10,.1f} kB")
    print(f"builder   {lock['builder']}: {lock.get('reason') or 'as agent.lock says'}")
    print(f"runner    {runner.name} ({runner.isolation} isolation): {runner.reason}")
    print(f"you       POST /chat {json.dumps(QUESTION)}")
    print(f"hello     {_ask(url)}")
    print("\n`doit clean deploy:hello` stops it.")


def _ask(url: str) -> str:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/chat", json.dumps(QUESTION).encode(), headers)  # noqa: S310  # our own address
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return str(answer.read().decode())


def task_hello() -> dict[str, Any]:
    """build, test, push and deploy examples/hello, then ask it something"""
    return {"actions": [show], "task_dep": ["push:hello", "deploy:hello"]}


def _chore(name: str, doc: str, *commands: str) -> dict[str, Any]:
    return {"basename": name, "doc": doc, "actions": list(commands)}


def task_chores() -> Iterator[dict[str, Any]]:
    """What a person would call by hand; needs `pip install -e '.[dev]'`."""
    imports = PYTHON.with_name("lint-imports")
    yield _chore("lint", "ruff, and who may import whom", f"{PYTHON} -m ruff check .", f"{imports} --no-cache")
    yield _chore("types", "mypy --strict", f"{PYTHON} -m mypy")
    yield _chore("tests", "the whole suite", f"{PYTHON} -m pytest")
    yield _chore(
        "docs",
        "write the generated page of commands anew, then run every block of every page",
        f"{PYTHON} -m aac_tasks.cli.reference > docs/reference/commands.md",
        f"{PYTHON} -m pytest tests/docs",
    )
    yield _chore("bench", "times and memory, side by side with others", f"{PYTHON} -m benchmarks")
    yield _chore("wheel", "what would be published, in dist/", f"{PYTHON} -m build --wheel")
