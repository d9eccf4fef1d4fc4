"""``[tool.doit] loader = "agent"``: the same tasks as a one-line dodo.py, without any dodo.py."""

from __future__ import annotations

from typing import Any

from doit.cmd_base import NamespaceTaskLoader


class AgentLoader(NamespaceTaskLoader):  # type: ignore[misc]  # doit is untyped
    """doit's loader plugin: takes the namespace that `aac_tasks.dodo` offers."""

    def setup(self, opt_values: Any) -> None:
        """Make the namespace."""
        from aac_tasks import dodo  # lazy: it opens a session in the current folder

        self.namespace = {name: getattr(dodo, name) for name in dodo.__all__}
