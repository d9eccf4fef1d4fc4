"""Is an instance well? Asked quickly while it starts, and never longer than allowed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.roles import Instance, Runner
from aac_tasks.contracts.tools import HttpRequest, Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.redaction import redact_keys

ALIVE_LONG_ENOUGH = 1.0
"""Seconds after which an instance without any probe counts as started."""

LINES = 20


@dataclass(frozen=True)
class Watch:
    """One instance to look after. ``timeout`` in seconds; ``secrets`` are values that its log must not show."""

    runner: Runner
    instance: Instance
    probe: HealthProbe | None
    log: Path
    timeout: float = 60.0
    secrets: tuple[str, ...] = ()

    def tail(self) -> str:
        """The last lines it wrote, redacted."""
        try:
            text = self.log.read_bytes()[-16384:].decode("utf-8", "replace")
        except OSError:
            return ""
        return redact_keys("\n".join(text.splitlines()[-LINES:]), self.secrets)


def wait_until_well(watch: Watch, tools: Tools) -> float:
    """Seconds until the instance answered its probe.

    Raises:
        StepError: it ended, or did not become well in time; with the last lines of its log.
    """
    started = tools.now()
    if watch.probe is None:
        tools.wait_until(lambda: not _runs(watch, tools), timeout=ALIVE_LONG_ENOUGH, every=0.02)
        _refuse_ended(watch, tools)
        return tools.now() - started
    limit = max(watch.timeout, watch.probe.start_period + watch.probe.interval)
    while not is_well(watch, tools):
        _refuse_ended(watch, tools)
        if tools.now() - started > limit:
            raise StepError(
                f"{watch.instance.name} did not become healthy within {limit:.0f} s ({describe(watch.probe)})",
                tail=watch.tail(),
                hint="check that it listens on that port and path, or raise healthCheck.startPeriod",
            )
        tools.sleep(0.02)
    _refuse_ended(watch, tools)
    return tools.now() - started


def is_well(watch: Watch, tools: Tools) -> bool:
    """One answer of the probe; without a probe: whether it runs."""
    probe = watch.probe
    if probe is None:
        return _runs(watch, tools)
    if probe.type == "command" or (probe.type not in ("http", "tcp") and probe.command):
        code, _ = watch.runner.execute(watch.instance, probe.command, tools, timeout=probe.timeout)
        return code == 0
    port = watch.instance.ports.get(f"{probe.port}/tcp", probe.port)
    address = watch.instance.address
    if not tools.connects(address, port, timeout=min(probe.timeout, 1.0)):
        return False
    return probe.type == "tcp" or _answers(f"http://{address}:{port}{probe.path}", probe, tools)


def describe(probe: HealthProbe) -> str:
    """What was asked, for messages."""
    if probe.type == "http":
        return f"GET :{probe.port}{probe.path}"
    return f"tcp :{probe.port}" if probe.type == "tcp" else f"command {' '.join(probe.command)}"


def _answers(url: str, probe: HealthProbe, tools: Tools) -> bool:
    request = HttpRequest("GET", url, timeout=min(probe.timeout, 5.0), redirects=0, retries=0)
    try:
        with tools.http(request) as response:
            return 200 <= response.status < 400
    except StepError:
        tools.sleep(0.0)  # a cancelled run ends here, a silent agent is asked again
        return False


def _runs(watch: Watch, tools: Tools) -> bool:
    return watch.runner.status(watch.instance, tools).state == "running"


def _refuse_ended(watch: Watch, tools: Tools) -> None:
    status = watch.runner.status(watch.instance, tools)
    if status.state == "running":
        return
    code = "" if status.exit_code is None else f" with exit code {status.exit_code}"
    raise StepError(
        f"{watch.instance.name} ended{code} before it was healthy",
        tail=watch.tail(),
        hint="its last lines are above; `agent run` shows it in the foreground",
    )
