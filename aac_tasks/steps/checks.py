"""The checks of the test step: structure (read from the image), http and command (asked of the running instance).

Each check is a generator of failures; a message says what was expected and what was found.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from aac_tasks.contracts.actions import Check
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.quantities import seconds
from aac_tasks.contracts.roles import Instance, Runner
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.structure import check_structure

TIMEOUT = 30.0
SHOWN = 300
"""How much of an answer a message quotes."""


@dataclass(frozen=True)
class Subject:
    """What is checked: the image, and the instance that runs it."""

    image: StoredImage
    config: ImageConfig
    runner: Runner
    instance: Instance
    tools: Tools


def run_check(check: Check, subject: Subject) -> tuple[str, ...] | None:
    """Every failure of one check, () when it passed, None for a type that nothing here can run."""
    run = CHECKS.get(check.type)
    if run is None:
        return None
    try:
        return tuple(run(check.settings, subject))
    except StepError as error:
        return (str(error),)


def _http(settings: Mapping[str, Json], subject: Subject) -> Iterator[str]:
    request = _table(settings.get("request"))
    expect = _table(settings.get("expect"))
    port = _port(request, subject)
    headers = {str(k): str(v) for k, v in _table(request.get("headers")).items()}
    body = str(request.get("body", "")).encode() or None
    if "json" in request:
        body = json.dumps(request["json"]).encode()
        headers = {"content-type": "application/json", **headers}
    method = str(request.get("method") or ("POST" if body else "GET"))
    url = f"http://{subject.instance.address}:{port}{request.get('path') or '/'}"
    asked = HttpRequest(method, url, headers, body, timeout=_timeout(settings), redirects=0, retries=0)
    with subject.tools.http(asked) as response:
        answer = response.read(limit=16 * 1024 * 1024)
        status, answered = response.status, dict(response.headers)
    yield from _judge_answer(expect, status, answered, answer)


def _judge_answer(expect: Mapping[str, Json], status: int, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    text = body.decode("utf-8", "replace")
    wanted = expect.get("status", 200)
    if status != wanted:
        yield f"status: expected {wanted}, got {status}: {text[:SHOWN]}"
    for name, value in _table(expect.get("headers")).items():
        got = headers.get(name.lower())
        if got is None or not _matches(str(value), got):
            yield f"header {name}: expected {value!r}, got {got!r}"
    if "body" in expect and not re.search(str(expect["body"]), text):
        yield f"body: expected to match {expect['body']!r}, got {text[:SHOWN]!r}"
    if "json" in expect:
        yield from _judge_json(expect["json"], text)


def _judge_json(wanted: Json, text: str) -> Iterator[str]:
    try:
        found: Json = json.loads(text)
    except ValueError as error:
        yield f"json: the answer is not JSON ({error}): {text[:SHOWN]!r}"
        return
    yield from subset(wanted, found)


def subset(wanted: Json, found: Json, at: str = "json") -> Iterator[str]:
    """Differences of everything that ``wanted`` names; more in ``found`` is fine, except in lists."""
    if isinstance(wanted, dict):
        if not isinstance(found, dict):
            yield f"{at}: expected an object, got {_short(found)}"
            return
        for key, value in wanted.items():
            if key not in found:
                yield f"{at}.{key}: expected {_short(value)}, got nothing"
            else:
                yield from subset(value, found[key], f"{at}.{key}")
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for i, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from subset(one, other, f"{at}[{i}]")
    elif type(wanted) is not type(found) or wanted != found:
        yield f"{at}: expected {_short(wanted)}, got {_short(found)}"


def _command(settings: Mapping[str, Json], subject: Subject) -> Iterator[str]:
    command = settings.get("command")
    argv = tuple(str(a) for a in command) if isinstance(command, (list, tuple)) else tuple(str(command).split())
    expect = _table(settings.get("expect"))
    code, output = subject.runner.execute(subject.instance, argv, subject.tools, timeout=_timeout(settings))
    wanted = expect.get("exitCode", 0)
    if code != wanted:
        yield f"exit code: expected {wanted}, got {code}: {output[-SHOWN:]}"
    if "stdout" in expect and not re.search(str(expect["stdout"]), output):
        yield f"output: expected to match {expect['stdout']!r}, got {output[-SHOWN:]!r}"


def _structure(settings: Mapping[str, Json], subject: Subject) -> Iterator[str]:
    yield from check_structure(settings, subject.image, subject.config, subject.tools.blobs)


CHECKS: Mapping[str, Callable[[Mapping[str, Json], Subject], Iterator[str]]] = {
    "http": _http,
    "command": _command,
    "structure": _structure,
}
"""Check type → what runs it."""


def _port(request: Mapping[str, Json], subject: Subject) -> int:
    asked = request.get("port")
    ports = subject.instance.ports
    if isinstance(asked, int):
        return ports.get(f"{asked}/tcp", asked)
    if not ports:
        raise StepError("an http check needs a port, and spec.ports is empty", hint="list the port, or give request.port")
    return next(iter(ports.values()))


def _timeout(settings: Mapping[str, Json]) -> float:
    text = settings.get("timeout")
    return seconds(str(text)) if text else TIMEOUT


def _table(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _matches(pattern: str, text: str) -> bool:
    return pattern == text or re.fullmatch(pattern, text) is not None


def _short(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
