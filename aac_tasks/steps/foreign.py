"""An image of another CPU: whether this machine, or the engine's, can run it is known once it was tried."""

from __future__ import annotations

from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.running import Instance, Runner, RunRequest
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError
from aac_tasks.steps.built import architecture

PATIENCE = 2.0
"""Seconds in which a program that can't be run has ended: the kernel refuses it at once."""

_REFUSALS = ("exec format error", "\x7felf")
"""ENOEXEC as the C library and Go call it, and a shell that reads a program as its script, as execvp(3) has it do then."""


def ended_refused(request: RunRequest, instance: Instance, runner: Runner, tools: Tools) -> bool:
    """Wait a moment for the end of what was just started, where its image is for another CPU: whether that was why."""
    if request.interactive or not is_foreign(request.image.platform):
        return False
    ended = tools.wait_until(lambda: runner.status(instance, tools).state != "running", timeout=PATIENCE, every=0.05)
    said = "".join(log.read_text(errors="replace")[-1000:] for log in request.logs if log.exists())
    return ended and is_refused(request, said)


def is_refused(request: RunRequest, said: str) -> bool:
    """Whether words of a start, or of what was started, are the kernel's refusal of another CPU's program."""
    return is_foreign(request.image.platform) and any(words in said.lower() for words in _REFUSALS)


def is_foreign(platform: Platform) -> bool:
    """Whether it is another CPU than this machine's."""
    return platform.architecture != architecture()


def cant_run(name: str, platform: Platform) -> StepError:
    """As builds say it."""
    return StepError(
        f"{name}: this machine can't run programs for {platform}",
        hint="install QEMU's user-mode handlers (Debian: qemu-user-static), or leave --platform out",
    )
