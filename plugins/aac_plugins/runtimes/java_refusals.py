"""What Maven, Gradle and javac say when they refuse, in our words: where, what, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from aac_tasks.errors import StepError

_PLACE = re.compile(
    r"^(?:\[ERROR\] )?(?P<file>\S.*?\.java):(?:\[(?P<line>\d+),(?P<column>\d+)\]|(?P<alone>\d+):(?: error:)?) (?P<text>.*)$",
    re.MULTILINE,
)
"""Maven's ``FILE:[LINE,COLUMN] TEXT``, javac's ``FILE:LINE: error: TEXT``."""

_CHECKSUM = re.compile(r"Checksum validation failed, expected '?(\w+)'?(?: \([^)]*\))? but (?:was |is )(?:actually )?'?(\w+)'?")
_ARTIFACT = re.compile(r"(?:artifact|Failure to find|Could not find) ([\w.-]+:[\w.-]+)(?::jar|:pom)?(?::[\w.-]+)?:([\w.+-]*\w)")

_ABSENT = re.compile(r"([\w.-]+:[\w.-]+):(?:jar|pom):(?:[\w.-]+:)?([\w.+-]*\w) was not found in")
"""How Maven says it the second time, when it remembers."""


def unresolved(output: str, *, offline: bool) -> StepError:
    """The error behind what Maven or Gradle said when it could not resolve."""
    tail = _tail(output)
    found = _ARTIFACT.search(output) or _ABSENT.search(output)
    name = f"{found.group(1)}:{found.group(2)}" if found else "a Java dependency"
    checksum = _CHECKSUM.search(output)
    if checksum:
        return StepError(
            f"{name} is not what its repository says: checksum {checksum.group(2)}, not {checksum.group(1)}", tail=tail,
            hint="the file or its checksum is broken there, or somebody changed it on the way: ask who runs the repository",
        )  # fmt: skip
    if "Non-resolvable parent POM" in output:
        return StepError(
            "the parent of pom.xml can't be found", tail=tail,
            hint="publish it, or put the agent.yaml where the parent is part of the build context (build.context)",
        )  # fmt: skip
    if offline:
        return StepError(
            "the Java dependencies can't be resolved offline: they were never downloaded", tail=tail,
            hint="run `agent lock` once without --offline",
        )  # fmt: skip
    if re.search(r"Could not find|was not found in|Failure to find", output):
        return StepError(
            f"no Maven repository has {name}", tail=tail,
            hint="check its spelling and version; another repository goes into spec.config.java.repositories, or into pom.xml",
        )  # fmt: skip
    return StepError("the Java dependencies can't be resolved", tail=tail, hint="look at the network, and at ~/.m2/settings.xml")


def uncompiled(output: str, folder: Path, tool: str) -> StepError:
    """The error behind what a compiler said; ``folder`` is where it compiled, and is left out of the message."""
    text = output.replace(f"{folder.resolve()}/", "").replace(f"{folder}/", "").replace("./", "")
    found = _PLACE.search(text)
    if found:
        place = ":".join(p for p in (found["file"], found["line"] or found["alone"], found["column"]) if p)
        return StepError(f"{place}: {found['text']}", tail=_tail(text), hint="mend the code, then build again")
    hint = f"look at what {tool} says; does it compile by hand?"
    return StepError(f"{tool} can't compile this project", tail=_tail(text), hint=hint)


def _tail(text: str) -> str:
    """What is wrong, without what Maven tells about itself."""
    marked = re.findall(r"^\[ERROR\] (.+)$", text, re.MULTILINE)
    lines = [line for line in marked or text.splitlines() if line.strip()]
    told = [line for line in lines if not re.search(r"\[Help|[Rr]e-run Maven|For more information about the errors", line)]
    return "\n".join(told[:12])
