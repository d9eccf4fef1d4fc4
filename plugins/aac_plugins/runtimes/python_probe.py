"""Health probes that need nothing but the image's Python: the image has neither shell nor curl."""

from __future__ import annotations

from dataclasses import replace

from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.quantities import seconds
from aac_tasks.contracts.spec import AgentSpec

HTTP = (
    "import http.client, sys; port, path, seconds = sys.argv[1:]; "
    "c = http.client.HTTPConnection('127.0.0.1', int(port), timeout=float(seconds)); "
    "c.request('GET', path); sys.exit(not 200 <= c.getresponse().status < 400)"
)
TCP = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), float(sys.argv[2]))"


def probe_of(spec: AgentSpec, interpreter: str) -> HealthProbe | None:
    """``healthCheck`` as written, else TCP on the first port, else none; ``command`` is what runs inside the image.

    Defaults are those of Docker's HEALTHCHECK: every 30 s, 30 s to answer, 3 tries. A curl that only asks a URL was
    read as an http check already, when agent.yaml was.
    """
    first = spec.ports[0].container if spec.ports else 0
    check = spec.health_check
    if check is None:
        return with_command(HealthProbe("tcp", port=first), interpreter) if first else None
    probe = HealthProbe(
        type=check.type,
        path=check.path or "/",
        port=check.port or first,
        command=check.command,
        interval=_seconds(check.interval, 30.0),
        timeout=_seconds(check.timeout, 30.0),
        retries=check.retries if check.retries is not None else 3,
        start_period=_seconds(check.start_period, 0.0),
    )
    return with_command(probe, interpreter)


def with_command(probe: HealthProbe, interpreter: str) -> HealthProbe:
    """The same probe; its command asks it from inside. Isolated mode: no file of the agent can stand in the way."""
    seconds = f"{probe.timeout:g}"
    if probe.type == "http":
        return replace(probe, command=(interpreter, "-I", "-c", HTTP, str(probe.port), probe.path, seconds))
    if probe.type == "tcp":
        return replace(probe, command=(interpreter, "-I", "-c", TCP, str(probe.port), seconds))
    return probe


def _seconds(text: str, default: float) -> float:
    return seconds(text) if text else default
