"""Wait until an instance is well, and say why when it never is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.roles import Instance, Runner
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.redaction import redact_keys

TAIL = 20
"""Lines of the agent's log that an error shows."""

FIRST, SLOWEST, SHARE = 0.02, 1.0, 0.1
"""Seconds between two questions while it starts: a tenth of its age, so that what is lost by asking late is a twentieth."""

AT_LEAST = 10.0
"""Seconds that an agent gets to start however impatient its health check is; ``timeout`` still bounds them."""

LONGEST = 5.0
"""Seconds for one answer while it starts, however long the health check would wait later."""

HANGS_UP = 0.2
"""Seconds within which an engine's proxy hangs up on who asks for a port that nobody listens on."""

QUIET = 1.0
"""Seconds that an agent without a port must stay alive to count as well."""


@dataclass(frozen=True)
class Watch:
    """An instance that was just started. ``timeout`` in seconds; ``secrets`` are never shown, nor the first ``told`` bytes of
    its log, which are older. ``service`` is where agent.yaml asks for it, where it is no agent.
    """

    runner: Runner
    instance: Instance
    probe: HealthProbe | None
    log: Path
    secrets: tuple[str, ...] = ()
    timeout: float = 60.0
    told: int = 0
    service: str = ""


def wait_until_well(watch: Watch, tools: Tools) -> float:
    """How many seconds it took.

    Raises:
        StepError: it ended, or was not well in time; with the last lines of its log and a hint.
    """
    begun = tools.now()
    limit = patience(watch)
    while True:
        answer = _ask(watch, tools.now() - begun, tools)
        # Asked second: an answer may be somebody else's, who has the port that our agent could not get.
        status = watch.runner.status(watch.instance, tools)
        if status.state != "running":
            code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
            raise _failed(watch, f"{watch.instance.name} ended{code} before it was well", _hint_ended(watch))
        if not answer:
            return tools.now() - begun
        if tools.now() - begun > limit:
            what = f"{watch.instance.name} was not well within {limit:g} s: {answer}"
            raise _failed(watch, what, _hint(watch, answer))
        tools.sleep(min(max(FIRST, SHARE * (tools.now() - begun)), SLOWEST))


def patience(watch: Watch) -> float:
    """Start period plus all retries, as an engine would wait; at least ten seconds, at most ``timeout``."""
    probe = watch.probe
    if probe is None:
        return watch.timeout
    return min(watch.timeout, max(AT_LEAST, probe.start_period + probe.retries * probe.interval))


def tail_of(log: Path, secrets: tuple[str, ...], lines: int = TAIL, told: int = 0) -> str:
    """The last lines of a log, without secrets and without what looks like one; nothing of the first ``told`` bytes."""
    try:
        text = log.read_bytes()[told:].decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(redact_keys(text, secrets).strip().splitlines()[-lines:])


def _ask(watch: Watch, age: float, tools: Tools) -> str:
    """Empty when it is well, else what stands against it."""
    probe, instance = watch.probe, watch.instance
    if probe is not None and probe.type == "http":
        return _ask_http(probe, instance, tools)
    if probe is not None and probe.type == "command":
        return _ask_command(probe, watch, tools)
    inside, outside = _tcp_port(probe, instance)
    if not outside:
        return "" if age >= QUIET else "it has just started"
    # An engine's proxy accepts whether anybody listens behind it or not: inside one can tell, else by its hanging up at once.
    proxied = inside != outside and not instance.handle.get("moved")
    command = probe.command if probe is not None else ()
    if not tools.connects(instance.address, outside, 1.0, stays=HANGS_UP if proxied and not command else 0.0):
        return f"port {inside if watch.service else outside} does not accept connections"
    return _ask_command(probe, watch, tools) if probe is not None and command and proxied else ""


def _tcp_port(probe: HealthProbe | None, instance: Instance) -> tuple[int, int]:
    """The port to try, inside and outside: the probe's, else the first that is published; zeros when there is none."""
    if probe is not None and probe.port:
        return probe.port, instance.ports.get(f"{probe.port}/tcp", probe.port)
    published = ((int(name[:-4]), port) for name, port in instance.ports.items() if name.endswith("/tcp"))
    return next(published, (0, 0))


def _ask_http(probe: HealthProbe, instance: Instance, tools: Tools) -> str:
    port = instance.ports.get(f"{probe.port}/tcp", probe.port)
    if not tools.connects(instance.address, port, 1.0):
        return f"port {port} does not accept connections"
    url = f"http://{instance.address}:{port}{probe.path}"
    try:
        with tools.http(HttpRequest("GET", url, timeout=min(probe.timeout, LONGEST), redirects=0, retries=0)) as response:
            return "" if 200 <= response.status < 400 else f"GET {probe.path} answers {response.status}"
    except StepError as error:
        return f"GET {probe.path}: {error.message}"


def _ask_command(probe: HealthProbe, watch: Watch, tools: Tools) -> str:
    try:
        code, said = watch.runner.execute(watch.instance, probe.command, tools, timeout=min(probe.timeout, LONGEST))
    except StepError as error:
        return error.message
    last = redact_keys(said, watch.secrets).strip().splitlines()[-1:]
    return "" if code == 0 else f"{probe.command[0]} exits {code}: {''.join(last)}"


def _hint_service(watch: Watch, answer: str) -> str:
    if "does not accept" not in answer:
        return f"compare {watch.service}.healthCheck with what it answers, or give it a longer startPeriod"
    if watch.instance.handle.get("moved"):
        return f"its port is taken here, and it may not look at PORT, which told it another: {_FREE}"
    return f"does it listen on another port, or need longer? say so with `port` or `healthCheck` of {watch.service}"


def _failed(watch: Watch, message: str, hint: str) -> StepError:
    tail = tail_of(watch.log, watch.secrets, told=watch.told)
    return StepError(message, tail=tail or "(it wrote nothing)", hint=f"{hint}; log: {watch.log}")


def _hint_ended(watch: Watch) -> str:
    if not watch.service:
        return "its log says why; `agent run` starts it in the same way"
    if watch.instance.handle.get("moved"):
        return f"its port is taken here, and it may not look at PORT, which told it another: {_FREE}"
    return f"its log says why; what it needs goes into `environment`, `command` and `user` of {watch.service}"


_FREE = "free that port, or test with docker or podman (--runner docker)"


def _hint(watch: Watch, answer: str) -> str:
    instance = watch.instance
    # else it is reached, and ports are not the matter; an engine's proxy accepts for an agent that does not, and breaks off
    deaf = "does not accept" in answer or "broke before an answer" in answer or bool(watch.probe and watch.probe.type == "tcp")
    if watch.service:
        return _hint_service(watch, answer)
    if deaf and instance.handle.get("moved"):
        return "it was told by PORT to listen on another port than its own, which was taken; does it look at PORT?"
    if deaf and any(name.partition("/")[0] != str(port) for name, port in instance.ports.items()):
        return "does it listen on 0.0.0.0? inside a container 127.0.0.1 is reached by nobody else"
    if watch.probe is None or watch.probe.type == "tcp":
        return "does it listen on the port that agent.yaml names?"
    return "compare spec.healthCheck with what the agent answers, or give it a longer startPeriod"
