"""``python -m aac_tasks``: the same as `agent`."""

from __future__ import annotations

import sys

from aac_tasks.fast import main

sys.exit(main())
