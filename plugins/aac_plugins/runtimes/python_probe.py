"""Health probes that need nothing but the image's Python: the image has neither shell nor curl."""

from __future__ import annotations

from dataclasses import replace

from aac_tasks.contracts.image import HealthProbe

HTTP = (
    "import http.client, sys; port, path, seconds = sys.argv[1:]; "
    "c = http.client.HTTPConnection('127.0.0.1', int(port), timeout=float(seconds)); "
    "c.request('GET', path); sys.exit(not 200 <= c.getresponse().status < 400)"
)
TCP = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1])), float(sys.argv[2]))"


def with_command(probe: HealthProbe, interpreter: str) -> HealthProbe:
    """The same probe; its command asks it from inside. Isolated mode: no file of the agent can stand in the way."""
    seconds = f"{probe.timeout:g}"
    if probe.type == "http":
        return replace(probe, command=(interpreter, "-I", "-c", HTTP, str(probe.port), probe.path, seconds))
    if probe.type == "tcp":
        return replace(probe, command=(interpreter, "-I", "-c", TCP, str(probe.port), seconds))
    return probe

