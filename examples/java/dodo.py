"""`doit` knows the steps of every agent below this folder: `doit list`."""

from aac_tasks.dodo import *  # noqa: F403
