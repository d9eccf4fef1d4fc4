"""The ``config`` object of an image configuration ⇄ ``ImageConfig``.

Fields as in https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#properties; ``Healthcheck``
as in https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md (durations in nanoseconds, 0 means
Docker's default).
"""

from __future__ import annotations

from collections.abc import Mapping

from aac_tasks.contracts.canonical import Json
from aac_tasks.contracts.image import HealthProbe, ImageConfig

_NANOSECONDS = 1_000_000_000
_SHELL = ("/bin/sh", "-c")


def config_to_json(config: ImageConfig) -> dict[str, Json]:
    """What is set, under Docker's names; a probe without a command is left out (see ``documents``)."""
    probe = config.healthcheck
    every: dict[str, Json] = {
        "Env": list(config.env),
        "Entrypoint": list(config.entrypoint),
        "Cmd": list(config.cmd),
        "User": config.user,
        "WorkingDir": config.working_dir,
        "ExposedPorts": {port: {} for port in config.exposed_ports},
        "Volumes": {volume: {} for volume in config.volumes},
        "Labels": dict(config.labels),
        "StopSignal": config.stop_signal,
        "Healthcheck": _healthcheck(probe) if probe is not None and probe.command else None,
    }
    return {name: value for name, value in every.items() if value}


def config_from_json(value: object) -> ImageConfig:
    """Read it; fields of other types than they should have count as absent, as in Docker's own images."""
    fields = value if isinstance(value, dict) else {}
    return ImageConfig(
        env=_texts(fields.get("Env")),
        entrypoint=_texts(fields.get("Entrypoint")),
        cmd=_texts(fields.get("Cmd")),
        user=_text(fields.get("User")),
        working_dir=_text(fields.get("WorkingDir")),
        exposed_ports=tuple(sorted(_names(fields.get("ExposedPorts")))),
        volumes=tuple(sorted(_names(fields.get("Volumes")))),
        labels={k: str(v) for k, v in _names(fields.get("Labels")).items()},
        stop_signal=_text(fields.get("StopSignal")),
        healthcheck=_probe(fields.get("Healthcheck")),
    )


def _healthcheck(probe: HealthProbe) -> Json:
    return {
        "Test": ["CMD", *probe.command],
        "Interval": round(probe.interval * _NANOSECONDS),
        "Timeout": round(probe.timeout * _NANOSECONDS),
        "StartPeriod": round(probe.start_period * _NANOSECONDS),
        "Retries": probe.retries,
    }


def _probe(value: object) -> HealthProbe | None:
    fields = value if isinstance(value, dict) else {}
    test = _texts(fields.get("Test"))
    if len(test) < 2 or test[0] not in ("CMD", "CMD-SHELL"):
        return None
    unset = HealthProbe("command")
    return HealthProbe(
        type="command",
        command=test[1:] if test[0] == "CMD" else (*_SHELL, test[1]),
        interval=_seconds(fields.get("Interval"), unset.interval),
        timeout=_seconds(fields.get("Timeout"), unset.timeout),
        start_period=_seconds(fields.get("StartPeriod"), unset.start_period),
        retries=_number(fields.get("Retries")) or unset.retries,
    )


def _seconds(value: object, default: float) -> float:
    return _number(value) / _NANOSECONDS or default


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    """A list of texts; Docker's oldest images have one text instead, a command line for the shell."""
    if isinstance(value, str) and value:
        return (*_SHELL, value)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _names(value: object) -> Mapping[str, object]:
    return {str(k): v for k, v in value.items()} if isinstance(value, dict) else {}
