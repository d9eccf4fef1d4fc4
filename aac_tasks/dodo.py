"""What a project's dodo.py imports: ``from aac_tasks.dodo import *``. The user's own tasks may follow.

Brings ``DOIT_CONFIG`` (default tasks, reporter, state backend, threads) and the steps of every agent in this folder
and below, as groups ``parse lock dockerfile image test push deploy`` with members ``<step>:<agent>``.

Plain `doit` in an unchanged folder costs one stat per file here: everything else is imported when it is needed.
"""

from __future__ import annotations

from aac_tasks.doit_bridge.namespace import DOIT_CONFIG, task_agents

__all__ = ["DOIT_CONFIG", "task_agents"]
