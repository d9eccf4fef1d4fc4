"""The templates of `agent init`: one agent in several languages, which behaves alike in all of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from aac_plugins.runtimes.nodejs import NodeRuntime
from aac_plugins.runtimes.python import PythonRuntime
from aac_plugins.templates import nodejs, python
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.roles import Runtime
from aac_tasks.contracts.template import Template
from aac_tasks.spec.reading import read_spec
from aac_tasks.testing import need

EXAMPLES = Path(__file__).parents[3] / "examples"


@dataclass(frozen=True)
class Language:
    """A template with its runtime and the example in the same language; ``argv`` starts the agent on this machine."""

    template: Template
    runtime: Runtime
    example: str
    started: tuple[str, ...]
    argv: tuple[str, ...]


HOST_PYTHON = (sys.executable, "-B", "main.py")
PYTHON = Language(python.aac_register_templates()[0], PythonRuntime(), "hello", ("python3", "main.py"), HOST_PYTHON)
NODEJS = Language(nodejs.aac_register_templates()[0], NodeRuntime(), "node", ("node", "index.js"), ("node", "index.js"))


@pytest.fixture(params=[PYTHON, NODEJS], ids=lambda language: language.template.name)
def language(request: pytest.FixtureRequest) -> Language:
    found: Language = request.param
    need(shutil.which(found.argv[0]) is not None, f"{found.argv[0]} is not installed")
    return found


def made(language: Language, folder: Path) -> Path:
    template = language.template
    for path, text in template.files.items():
        (folder / path).write_text(text.replace("{name}", "greeter"))
    return folder


@contextmanager
def running(language: Language, folder: Path, **environment: str) -> Iterator[str]:
    env = {"PATH": os.environ["PATH"], "PORT": "0", "PYTHONUNBUFFERED": "1", **environment}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    agent = subprocess.Popen(language.argv, cwd=made(language, folder), env=env, text=True, **output)
    try:
        assert agent.stdout is not None
        line = agent.stdout.readline()
        assert line.startswith("listening on port "), line
        yield f"http://127.0.0.1:{line.split()[-1]}"
    finally:
        agent.terminate()
        assert agent.wait(10) == 0
        if agent.stdout:
            agent.stdout.close()


def ask(url: str, body: bytes | None = None) -> tuple[int, Mapping[str, Any]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body), timeout=10) as answer:  # noqa: S310  # our own address
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


@pytest.mark.parametrize("folder", ["template", "example"])
def test_the_manifest_is_valid_and_says_nothing_odd(language: Language, folder: str, tmp_path: Path) -> None:
    place = made(language, tmp_path) if folder == "template" else EXAMPLES / language.example
    read = read_spec((place / "agent.yaml").read_bytes(), file="agent.yaml")
    assert read.warnings == ()
    texts = {p.name: p.read_text() for p in place.iterdir() if p.suffix in (".txt", ".json")}
    answer = language.runtime.plan(read.spec, Facts(place, texts, frozenset(p.name for p in place.iterdir())))
    assert answer.problems == ()
    assert answer.entrypoint == language.started


def test_the_agents_name_is_put_in(language: Language, tmp_path: Path) -> None:
    for path in made(language, tmp_path).iterdir():
        assert "{name}" not in path.read_text(), path.name
    assert "name: greeter" in (tmp_path / "agent.yaml").read_text()


def test_the_agent_answers_and_says_that_it_has_no_model(language: Language, tmp_path: Path) -> None:
    with running(language, tmp_path, AGENT_NAME="greeter") as address:
        assert ask(f"{address}/health") == (200, {"status": "ok"})
        assert ask(f"{address}/") == (200, {"agent": "greeter", "model": None})
        status, answer = ask(f"{address}/chat", b'{"message": "hello"}')
        assert status == 503
        assert "OPENAI_API_KEY" in answer["error"]
        assert ask(f"{address}/nowhere")[0] == 404


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"not json", b'{"message": 1}', b'{"message": " "}', b"\xff"])
def test_what_is_no_question_is_refused(language: Language, tmp_path: Path, body: bytes) -> None:
    with running(language, tmp_path) as address:
        assert ask(f"{address}/chat", body)[0] == 400


class _Model(BaseHTTPRequestHandler):
    """Answers as OpenAI's chat completions do, with what it was asked."""

    asked: list[tuple[str, str, dict[str, Any]]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers.get("Authorization", ""), body))
        answer = json.dumps({"choices": [{"message": {"content": body["messages"][0]["content"].upper()}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def model_server() -> Iterator[tuple[str, list[tuple[str, str, dict[str, Any]]]]]:
    asked: list[tuple[str, str, dict[str, Any]]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Model", (_Model,), {"asked": asked}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_agent_asks_the_model_of_its_config(language: Language, tmp_path: Path) -> None:
    config = {"models": [{"provider": "openai", "name": "tiny", "config": {"temperature": 0.2, "api_key": "${X}"}}]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with model_server() as (base_url, asked):
        settings = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "k", "AGENT_CONFIG": str(tmp_path / "config.json")}
        with running(language, tmp_path, **settings) as address:
            assert ask(f"{address}/chat", b'{"message": "hello"}') == (200, {"answer": "HELLO"})
    expected = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.2}
    assert asked == [("/v1/chat/completions", "Bearer k", expected)]


def test_a_model_that_is_away_is_said_within_the_answer(language: Language, tmp_path: Path) -> None:
    with running(language, tmp_path, OPENAI_BASE_URL="http://127.0.0.1:9/v1") as address:
        before = time.monotonic()
        status, answer = ask(f"{address}/chat", b'{"message": "hello"}')
    assert status == 503
    assert "did not answer" in answer["error"]
    assert time.monotonic() - before < 10
