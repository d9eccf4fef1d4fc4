"""What tests of runners, checks and deploys need: the real tools of a step, and small real images."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from aac_plugins.oci.layer import Entry
from aac_tasks.catalog import Table
from aac_tasks.conformance.stage import WEB as WEB
from aac_tasks.conformance.stage import Stage as Stage
from aac_tasks.conformance.stage import shell as shell
from aac_tasks.conformance.stage import web as web
from aac_tasks.conformance.tiny_images import MACHINE as MACHINE
from aac_tasks.conformance.tiny_images import Node, busybox_nodes
from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.image import ImageConfig, Platform
from aac_tasks.contracts.roles import Runner
from aac_tasks.steps.instances import Start, start


def busybox() -> list[Entry]:
    """A root of one static program and its names, for the writers of layers."""
    return [_entry(node) for node in busybox_nodes()]


def _entry(node: Node) -> Entry:
    if node.type == "link":
        return Entry(node.path, "symlink", node.mode, target=node.target)
    if node.type == "folder":
        return Entry(node.path, "dir", node.mode, uid=node.owner, gid=node.owner)
    return Entry(node.path, "file", node.mode, data=node.data)


def stage_of(folder: Path, cache: Path, environment: Mapping[str, str] | None = None) -> Stage:
    """One whose store is that of the user with ``cache``; ``environment`` is this process's by default."""
    folder.mkdir()
    (cache / "aac").mkdir(exist_ok=True)
    (folder / "store").symlink_to(cache / "aac")
    return Stage(folder, dict(os.environ) if environment is None else environment)


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


def start_for_another_cpu(stage: Stage, runner: Runner) -> None:
    """`agent run` of an image whose program is one for a CPU that no kernel has a handler for."""
    program = bytearray(busybox()[0].data)
    program[18:20] = (0x9999).to_bytes(2, "little")  # e_machine, elf(5)
    config = ImageConfig(entrypoint=("/app/strange",), user="10001", env=("PATH=/bin",))
    image = replace(stage.image(config, {"app/strange": bytes(program)}), platform=Platform("linux", "strange"))
    request = Start("agent", image, config, InstanceSpec("agent-run"), {})
    start(request, runner, Table("runner", {runner.name: runner}), stage.tools)
