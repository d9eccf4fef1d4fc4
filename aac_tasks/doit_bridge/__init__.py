"""Plan → doit tasks, and back. The only place that imports doit (0.36 … 0.38); doit schedules, the session decides."""

from __future__ import annotations

from aac_tasks.doit_bridge.command import run

__all__ = ["run"]
