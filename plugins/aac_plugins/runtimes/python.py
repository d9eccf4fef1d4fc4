"""The runtime ``python``: an agent is a script beside its agent.yaml, its dependencies are wheels.

``runtime: python`` runs on Debian stable's own Python, from Debian's packages; ``runtime: python:3.12`` on the
language's official image. ``build.baseImage`` takes the place of either.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from aac_plugins.runtimes import python_install, python_requirements, python_resolve
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.lock import BaseRequest, DependencyRequest, LockedBase, LockedDependencies, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.recipe import APP_DIR, ApplicationLayer, CommandLayer, Recipe, RecipeLayer, Run
from aac_tasks.contracts.roles import Path, Runtime, RuntimePlan, Tools
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.hookspecs import hookimpl

DEBIAN = "debian:trixie"
SCRIPTS = ("main.py", "app.py")
EPOCH = 315532800
"""1980-01-01, the first date that a zip file can hold (https://reproducible-builds.org/specs/source-date-epoch/)."""

SYSTEM_PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
"""The official image's PATH begins with /usr/local/bin, where its Python is; Debian's base has nothing there."""
