"""The report that CI systems read: JUnit's XML, as its Ant task writes it and Jenkins, GitLab and others take it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from aac_tasks.steps.checks import Outcome

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 can't hold, not even escaped (section 2.2, Char)."""


def junit(suite: str, outcomes: Sequence[Outcome], *, known: bool = False) -> str:
    """One suite, one case per check. ``known``: they did not run now, and the suite has a property ``cached`` that says so."""
    failures = sum(1 for outcome in outcomes if outcome.problem)
    total = sum(outcome.seconds for outcome in outcomes)
    skipped = sum(1 for outcome in outcomes if outcome.skipped)
    counts = f'tests="{len(outcomes)}" failures="{failures}" errors="0" skipped="{skipped}" time="{total:.3f}"'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {counts}>"]
    lines.append(f"  <testsuite name={_attribute(suite)} {counts}>")
    if known:
        lines.append('    <properties><property name="cached" value="true"/></properties>')
    for outcome in outcomes:
        names = f"classname={_attribute(f'{suite}.{outcome.check.type}')} name={_attribute(outcome.check.name)}"
        case = f'    <testcase {names} time="{outcome.seconds:.3f}"'
        if outcome.problem:
            lines += [f"{case}>", f"      <failure message={_attribute(outcome.problem)}/>", "    </testcase>"]
        elif outcome.skipped:
            lines += [f"{case}>", '      <skipped message="this type has no effect yet"/>', "    </testcase>"]
        else:
            lines.append(f"{case}/>")
    return "\n".join([*lines, "  </testsuite>", "</testsuites>", ""])


def _attribute(text: str) -> str:
    return quoteattr(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))
