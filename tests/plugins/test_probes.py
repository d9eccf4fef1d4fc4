"""The program of a runtime's probe, run by a real interpreter against a real server."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from http_servers import Answer, http_server

from aac_plugins.runtimes import nodejs, python_probe
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.testing import need

Ask = Callable[[HealthProbe], int]
STATUS = {"/well": 200, "/moved": 302}


@pytest.fixture(params=[(python_probe.with_command, sys.executable), (nodejs.with_command, "node")], ids=["python", "nodejs"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """The exit code of a probe's command, in the folder of an agent whose files would like to be in the way."""
    with_command, interpreter = request.param
    need(shutil.which(interpreter) is not None, f"{interpreter} is not installed")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "http.py").write_text("raise SystemExit(3)")

    def run(probe: HealthProbe) -> int:
        command = with_command(probe, shutil.which(interpreter)).command
        return subprocess.run(command, cwd=tmp_path, env={"http_proxy": "http://127.0.0.1:1"}, capture_output=True).returncode

    return run


HOSTILE = ("/'; exit(0) #", "/'+process.exit(0)+'")


@pytest.mark.parametrize(("path", "code"), [("/well", 0), ("/moved", 0), ("/ill", 1), *((path, 1) for path in HOSTILE)])
def test_the_probe_inside_the_image_answers_by_its_exit_code(path: str, code: int, ask: Ask) -> None:
    with http_server(lambda seen: Answer(STATUS.get(seen.path, 500), headers={"Location": "http://127.0.0.1:1/"})) as server:
        port = int(server.address.rpartition(":")[2])
        assert ask(HealthProbe("http", path, port, timeout=5.0)) == code
        assert ask(HealthProbe("tcp", port=port, timeout=5.0)) == 0
    assert ask(HealthProbe("tcp", port=port, timeout=5.0)) == 1


def test_a_server_that_is_silent_is_not_waited_for(ask: Ask) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert ask(HealthProbe("http", "/", silent.getsockname()[1], timeout=0.3)) == 1
