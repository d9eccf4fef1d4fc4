"""One JSON document for machines."""

from __future__ import annotations

import json

from reporter_ear import BUILT, DIGEST, Ear

from aac_tasks.contracts.result import Event


def test_json_is_one_document_at_the_end() -> None:
    ear = Ear("json")
    ear.tell(Event("start", "image:hello"), BUILT, Event("note", text="runner crun"), Event("output", "x:y", "noise"))
    assert ear.out == ""
    ear.clock.now = 2.0
    ear.reporter.close(0)
    document = json.loads(ear.out)
    assert document["exit"] == 0
    assert document["notes"] == ["runner crun"]
    assert document["seconds"] == 2.0
    (step,) = document["steps"]
    assert (step["step"], step["status"], step["seconds"]) == ("image:hello", "done", 1.24)
    assert step["data"]["outputs"]["digest"] == DIGEST


def test_without_an_exit_code_the_events_decide() -> None:
    ear = Ear("json")
    ear.tell(Event("failed", "test:a", "boom"))
    ear.reporter.close()
    assert json.loads(ear.out)["exit"] == 1


def test_an_abandoned_document_is_not_printed() -> None:
    ear = Ear("json")
    ear.tell(BUILT)
    ear.reporter.close(abandoned=True)
    assert ear.out == ""
