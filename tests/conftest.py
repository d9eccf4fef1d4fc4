"""The fixtures of `aac_tasks.testing` (also in a bare checkout), real servers, and times per suite."""

from __future__ import annotations

from collections import defaultdict

import pytest

pytest_plugins = ("aac_tasks.testing", "real.dockerd", "real.podman", "real.shelf", "real.warm_cache")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line per folder below tests/: how many tests, and the seconds they took together."""
    seconds: defaultdict[str, float] = defaultdict(float)
    tests: defaultdict[str, set[str]] = defaultdict(set)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                suite = report.nodeid.removeprefix("tests/").partition("/")[0]
                seconds[suite] += report.duration
                tests[suite].add(report.nodeid)
    if len(tests) > 1:
        terminalreporter.section("times per suite")
        for suite in sorted(tests):
            terminalreporter.write_line(f"{seconds[suite]:8.1f} s  {len(tests[suite]):5} tests  {suite}")
