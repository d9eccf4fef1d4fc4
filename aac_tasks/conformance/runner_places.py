"""What every runner that is `Preparing` does alike; for others these tests are skipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aac_tasks.conformance.runner_basis import RunnerBasis
from aac_tasks.conformance.runner_reload import NEW, OLD, SERVER, changes
from aac_tasks.conformance.stage import Stage, web
from aac_tasks.contracts.actions import InstanceSpec, Isolation
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.running import Preparing, Runner, RunRequest
from aac_tasks.errors import StepError

MOVED = {"www/page/": b"", "www/page/inside": b"inside\n", "www/folder": b"no folder"}
"""A folder where `OLD` has a file, and a file where it has a folder."""


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

    def test_files_of_another_image_go_into_a_place(self, runner: Runner, stage: Stage, asked: RunRequest) -> None:
        assert isinstance(runner, Preparing)
        config = replace(SERVER, entrypoint=("sh", *SERVER.entrypoint[1:]))  # looked up in the image's PATH
        ahead = replace(asked, config=config, env={"WORD": "of mine"})
        ahead = replace(ahead, image=stage.image(config, OLD), state=stage.folder / "a place", log=stage.folder / "place.log")
        place: JsonObject = {}
        reached = []
        try:
            for number in range(2):
                place = runner.prepare(replace(ahead, place=place), stage.tools)
                what = changes(stage.folder / f"{number}.tar", {**MOVED, "www/number": b"%d" % number})
                image = stage.image(config, {"www/number": b"%d" % number})
                begun = replace(ahead, image=image, state=asked.state, log=asked.log, place=place, changes=what)
                instance = stage.start(runner, begun)
                assert stage.answers(instance)
                assert instance.image == begun.image.manifest.digest
                ask = "cd /www && cat number page/inside folder index.html && ls -ln number && tr '\\0' '\\n' </proc/1/environ"
                code, said = runner.execute(instance, ("sh", "-c", ask), stage.tools)
                assert (code, said.splitlines()[:2]) == (0, [f"{number}inside", "no folderwell"])
                assert "-rw-r--r--    1 0        0 " in said, stage.notes
                assert "WORD=of mine" in said.splitlines()
                stage.tools.wait_until(lambda: "begins" in stage.said_by(begun), timeout=5.0)  # noqa: B023  # called at once
                assert stage.said_by(begun).count("begins") == 1
                reached.append((instance.ports, instance.inside))
                runner.stop(instance, stage.tools, grace=1.0)
                assert runner.status(instance, stage.tools).state == "gone"
                begun.log.unlink()
        finally:
            runner.give_up(ahead.state, stage.tools)
        assert reached[0] == reached[1]

    def test_a_program_that_is_not_there_does_not_begin(self, runner: Runner, stage: Stage, asked: RunRequest) -> None:
        assert isinstance(runner, Preparing)
        config = replace(SERVER, entrypoint=("no-such-program",))
        asked = replace(asked, config=config, image=stage.image(config))
        state = stage.folder / "a place"
        place = runner.prepare(replace(asked, state=state, log=stage.folder / "place.log"), stage.tools)
        what = changes(stage.folder / "changes.tar", NEW)
        try:
            instance = stage.start(runner, replace(asked, place=place, changes=what))
            assert stage.tools.wait_until(lambda: runner.status(instance, stage.tools).exit_code == 127, timeout=5.0)
        except StepError as error:
            assert "no-such-program" in error.message
        finally:
            runner.give_up(state, stage.tools)

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
