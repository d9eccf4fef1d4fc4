"""What tests of runners, checks and deploys need: the real tools of a step, and small real images."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.actions import InstanceSpec, PortMapping
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.roles import Instance, Runner, RunRequest
from aac_tasks.steps.tools import StepTools
from aac_tasks.testing import need

APPLETS = (
    "sh",
    "cat",
    "echo",
    "env",
    "false",
    "httpd",
    "id",
    "ls",
    "mkdir",
    "sleep",
    "touch",
    "true",
    "wget",
    "rm",
    "tr",
)
SERVE = ("/bin/sh", "-c", 'exec httpd -f -p "127.0.0.1:${PORT:-8080}" -h "$WWW"')
MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "amd64")


@dataclass
class Stage:
    """Tools in a folder of their own. ``notes`` collects what was said."""

    folder: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    started: list[tuple[Runner, Instance]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lent = lend(self.folder, self.environment)
        self.tools, self.shop, self.blobs = self.lent.tools, self.lent.shop, self.lent.blobs
        self.notes, self.cancelled = self.lent.notes, self.lent.cancelled

    def tools_of(self, agent: str) -> StepTools:
        """The tools of one agent's step."""
        return self.lent.of(agent)

    def image(self, config: ImageConfig, files: Mapping[str, bytes] = {}) -> StoredImage:
        """Busybox, a web page, and ``files``; ``config`` says how it runs."""
        with self.blobs.scratch() as scratch:
            base = write_layer(busybox(), self.blobs, scratch, name="base", created=0)
            mine = [Entry(path, "file", 0o755, data=data) for path, data in files.items()]
            app = write_layer(mine, self.blobs, scratch, name="application", created=0)
        platform = Platform("linux", MACHINE)
        return write_image((base, app), config, self.blobs, platform=platform, about=About())

    def request(self, config: ImageConfig, instance: InstanceSpec, **more: object) -> RunRequest:
        """A request to run the busybox image; ``more`` are fields of `RunRequest`."""
        files = more.pop("files", {})
        state = self.folder / "instances" / instance.name
        state.mkdir(parents=True, exist_ok=True)
        request = RunRequest(
            image=self.image(config, files),  # type: ignore[arg-type]
            config=config,
            instance=instance,
            env={},
            state=state,
            log=self.folder / f"{instance.name}.log",
        )
        return replace(request, **more)  # type: ignore[arg-type]

    def said_by(self, request: RunRequest) -> str:
        """What the agent wrote until now."""
        return request.log.read_text() if request.log.exists() else ""

    def start(self, runner: Runner, request: RunRequest) -> Instance:
        """Start it; `finish` stops it if the test did not get that far."""
        instance = runner.start(request, self.tools)
        self.started.append((runner, instance))
        return instance

    def finish(self) -> None:
        """Leave nothing running."""
        self.cancelled.clear()
        for runner, instance in self.started:
            runner.stop(instance, self.tools, grace=0.1)
        self.shop.processes.kill_children(grace=0.5)

    def answers(self, instance: Instance, port: str = "8080/tcp") -> bool:
        """Whether it listens within five seconds."""
        number = instance.ports[port]
        return self.tools.wait_until(lambda: self.tools.connects("127.0.0.1", number), timeout=5.0)

    def ended(self, runner: Runner, instance: Instance) -> bool:
        """Whether it ends within five seconds."""
        return self.tools.wait_until(lambda: runner.status(instance, self.tools).state != "running", timeout=5.0)


def busybox() -> list[Entry]:
    """A root of one static program and its names."""
    found = shutil.which("busybox")
    need(
        found and b"/ld-linux" not in Path(found).read_bytes()[:4096],
        "no static busybox (apt: busybox-static)",
    )
    assert found is not None
    program = Path(found)
    return [
        Entry("bin/busybox", "file", 0o755, data=program, size=program.stat().st_size),
        *(Entry(f"bin/{name}", "symlink", 0o777, target="busybox") for name in APPLETS),
        Entry("etc/passwd", "file", data=b"root:x:0:0::/:/bin/sh\nagent:x:10001:10001::/home/agent:/bin/sh\n"),
        Entry("www/index.html", "file", data=b"well\n"),
        Entry("www/cgi-bin/env", "file", 0o755, data=CGI),
        Entry("app", "dir", 0o755),
        Entry("data", "dir", 0o777, uid=10001, gid=10001),
        Entry("tmp", "dir", 0o1777),
    ]


CGI = b"""#!/bin/sh
echo "Content-Type: application/json"
echo
echo "{\\"port\\": \\"${SERVER_PORT:-}\\", \\"secret\\": \\"$TOKEN\\", \\"list\\": [1, {\\"a\\": true}]}"
"""

WEB = ImageConfig(
    entrypoint=SERVE,
    user="10001:10001",
    working_dir="/app",
    env=("PATH=/bin", "FROM_IMAGE=yes", "WWW=/www"),
    exposed_ports=("8080/tcp",),
)


def shell(script: str, **more: object) -> ImageConfig:
    """An image that runs a script."""
    return replace(WEB, entrypoint=("/bin/sh", "-c", script), **more)  # type: ignore[arg-type]


def web(name: str = "agent", host: int = 0) -> InstanceSpec:
    """An instance with one port."""
    return InstanceSpec(name, ports=(PortMapping(8080, host),))


def left_behind(stage: Stage) -> list[str]:
    """Processes and mounts that know the stage's folder."""
    mounts = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(stage.folder) in line]
    others = [p for p in Path("/proc").iterdir() if p.name.isdigit() and int(p.name) != os.getpid()]
    return [*mounts, *filter(None, (words_of(p, stage) for p in others))]


def words_of(process: Path, stage: Stage) -> str:
    """The command line of a process that belongs to the stage, "" of any other."""
    try:
        words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        inside = str(process.joinpath("root").readlink()).startswith(str(stage.folder))
    except OSError:
        return ""
    return words if inside or f"{stage.folder}/instances" in words else ""
