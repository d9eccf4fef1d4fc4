"""The flags of `agent run` that change how an agent runs here, and what they mean; agent.yaml's values are the defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from aac_tasks.cli.declare import Flag
from aac_tasks.cli.world import Arguments
from aac_tasks.contracts.actions import EnvValue, Isolation, Limits, Mount, PortMapping
from aac_tasks.contracts.capabilities import CAPABILITIES, is_known, short
from aac_tasks.contracts.quantities import cores, memory_bytes
from aac_tasks.errors import UsageError
from aac_tasks.plan.overrides import Overrides
from aac_tasks.steps.environment import NAME, read_env_file

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT = re.compile(r"(?:(?P<address>\[[0-9a-fA-F:.]+\]|[^:]*):)?(?:(?P<host>[0-9]*):)?(?P<inside>[0-9]+)(?:/(?P<proto>tcp|udp))?")
_RESTART = re.compile(r"no|always|unless-stopped|on-failure(?::[0-9]+)?")
_MOUNT_TYPES = ("bind", "volume", "tmpfs")
_SOURCES, _TARGETS = ("source", "src"), ("target", "destination", "dst")


def port(text: str) -> PortMapping:
    """``[[IP:][HOST]:]CONTAINER[/udp]``; without HOST any free port."""
    found = _PORT.fullmatch(text)
    address, host = (found["address"] or "", found["host"]) if found else ("", None)
    if found and host is None and address.isdigit():  # 8081:8080
        address, host = "", address
    numbers = [int(number) for number in (host, found["inside"]) if number] if found else []
    if found is None or (address and host is None) or not all(0 < number < 65536 for number in numbers):
        raise ValueError(f"{text!r} is no port; expected [IP:]HOST:CONTAINER[/udp], as in 8081:8080 or 0.0.0.0:8081:8080")
    return PortMapping(int(found["inside"]), int(host or 0), found["proto"] or "tcp", address.strip("[]"))


def variable(text: str) -> EnvValue:
    """``NAME=value``, or ``NAME`` for the value that it has here."""
    name, sign, value = text.partition("=")
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a variable; expected NAME=value, or NAME alone for the value it has here")
    return EnvValue(name, value if sign else f"${{{name}}}")


def volume(text: str) -> Mount:
    """``SOURCE:TARGET[:ro]`` or ``TARGET``; a SOURCE with a slash or a leading dot is a path, any other a volume."""
    parts = text.split(":")
    read_only = parts[-1] == "ro"
    if len(parts) > 1 and parts[-1] in ("ro", "rw"):
        parts = parts[:-1]
    if len(parts) not in (1, 2) or not parts[-1].startswith("/"):
        raise ValueError(f"{text!r} is no mount; expected SOURCE:TARGET[:ro], TARGET a path from /, as in ./data:/data:ro")
    source = parts[0] if len(parts) == 2 else ""
    if "/" in source or source.startswith((".", "~")):
        return _bind(source, parts[-1], read_only)
    return Mount("volume", parts[-1], source, read_only)


def mount(text: str) -> Mount:
    """``type=bind,source=S,target=T[,readonly]``, ``type=tmpfs,target=T[,tmpfs-size=64Mi]``."""
    pairs = dict(item.partition("=")[::2] for item in text.split(","))
    kind, target = pairs.pop("type", "volume"), next((pairs.pop(n) for n in _TARGETS if n in pairs), "")
    source = next((pairs.pop(n) for n in _SOURCES if n in pairs), "")
    read_only = any(pairs.pop(n, "false") in ("", "true", "1") for n in ("readonly", "ro"))
    size = memory(pairs.pop("tmpfs-size", "0B"))
    if pairs or kind not in _MOUNT_TYPES or not target.startswith("/") or (kind == "bind" and not source):
        what = f"unknown {next(iter(pairs))!r}" if pairs else "type, source or target is missing or wrong"
        raise ValueError(f"{text!r}: {what}; expected type=bind|volume|tmpfs,source=S,target=/T[,readonly][,tmpfs-size=64Mi]")
    return _bind(source, target, read_only) if kind == "bind" else Mount(kind, target, source, read_only, size)


def tmpfs(text: str) -> Mount:
    """``TARGET[:size=64Mi]``."""
    target, _, options = text.partition(":")
    return mount(f"type=tmpfs,target={target}{',' if options else ''}{options.replace('size=', 'tmpfs-size=')}")


def _bind(source: str, target: str, read_only: bool) -> Mount:
    return Mount("bind", target, str(Path(source).expanduser().absolute()), read_only, anywhere=True)


def memory(text: str) -> int:
    """``512Mi``, or as engines write it, ``512m``; ``0`` is no limit."""
    engines = re.fullmatch(r"([0-9]+)([kmg])b?", "0k" if text == "0" else text)
    return memory_bytes(f"{engines[1]}{engines[2].upper()}i" if engines else text)


def restart(text: str) -> str:
    """``no``, ``always``, ``unless-stopped``, ``on-failure[:N]``."""
    if not _RESTART.fullmatch(text):
        raise ValueError(f"{text!r} is no restart policy; expected no, always, unless-stopped or on-failure[:N]")
    return text


def gpus(text: str) -> int:
    """A number, or ``all``."""
    if text != "all" and not text.isdigit():
        raise ValueError(f"{text!r} is no number of GPUs; expected a number or all")
    return -1 if text == "all" else int(text)


def capability(text: str) -> str:
    """A name of capabilities(7), with or without ``CAP_``, or ``ALL``."""
    if not is_known(text):
        from aac_tasks.spec.teaching import nearest  # lazy: only for who misspells

        near = nearest(short(text), CAPABILITIES) or "; capabilities(7) lists them"
        raise ValueError(f"Linux has no capability {text!r}{near}")
    return short(text)


def label(text: str) -> str:
    """An instance's name, which becomes a host name."""
    if not _LABEL.fullmatch(text):
        raise ValueError(f"{text!r} can't be a name; it takes lower-case letters, digits and '-', at most 63")
    return text


