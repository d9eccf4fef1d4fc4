"""The toolchain image's tools, lent to step lock where the host has none (docs/adr/0022)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from aac_tasks.contracts.engines import Errand
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.catalog import Catalog
    from aac_tasks.contracts.engines import ErrandBuilder, LentRuntime, SettingsRuntime, ToolchainImage
    from aac_tasks.contracts.lock import BaseRequest, LockedBase
    from aac_tasks.contracts.making import LockAction
    from aac_tasks.contracts.recipe import Instruction
    from aac_tasks.contracts.roles import Builder, Runtime
    from aac_tasks.contracts.tools import Tools


def programs_of(action: LockAction) -> tuple[str, ...]:
    """The tools that are needed to compile, or to lock."""
    return tuple(need.partition(":")[2] for need in action.needs if need.startswith("tool:"))


def lacking(action: LockAction, tools: Tools) -> tuple[str, ...]:
    """Those that are not on the host."""
    return tuple(program for program in programs_of(action) if tools.which(program) is None)


def can_lend(builder: Builder, runtime: Runtime) -> bool:
    """Whether the one has an engine to be sent, and the other knows what to send it for."""
    return builder.uses_toolchain and hasattr(builder, "errand") and hasattr(runtime, "resolve_in")


def lending(runtime: Runtime) -> LentRuntime:
    """The runtime, once `can_lend` has said so."""
    return cast("LentRuntime", runtime)


def settings_of(runtime: Runtime, tools: Tools) -> Mapping[str, str]:
    """What the user set for the runtime's tools, see `SettingsRuntime`; nothing for one that has no such settings."""
    return cast("SettingsRuntime", runtime).settings(tools) if hasattr(runtime, "settings") else {}


@dataclass(frozen=True)
class Lent:
    """See `ToolchainImage`. ``missing`` are the tools of ``runtime`` that the host lacks."""

    runtime: Runtime
    locked: LockedBase
    builder: Builder
    catalog: Catalog
    missing: tuple[str, ...]
    tools: Tools

    def other(self, request: BaseRequest) -> ToolchainImage:
        """Resolved now, and locked by nobody: what it answers is."""
        self._confirm_network()
        self.tools.progress(f"resolving {request.reference} with {', '.join(request.packages) or 'its tools'}")
        locked = self.catalog.bases.get(request.base).resolve(request, self.locked.platform, self.tools)
        return replace(self, locked=locked)

    def run(
        self, instructions: Sequence[Instruction], paths: Sequence[str], into: Path, refused: Callable[[str], StepError]
    ) -> str:
        """Have the builder's engine do it."""
        self._confirm_network()
        programs, reference = ", ".join(self.missing), self.locked.reference
        self.tools.note(f"{programs}: not on this machine, asked in the image {reference} of builder {self.builder.name}")
        fetch = self.catalog.bases.get(self.locked.base).fetch
        errand = Errand(
            f"{programs} in {reference}",
            self.locked,
            tuple(instructions),
            tuple(paths),
            lambda base: fetch(base, self.tools),
            settings_of(self.runtime, self.tools),
        )
        try:
            return cast("ErrandBuilder", self.builder).errand(errand, into, self.tools)
        except StepError as error:
            if not error.command:  # it is the engine that could not
                raise
            raise refused(error.tail) from error

    def _confirm_network(self) -> None:
        """An engine's commands know nothing of ``--offline``."""
        if self.tools.offline:
            programs = ", ".join(self.missing)
            raise StepError(
                f"{programs} is not installed, and an image that has it can be asked with a network only",
                hint=f"lock once without --offline, or install {programs}",
            )
