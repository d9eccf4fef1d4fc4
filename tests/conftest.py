"""The fixtures of `aac_tasks.testing` (also where the package is only on PYTHONPATH), and real servers."""

from __future__ import annotations

pytest_plugins = ("aac_tasks.testing", "real.dockerd")
