"""The checks of step test: ask a running instance, or look at its image, and compare with what was expected."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from aac_tasks.contracts.actions import Check
from aac_tasks.contracts.canonical import Json, JsonObject, table
from aac_tasks.contracts.image import ImageConfig, StoredImage
from aac_tasks.contracts.quantities import seconds
from aac_tasks.contracts.roles import Instance, Runner
from aac_tasks.contracts.tools import HttpRequest, HttpResponse, Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.structure import check_structure

TIMEOUT = 30.0
"""Seconds that a check may take when it does not say."""

EXCERPT = 300
"""Characters of an answer that a message shows."""


@dataclass(frozen=True)
class Subject:
    """What is checked. ``instance`` None: it did not become well, so only its image can be looked at."""

    image: StoredImage
    config: ImageConfig
    runner: Runner
    instance: Instance | None


@dataclass(frozen=True)
class Outcome:
    """``problem`` is empty when the check passed: expected and got otherwise. ``seconds`` it took.

    ``skipped``: nothing here can do checks of that type.
    """

    check: Check
    problem: str = ""
    seconds: float = 0.0
    skipped: bool = False


def run_check(check: Check, subject: Subject, tools: Tools) -> Outcome:
    """Do one check; whatever is wrong is in the outcome, except that the run was cancelled."""
    begun = tools.now()
    do = CHECKS.get(check.type)
    if do is None:
        return Outcome(check, skipped=True)
    if subject.instance is None and check.type != "structure":
        return Outcome(check, "not done: the agent did not become well")
    try:
        problem = "; ".join(do(check.settings, subject, tools))
    except StepError as error:
        problem = error.message
    return Outcome(check, problem, tools.now() - begun)


def _http(settings: JsonObject, subject: Subject, tools: Tools) -> Iterator[str]:
    request, expect = table(settings.get("request")), table(settings.get("expect"))
    instance = _instance(subject)
    headers = {str(name): str(value) for name, value in table(request.get("headers")).items()}
    body = str(request["body"]).encode() if "body" in request else None
    if "json" in request:
        body = json.dumps(request["json"]).encode()
        headers.setdefault("Content-Type", "application/json")
    method, path = str(request.get("method") or ("POST" if body else "GET")), str(request.get("path") or "/")
    url = f"http://{instance.address}:{_port(request, instance)}{path}"
    asked = HttpRequest(method, url, headers, body, timeout=_timeout(settings), redirects=0, retries=0)
    with tools.http(asked) as response:
        yield from _compare(f"{method} {path}", expect, response)


def _compare(what: str, expect: JsonObject, response: HttpResponse) -> Iterator[str]:
    text = response.read().decode("utf-8", "replace")
    status = expect.get("status", 200)
    if response.status != status:
        yield f"{what}: expected status {status}, got {response.status}: {_excerpt(text)}"
    for name, value in table(expect.get("headers")).items():
        got = response.headers.get(name.lower())
        if got is None or (got != value and not re.fullmatch(str(value), got)):
            yield f"{what}: expected header {name}: {value}, got {'none' if got is None else got}"
    if "json" in expect:
        yield from _compare_json(what, expect["json"], text)
    yield from _compare_text(f"{what}: expected a body", expect.get("body"), text)


def _compare_json(what: str, expected: Json, text: str) -> Iterator[str]:
    try:
        got = json.loads(text)
    except ValueError:
        yield f"{what}: expected JSON, got {_excerpt(text)}"
        return
    for problem in differences(expected, got):
        yield f"{what}: {problem}"


def differences(expected: Json, got: Json, at: str = "$") -> Iterator[str]:
    """Where ``got`` does not hold ``expected``: objects by their keys, lists item by item and in length."""
    if isinstance(expected, Mapping):
        if not isinstance(got, Mapping):
            yield f"{at}: expected an object, got {_show(got)}"
            return
        for key, value in expected.items():
            if key in got:
                yield from differences(value, got[key], f"{at}.{key}")
            else:
                yield f"{at}.{key}: expected {_show(value)}, got nothing"
    elif isinstance(expected, Sequence) and not isinstance(expected, str):
        if not isinstance(got, Sequence) or isinstance(got, str) or len(got) != len(expected):
            yield f"{at}: expected a list of {len(expected)}, got {_show(got)}"
            return
        for i, (one, other) in enumerate(zip(expected, got, strict=True)):
            yield from differences(one, other, f"{at}[{i}]")
    elif isinstance(expected, bool) is not isinstance(got, bool) or expected != got:
        yield f"{at}: expected {_show(expected)}, got {_show(got)}"


def _command(settings: JsonObject, subject: Subject, tools: Tools) -> Iterator[str]:
    expect = table(settings.get("expect"))
    given = settings.get("command")
    argv = tuple(shlex.split(given)) if isinstance(given, str) else tuple(str(word) for word in _list(given))
    if not argv:
        yield "no command is given"
        return
    code, said = subject.runner.execute(_instance(subject), argv, tools, timeout=_timeout(settings))
    wanted = expect.get("exitCode", 0)
    if code != wanted:
        yield f"{argv[0]}: expected exit code {wanted}, got {code}: {_excerpt(said)}"
    for stream in ("stdout", "stderr"):
        yield from _compare_text(f"{argv[0]}: expected output", expect.get(stream), said)


def _structure(settings: JsonObject, subject: Subject, tools: Tools) -> Iterator[str]:
    return check_structure(settings, subject.image, subject.config, tools.blobs)


CHECKS: Mapping[str, Callable[[JsonObject, Subject, Tools], Iterator[str]]] = {
    "structure": _structure,
    "http": _http,
    "command": _command,
}
"""Type → what does it; each yields one text per mismatch."""


def _compare_text(what: str, pattern: Json, text: str) -> Iterator[str]:
    if pattern is not None and not re.search(str(pattern), text, re.MULTILINE):
        yield f"{what} matching {str(pattern)!r}, got {_excerpt(text)}"


def _instance(subject: Subject) -> Instance:
    if subject.instance is None:
        raise TypeError("this check needs a running instance")
    return subject.instance


def _port(request: JsonObject, instance: Instance) -> int:
    port = request.get("port")
    if isinstance(port, int):
        return instance.ports.get(f"{port}/tcp", port)
    published = [number for name, number in instance.ports.items() if name.endswith("/tcp")]
    if not published:
        raise StepError("the agent has no port to ask; name one in spec.ports or in the check's request.port")
    return published[0]


def _timeout(settings: JsonObject) -> float:
    return seconds(str(settings["timeout"])) if settings.get("timeout") else TIMEOUT


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _show(value: Json) -> str:
    return _excerpt(json.dumps(value, ensure_ascii=False))


def _excerpt(text: str) -> str:
    text = text.strip()
    return (text[:EXCERPT] + " …" if len(text) > EXCERPT else text) or "nothing"
