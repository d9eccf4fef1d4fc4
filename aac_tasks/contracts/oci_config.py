"""An OCI image configuration document ⇄ `ImageConfig` (image-spec config.md; Docker's Healthcheck extension). Pure."""

from __future__ import annotations

from aac_tasks.contracts.canonical import Json, JsonObject
from aac_tasks.contracts.image import HealthProbe, ImageConfig

NANOSECONDS = 1_000_000_000


def config_from_oci(document: JsonObject) -> ImageConfig:
    """Read the ``config`` object of an image configuration; absent parts are empty."""
    config = document.get("config")
    table = config if isinstance(config, dict) else {}
    return ImageConfig(
        env=_texts(table.get("Env")),
        entrypoint=_texts(table.get("Entrypoint")),
        cmd=_texts(table.get("Cmd")),
        user=str(table.get("User") or ""),
        working_dir=str(table.get("WorkingDir") or ""),
        exposed_ports=tuple(sorted(_names(table.get("ExposedPorts")))),
        volumes=tuple(sorted(_names(table.get("Volumes")))),
        labels={str(k): str(v) for k, v in (table.get("Labels") or {}).items()},
        stop_signal=str(table.get("StopSignal") or ""),
        healthcheck=_probe(table.get("Healthcheck")),
    )


def _probe(value: Json) -> HealthProbe | None:
    """Docker keeps durations in nanoseconds; only exec-form tests (``CMD``) can be run without a shell."""
    if not isinstance(value, dict):
        return None
    test = _texts(value.get("Test"))
    if len(test) < 2 or test[0] != "CMD":
        return None
    return HealthProbe(
        type="command",
        command=test[1:],
        interval=_seconds(value.get("Interval"), 30.0),
        timeout=_seconds(value.get("Timeout"), 30.0),
        retries=int(str(value.get("Retries") or 3)),
        start_period=_seconds(value.get("StartPeriod"), 0.0),
    )


def _seconds(value: Json, default: float) -> float:
    return float(value) / NANOSECONDS if isinstance(value, (int, float)) and value else default


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list) else ()


def _names(value: Json) -> tuple[str, ...]:
    return tuple(value) if isinstance(value, dict) else ()
