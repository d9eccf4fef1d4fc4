"""What an instance may ask for and a runner can't do: refused, or said in a note; nothing is passed over in silence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import DemandError

LOOPBACK = ("", "127.0.0.1", "localhost")

ASKED: Mapping[str, Callable[[InstanceSpec], str]] = {
    "restart": lambda i: f"restart {i.restart}" if i.restart not in ("", "no") else "",
    "gpu": lambda i: "a GPU" if i.limits.gpu else "",
    "no-network": lambda i: "network none" if i.isolation.network == "none" else "",
    "network": lambda i: f"network {i.isolation.network}" if i.isolation.network not in ("", "host", "none") else "",
    "capabilities": lambda i: f"capability {', '.join(i.isolation.capabilities)}" if i.isolation.capabilities else "",
    "cpu": lambda i: "a limit of CPU" if i.limits.cpu else "",
    "storage": lambda i: "a limit of ephemeral storage" if i.limits.ephemeral_storage else "",
    "address": lambda i: next((f"address {p.address}" for p in i.ports if p.address not in LOOPBACK), ""),
    "read-only": lambda i: "a read-only root" if i.isolation.read_only_root else "",
    "dns": lambda i: "a name server of its own" if i.isolation.dns else "",
}
"""What can be lacking, and the words for it where an instance asks for it."""

SHARED = ("network", "storage", "address")
"""What every runner without an engine lacks, because it shares the host's network and disk; said in a note."""


def hold_against(runner: str, instance: InstanceSpec, tools: Tools, *, refuses: tuple[str, ...], notes: tuple[str, ...]) -> None:
    """Compare what is asked for with what a runner lacks.

    Raises:
        DemandError: something that must not be left out.
    """
    for lack in refuses:
        if what := ASKED[lack](instance):
            raise DemandError(
                f"{instance.name}: {what} is asked for, which runner {runner} can't give",
                hint="choose an engine (--runner docker or podman), or do without",
            )
    for lack in notes:
        if what := ASKED[lack](instance):
            tools.note(f"runner {runner}: {what} has no effect")
