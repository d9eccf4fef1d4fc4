"""The document that an OCI runtime (crun, runc) starts a container from.

Source: https://github.com/opencontainers/runtime-spec/blob/v1.0.2/config.md and config-linux.md.
The network namespace is the host's, or for ``none`` an empty one; pid, mount, ipc, uts (and, without root, user) are the
container's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from aac_plugins.runners.launch import Launch
from aac_plugins.runners.mounts import Place
from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.capabilities import ALL, CAPABILITIES

CPU_PERIOD = 100_000
"""Microseconds; the kernel's default (config-linux.md, cpu)."""

CAPABILITY_SETS = ("bounding", "effective", "inheritable", "permitted", "ambient")

SHM = "/dev/shm"  # noqa: S108  # a mount point, not a file

MASKED = (
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True)
class Host:
    """What the machine allows. ``uid`` and ``gid`` are ours; ``cgroups``: whether limits can be set through them."""

    uid: int
    gid: int
    cgroups: bool

    @property
    def rootless(self) -> bool:
        """Whether a user namespace is needed."""
        return self.uid != 0


def config_json(
    root: Path, launch: Launch, instance: InstanceSpec, mounts: tuple[Place, ...], host: Host, *, terminal: bool = False
) -> dict[str, Json]:
    """The whole document. Holds the environment, secrets included: for the user's eyes only.

    ``terminal``: the agent gets one of its own, coupled with the user's; without root there is no devpts to make it in.
    """
    process = process_json(launch, instance.isolation.capabilities)
    process["terminal"] = terminal and not host.rootless
    memory = instance.limits.memory
    if memory and not host.cgroups:
        process["rlimits"] = [{"type": "RLIMIT_DATA", "soft": memory, "hard": memory}]
    return {
        "ociVersion": "1.0.2",
        "process": process,
        "root": {"path": str(root), "readonly": instance.isolation.read_only_root},
        "hostname": instance.name,
        "mounts": [*_kernel_mounts(host), *(_mount(m, host) for m in mounts)],
        "linux": _linux(launch, instance, host),
    }


def process_json(launch: Launch, capabilities: tuple[str, ...]) -> dict[str, Json]:
    """One process in the container: the agent, or what is started beside it."""
    names: Json = [f"CAP_{name}" for name in (_ours() if ALL in capabilities else capabilities)]
    return {
        "terminal": False,
        "user": {"uid": launch.user.uid, "gid": launch.user.gid},
        "args": list(launch.argv),
        "env": [f"{name}={value}" for name, value in launch.env.items()],
        "cwd": launch.workdir,
        "noNewPrivileges": True,
        "capabilities": dict.fromkeys(CAPABILITY_SETS, names),
    }


def _ours() -> tuple[str, ...]:
    """Those that we may give away: a runtime knows no ALL."""
    status = Path("/proc/self/status").read_text()
    mask = int(status.partition("CapBnd:")[2].split()[0], 16)
    return tuple(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)


def _linux(launch: Launch, instance: InstanceSpec, host: Host) -> dict[str, Json]:
    spaces = ["pid", "mount", "ipc", "uts", *(["user"] if host.rootless else [])]
    if instance.isolation.network == "none":
        spaces.append("network")
    linux: dict[str, Json] = {
        "namespaces": [{"type": space} for space in spaces],
        "maskedPaths": list(MASKED),
        "readonlyPaths": list(READ_ONLY),
    }
    if host.rootless:  # the image's user is us, so that it may read and write what we unpacked
        linux["uidMappings"] = [{"containerID": launch.user.uid, "hostID": host.uid, "size": 1}]
        linux["gidMappings"] = [{"containerID": launch.user.gid, "hostID": host.gid, "size": 1}]
    elif host.cgroups:
        linux["resources"] = _resources(instance)
    return linux


def _resources(instance: InstanceSpec) -> dict[str, Json]:
    limits = instance.limits
    resources: dict[str, Json] = {}
    if limits.memory:
        resources["memory"] = {"limit": limits.memory}
    if limits.cpu:
        resources["cpu"] = {"period": CPU_PERIOD, "quota": max(1000, int(limits.cpu * CPU_PERIOD))}
    return resources


def _kernel_mounts(host: Host) -> list[Json]:
    mounts: list[Json] = [
        _entry("/proc", "proc", ("nosuid", "noexec", "nodev")),
        _entry("/dev", "tmpfs", ("nosuid", "strictatime", "mode=755", "size=65536k")),
        _entry(SHM, "tmpfs", ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")),
    ]
    if not host.rootless:  # a sysfs is the network namespace's, and that one is not ours to mount without root
        mounts.append(_entry("/dev/pts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")))
        mounts.append(_entry("/sys", "sysfs", ("nosuid", "noexec", "nodev", "ro")))
    return mounts


def _mount(mount: Place, host: Host) -> dict[str, Json]:
    mode = "ro" if mount.read_only else "rw"
    if mount.source is None:
        size = (f"size={mount.size}",) if mount.size else ()
        return _entry(mount.target, "tmpfs", ("nosuid", "nodev", "mode=1777", mode, *size))
    entry = _entry(mount.target, "bind", ("rbind", "nosuid", "nodev", mode))
    return {**entry, "source": str(mount.source)}


def _entry(target: str, kind: str, options: tuple[str, ...]) -> dict[str, Json]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}
