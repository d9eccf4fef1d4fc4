"""The probe's program, run by a real Node.js against a real server."""

from __future__ import annotations

import http.server
import subprocess
import threading
from pathlib import Path

import pytest
from node_workbench import node

from aac_plugins.runtimes.nodejs import with_command
from aac_tasks.contracts.image import HealthProbe

pytestmark = pytest.mark.real


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response({"/well": 200, "/moved": 302}.get(self.path, 500))
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.parametrize(("path", "code"), [("/well", 0), ("/moved", 0), ("/ill", 1), ("/'+process.exit(0)+'", 1)])
def test_the_probe_inside_the_image_answers_by_its_exit_code(path: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"type": "module"}')  # of the agent; the probe's program is none
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        port = server.server_address[1]
        asked = with_command(HealthProbe("http", path, port, timeout=5.0), node())
        assert subprocess.run(asked.command, cwd=tmp_path, capture_output=True).returncode == code
        listening = with_command(HealthProbe("tcp", port=port, timeout=5.0), node())
        assert subprocess.run(listening.command, cwd=tmp_path, capture_output=True).returncode == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert subprocess.run(listening.command, cwd=tmp_path, capture_output=True).returncode == 1


def test_a_server_that_is_silent_is_not_waited_for() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = with_command(HealthProbe("http", "/", silent.getsockname()[1], timeout=0.2), node())
        assert subprocess.run(asked.command, capture_output=True, timeout=5).returncode == 1
