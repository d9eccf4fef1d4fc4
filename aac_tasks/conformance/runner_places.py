"""What every runner that is `Preparing` does alike; for others these tests are skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aac_tasks.conformance.runner_basis import RunnerBasis
from aac_tasks.conformance.runner_reload import SERVER
from aac_tasks.conformance.stage import Stage, web
from aac_tasks.contracts.actions import InstanceSpec, Isolation
from aac_tasks.contracts.running import Preparing, Runner, RunRequest


class RunnerPlaces(RunnerBasis):
    """Part of the suite for runners."""

    @pytest.fixture
    def asked(self, runner: Runner, stage: Stage) -> RunRequest:
        if not isinstance(runner, Preparing):
            pytest.skip(f"{runner.name} makes nothing ahead")
        return stage.request(SERVER, web(), detach=True)

    def test_a_place_takes_one_instance_after_another(self, runner: Runner, stage: Stage, asked: RunRequest) -> None:
        assert isinstance(runner, Preparing)
        state = stage.folder / "a place"
        place = runner.prepare(replace(asked, state=state), stage.tools)
        assert place
        seen = []
        try:
            for number in range(2):
                request = replace(asked, image=stage.image(SERVER, {"www/page": b"%d" % number}), place=place)
                instance = stage.start(runner, request)
                assert stage.answers(instance)
                said = runner.execute(instance, ("wget", "-qO-", "http://127.0.0.1:8080/page"), stage.tools)
                assert said == (0, str(number))
                another = ("wget", "-qO-", f"{instance.url_inside}/page")
                assert runner.execute(instance, another, stage.tools) == (0, str(number))
                seen.append((instance.ports, instance.inside))
                runner.stop(instance, stage.tools, grace=1.0)
                assert runner.status(instance, stage.tools).state == "gone"
        finally:
            runner.give_up(state, stage.tools)
        assert seen[0] == seen[1]
        runner.give_up(state, stage.tools)  # nothing happens

    def test_a_place_that_is_gone_is_no_matter(self, runner: Runner, stage: Stage, asked: RunRequest) -> None:
        assert isinstance(runner, Preparing)
        state = stage.folder / "a place"
        place = runner.prepare(replace(asked, state=state), stage.tools)
        runner.give_up(state, stage.tools)
        instance = stage.start(runner, replace(asked, place=place))
        assert stage.answers(instance)

    def test_without_a_network_there_is_nothing_to_prepare(self, runner: Runner, stage: Stage, asked: RunRequest) -> None:
        assert isinstance(runner, Preparing)
        spec = InstanceSpec("alone", isolation=Isolation(network="none"))
        assert not runner.prepare(replace(asked, instance=spec), stage.tools)
