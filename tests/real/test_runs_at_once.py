"""Two runs of one checkout with an edit between them: what one found out is never said of what the other built."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from real.doors import installed

from aac_tasks.contracts.result import Event
from aac_tasks.errors import StepError
from aac_tasks.session import Options, Session, with_environment

AGENT = """
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: hello}
spec:
  runtime: paper
  model: {provider: openai, name: m}
  tests: [{type: structure, name: files, files: [{path: /app/needed}]}]
"""


@pytest.fixture
def sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Event]], Session]:
    """Runs of one author; each has planned before the next begins."""
    monkeypatch.syspath_prepend(installed(tmp_path, "paper", "real.paper"))
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in {"agent.yaml": AGENT, "run": "", "needed": ""}.items():
        (folder / name).write_text(text)
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    options = with_environment(Options(folder, runner="paper"), environment)

    def begin(events: list[Event]) -> Session:
        session = Session(options, events.append)
        session.plan()
        return session

    return begin


def do(session: Session, *kinds: str) -> None:
    for kind in kinds:
        if not session.judge(f"{kind}:hello").fresh:
            session.run_step(f"{kind}:hello")


def test_a_run_that_an_edit_overtook_does_not_vouch_for_the_image_of_the_run_after_it(
    sessions: Callable[[list[Event]], Session],
) -> None:
    events: list[Event] = []
    early = sessions([])
    do(early, "parse", "lock", "dockerfile", "image")
    (early.root / "needed").unlink()
    late = sessions(events)
    do(late, "parse", "lock", "dockerfile", "image")
    do(early, "test")
    with pytest.raises(StepError, match="/app/needed"):
        do(late, "test")
    assert [e.type for e in events if e.step == "test:hello" and e.type in ("cached", "fresh", "done")] == []


def test_what_two_runs_made_of_two_trees_is_in_the_cache_under_the_right_one(
    sessions: Callable[[list[Event]], Session],
) -> None:
    events: list[Event] = []
    early = sessions([])
    do(early, "parse", "lock", "dockerfile", "image")
    image = early.image("hello")
    (early.root / "run").write_text("edited")
    late = sessions([])
    do(late, "parse", "lock", "dockerfile", "image")
    do(early, "test")
    do(late, "test")
    (late.root / "run").write_text("")
    again = sessions(events)
    do(again, "image", "test")
    assert again.image("hello") == image
    assert {e.step: e.type for e in events if e.type in ("cached", "done")} == {"image:hello": "cached", "test:hello": "cached"}
