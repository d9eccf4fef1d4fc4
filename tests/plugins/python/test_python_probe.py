"""The probe's program, run by a real interpreter against a real server."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading

import pytest

from aac_plugins.runtimes import python_probe
from aac_tasks.contracts.image import HealthProbe


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/well": 200, "/moved": 302}.get(self.path, 500))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("path", "code"), [("/well", 0), ("/moved", 0), ("/ill", 1), ("/'; exit(0) #", 1)])
def test_the_probe_inside_the_image_answers_by_its_exit_code(path: str, code: int) -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        port = server.server_address[1]
        asked = python_probe.with_command(HealthProbe("http", path, port, timeout=5.0), sys.executable)
        env = {"http_proxy": "http://127.0.0.1:1"}
        assert subprocess.run(asked.command, env=env, capture_output=True).returncode == code
        listening = python_probe.with_command(HealthProbe("tcp", port=port, timeout=5.0), sys.executable)
        assert subprocess.run(listening.command, capture_output=True).returncode == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert subprocess.run(listening.command, capture_output=True).returncode == 1
