"""`doit dumpdb`: doit's own knows only its own database, and ends in a traceback where there is none of that kind."""

from __future__ import annotations

import dbm
import json
from pathlib import Path
from typing import Any

from doit.cmd_base import opt_depfile
from doit.cmd_dumpdb import DumpDB
from doit.exceptions import InvalidCommand

from aac_tasks.state.ignored import DB_NAME
from aac_tasks.state.root import StateFolder, find_root

NOTE = "steps are not in it: `agent why STEP` tells what is known of one"


class DumpStamps(DumpDB):  # type: ignore[misc]  # doit is untyped
    """doit's command, which shows our file in a folder of ours."""

    name = "dumpdb"

    def execute(self, opt_values: Any, pos_args: Any) -> None:
        """A file that was named, or that is there, is doit's own."""
        file = opt_values["dep_file"]
        state = StateFolder(find_root(Path.cwd())).path
        if file == opt_depfile["default"] and state.is_dir():
            _show(state / DB_NAME)
            return
        if dbm.whichdb(file) is None:
            raise InvalidCommand(f"there is no database {file}; expected one that doit has written (--db-file=FILE names it)")
        try:
            super().execute(opt_values, pos_args)
        except dbm.error as error:
            raise InvalidCommand(f"{file} can't be shown: {error}") from error


def _show(file: Path) -> None:
    """Each task in a line, as doit does."""
    try:
        known = json.loads(file.read_bytes())
    except FileNotFoundError:
        known = {}
    except OSError as error:
        raise InvalidCommand(f"{file} can't be read: {error.strerror}") from error
    except ValueError:
        known = None
    if not isinstance(known, dict):
        raise InvalidCommand(f"{file} is torn, and as good as none; doit writes it anew as soon as it has something to keep")
    print(f"{file} ({NOTE})")  # noqa: T201  # as doit's own command does
    for task, values in sorted(known.items()):
        print(f"{task} -> {json.dumps(values, sort_keys=True)}")  # noqa: T201  # as above
