from aac_tasks.dodo import *
