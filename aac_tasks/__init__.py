"""Agent-as-Code: one agent.yaml becomes a tested, pushed, running container, redoing only what a change touched.

The names below are the public face. They are loaded when first used (PEP 562): importing this package costs nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes longer to import than a whole run that finds nothing to do

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog, Table
    from aac_tasks.contracts.plan import AgentPlan, Facts, Plan, Step
    from aac_tasks.contracts.result import Event, Result, Verdict
    from aac_tasks.contracts.spec import AgentSpec
    from aac_tasks.errors import (
        AacError,
        DemandError,
        LostError,
        PlanError,
        PluginError,
        Problem,
        ProgramError,
        SpecError,
        StepError,
        UsageError,
    )
    from aac_tasks.hookspecs import hookimpl
    from aac_tasks.session import Options, Session
    from aac_tasks.spec import ReadSpec, read_spec

__version__ = "0.1.0"

__all__ = [
    "__version__",
    # read
    "AgentSpec",
    "ReadSpec",
    "read_spec",
    # decide
    "AgentPlan",
    "Catalog",
    "Facts",
    "Plan",
    "Step",
    "Table",
    # do
    "Event",
    "Options",
    "Result",
    "Session",
    "Verdict",
    # extend
    "hookimpl",
    # errors
    "AacError",
    "DemandError",
    "LostError",
    "PlanError",
    "PluginError",
    "Problem",
    "ProgramError",
    "SpecError",
    "StepError",
    "UsageError",
]

_HOMES = {
    "aac_tasks.spec": ("ReadSpec", "read_spec"),
    "aac_tasks.contracts.spec": ("AgentSpec",),
    "aac_tasks.contracts.plan": ("AgentPlan", "Facts", "Plan", "Step"),
    "aac_tasks.contracts.result": ("Event", "Result", "Verdict"),
    "aac_tasks.catalog": ("Catalog", "Table"),
    "aac_tasks.session": ("Options", "Session"),
    "aac_tasks.hookspecs": ("hookimpl",),
    "aac_tasks.errors": (
        "AacError", "DemandError", "LostError", "PlanError", "PluginError", "Problem", "ProgramError", "SpecError", "StepError",
        "UsageError",
    ),
}  # fmt: skip


def __getattr__(name: str) -> object:
    import importlib

    for module, names in _HOMES.items():
        if name in names:
            value = getattr(importlib.import_module(module), name)
            globals()[name] = value  # found at once from now on
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
