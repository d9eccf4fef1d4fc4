"""Steps of the `agent` command, scheduled by doit: the same tasks, control and runner as `doit`, without its start-up."""

from __future__ import annotations

from collections.abc import Sequence

from doit.control import TaskControl
from doit.dependency import Dependency
from doit.loader import generate_tasks
from doit.runner import MThreadRunner, Runner
from doit.task import Stream

from aac_tasks.contracts.plan import Plan
from aac_tasks.doit_bridge.backend import StampDB
from aac_tasks.doit_bridge.reporter import BridgeReporter
from aac_tasks.doit_bridge.stamps import SessionStamps
from aac_tasks.doit_bridge.tasks import tasks_of
from aac_tasks.errors import AacError
from aac_tasks.session import Session
from aac_tasks.state.ignored import DB_NAME


def run_scheduled(session: Session, plan: Plan, chosen: Sequence[str], *, jobs: int, keep_going: bool) -> int:
    """Let doit run the chosen kinds and ids; 0, or 1 when a step failed; with ``keep_going`` 3 when one was
    refused, which has been told.

    Raises:
        Exception: what ended a step, when it was no StepError.
    """
    StampDB.stamps = SessionStamps(session)
    StampDB.running = True
    tasks = generate_tasks("agents", tasks_of(session, plan))
    control = TaskControl(tasks)
    control.process(list(chosen))
    manager = Dependency(StampDB, str(session.state.path / DB_NAME))
    reporter = BridgeReporter(session.tell, session.close)
    common = (manager, reporter, keep_going, False, Stream(2))
    runner = MThreadRunner(*common, jobs) if jobs > 1 else Runner(*common)
    code = int(runner.run_all(control.task_dispatcher()))
    refused = [error.exit_code for error in session.broken if isinstance(error, AacError)]
    if session.broken and not (keep_going and len(refused) == len(session.broken)):
        raise session.broken[0]
    return max([code, *refused])