RUN_FLAGS = (
    Flag(("--name",), "call it NAME instead of AGENT-run", "NAME", label),
    Flag(("-p", "--publish"), "[IP:]HOST:CONTAINER[/udp]; on 127.0.0.1 unless IP says otherwise", "PORT", port, repeat=True),
    Flag(("-e", "--env"), "NAME=value, or NAME for the value it has here; ${VAR} is looked up", "VAR", variable, repeat=True),
    Flag(("--env-file",), "NAME=value lines, read when it starts and not kept", "FILE", repeat=True),
    Flag(("-v", "--volume"), "SOURCE:TARGET[:ro]; SOURCE is a path (./data) or a volume's name", "MOUNT", volume, repeat=True),
    Flag(("--mount",), "type=bind|volume|tmpfs,source=S,target=T[,readonly][,tmpfs-size=64Mi]", "MOUNT", mount, repeat=True),
    Flag(("--tmpfs",), "a folder in memory: TARGET[:size=64Mi]", "MOUNT", tmpfs, repeat=True),
    Flag(("-m", "--memory"), "at most this much memory (512Mi); 0: no limit", "SIZE", memory),
    Flag(("--cpus",), "at most so many cores (0.5); 0: no limit", "N", cores),
    Flag(("--gpus",), "so many GPUs, or all; 0: none", "N", gpus),
    Flag(("--restart",), "no, always, unless-stopped, on-failure[:N]; engines only", "POLICY", restart),
    Flag(("--read-only",), "make the root read-only"),
    Flag(("--cap-add",), "give a capability; all others are dropped", "NAME", capability, repeat=True),
    Flag(("--cap-drop",), "take a capability that agent.yaml adds, or ALL", "NAME", capability, repeat=True),
    Flag(("--network",), "an engine's network, host, or none", "NAME", default=""),
    Flag(("--dns",), "ask this name server", "IP", repeat=True),
    Flag(("-u", "--user"), "run as UID[:GID] or a user of the image", "USER", default=""),
    Flag(("-i", "--interactive"), "let it read your stdin"),
    Flag(("-t", "--tty"), "give it your terminal"),
)  # fmt: skip


def overrides(args: Arguments) -> Overrides:
    """What was said on the command line.

    Raises:
        UsageError: there is no such file of variables. StepError: it can't be read.
    """
    amounts = {"cpu": args.cpus, "memory": args.memory, "gpu": args.gpus}
    return Overrides(
        name=args.name or "",
        env=(*_from_files(args.env_file), *args.env),
        ports=args.publish,
        mounts=(*args.volume, *args.mount, *args.tmpfs),
        limits=Limits(**{name: amount for name, amount in amounts.items() if amount}),
        lifted=tuple(name for name, amount in amounts.items() if amount == 0),
        isolation=Isolation(args.read_only, args.cap_add, args.cap_drop, args.network, args.dns, args.user),
        restart=args.restart or "",
        command=args.rest,
    )


def _from_files(files: tuple[str, ...]) -> Iterator[EnvValue]:
    for file in files:
        path = Path(file).absolute()
        if not path.exists():
            raise UsageError(f"--env-file {file}: no such file")
        yield from (EnvValue(name, file=str(path)) for name in read_env_file(path))
