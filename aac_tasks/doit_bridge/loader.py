"""``[tool.doit] loader = "agent"``: the same tasks as a one-line dodo.py, without any dodo.py."""

from __future__ import annotations

from typing import Any

from doit.cmd_base import NamespaceTaskLoader


class AgentLoader(NamespaceTaskLoader):  # type: ignore[misc]  # doit is untyped
    """doit's loader plugin: takes the namespace that `aac_tasks.dodo` offers."""

    def setup(self, opt_values: Any) -> None:
        """Make the namespace."""
        from aac_tasks.doit_bridge.namespace import DOIT_CONFIG, task_agents  # lazy: it looks at the current folder

        self.namespace = {"DOIT_CONFIG": DOIT_CONFIG, "task_agents": task_agents}
