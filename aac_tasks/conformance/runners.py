"""What every runner does alike: the same images, the same observable results.

::

    from aac_tasks.conformance.runners import RunnerConformance

    class TestMine(RunnerConformance):
        lacks = frozenset({"gpu", "restart"})

        @pytest.fixture
        def runner(self) -> Runner:
            return Mine()

``lacks`` declares what it can't do, in the words of `CAN_LACK` (see `aac_tasks.conformance.runner_basis`): those tests then ask
for a refusal or a note instead.
Override ``stage`` to give the tools another environment.
"""

from __future__ import annotations

import contextlib
import signal
from dataclasses import replace

import pytest

from aac_tasks.conformance.runner_basis import CAN_LACK as CAN_LACK
from aac_tasks.conformance.runner_places import RunnerPlaces
from aac_tasks.conformance.runner_reload import RunnerReload
from aac_tasks.conformance.runner_rights import RunnerRights
from aac_tasks.conformance.stage import WEB, Stage, shell, web
from aac_tasks.contracts.actions import InstanceSpec, Isolation, Mount, PortMapping
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import ImageConfig
from aac_tasks.contracts.running import Instance, Interactive, Runner
from aac_tasks.contracts.tools import HttpRequest
from aac_tasks.errors import ProgramError, StepError

OPEN = shell('exec httpd -f -p "0.0.0.0:${PORT:-8080}" -h "$WWW"')
"""Reached from outside of a container too."""


class RunnerConformance(RunnerRights, RunnerReload, RunnerPlaces):
    """Inherit from it; see the module."""

    def test_an_agent_answers_on_its_port_and_is_gone_when_it_is_stopped(self, runner: Runner, stage: Stage) -> None:
        instance = decode(Instance, encode(stage.start(runner, stage.request(OPEN, web(), detach=True))))
        assert stage.answers(instance)
        with stage.tools.http(HttpRequest("GET", f"http://{instance.address}:{instance.ports['8080/tcp']}/index.html")) as page:
            assert page.read() == b"well\n"
        assert runner.status(instance, stage.tools).state == "running"
        runner.stop(instance, stage.tools, grace=2)
        assert runner.status(instance, stage.tools).state == "gone"
        assert not stage.tools.connects(instance.address, instance.ports["8080/tcp"])
        runner.stop(instance, stage.tools)

    def test_a_port_can_have_another_number_outside(self, runner: Runner, stage: Stage) -> None:
        port = stage.tools.free_port()
        spec = InstanceSpec("agent", ports=(PortMapping(8080, port),))
        instance = stage.start(runner, stage.request(OPEN, spec))
        assert instance.ports == {"8080/tcp": port}
        assert stage.answers(instance)
        if "mapped-ports" not in self.lacks:
            assert runner.execute(instance, ("wget", "-qO-", "http://127.0.0.1:8080/index.html"), stage.tools) == (0, "well\n")

    def test_another_instance_reaches_it_where_it_says(self, runner: Runner, stage: Stage) -> None:
        first = stage.start(runner, stage.request(OPEN, web("first")))
        assert stage.answers(first)
        ask = shell(f"wget -qO- {first.url_inside}/index.html")
        assert self.said_by_one(runner, stage, stage.request(ask, InstanceSpec("second"))) == "well\n"

    def test_a_port_that_is_taken_is_told_and_nothing_is_left(self, runner: Runner, stage: Stage) -> None:
        port = stage.tools.free_port()
        assert stage.answers(stage.start(runner, stage.request(OPEN, web("first", port))))
        with pytest.raises(StepError, match=f"second: port {port} is taken by"):
            stage.start(runner, stage.request(OPEN, web("second", port)))
        assert not any((stage.folder / "instances" / "second").iterdir())

    def test_entrypoint_command_folder_and_environment(self, runner: Runner, stage: Stage) -> None:
        script = 'echo "$0 $1 $MINE $FROM_IMAGE [$EMPTY] $HOSTNAME"; pwd'
        config = replace(shell(script, cmd=("zero", "one")), working_dir="/data")
        request = stage.request(config, InstanceSpec("agent"), env={"MINE": "a  b", "EMPTY": ""})
        said = self.said_by_one(runner, stage, request).splitlines()
        assert said[0] == "zero one a  b yes [] agent"
        assert said[1] == "/data" or ("root" in self.lacks and said[1].endswith("/data"))
        own = stage.request(config, InstanceSpec("other", command=("zwei", "drei")))
        assert self.said_by_one(runner, stage, own).startswith("zwei drei ")

    def test_nothing_of_the_users_environment_is_in_it(self, runner: Runner, stage: Stage) -> None:
        request = stage.request(shell("env"), InstanceSpec("agent"))
        names = {line.partition("=")[0] for line in self.said_by_one(runner, stage, request).splitlines()}
        assert not names & {"PYTHONPATH", "VIRTUAL_ENV", "SUDO_USER", "DOCKER_HOST", "PORT", "PYTEST_CURRENT_TEST"}

    def test_the_user_is_the_images_or_the_one_that_was_asked_for(self, runner: Runner, stage: Stage) -> None:
        if "user" in self.lacks:
            pytest.skip("it runs as the caller")
        ask = shell("id -u; id -g", user="agent")
        assert self.said_by_one(runner, stage, stage.request(ask, InstanceSpec("agent"))).split() == ["10001", "10001"]
        other = InstanceSpec("other", isolation=Isolation(user="2001:2002"))
        assert self.said_by_one(runner, stage, stage.request(ask, other)).split() == ["2001", "2002"]

    def test_files_are_the_images(self, runner: Runner, stage: Stage) -> None:
        if "root" in self.lacks:
            pytest.skip("absolute paths are the host's")
        script = "cat /www/index.html /own; [ -x /own ] && echo runs; ls /; touch /data/x && echo wrote"
        said = self.said_by_one(runner, stage, stage.request(shell(script), InstanceSpec("agent"), files={"own": b"mine\n"}))
        assert said.startswith("well\nmine\nruns\n")
        assert said.endswith("wrote\n")
        assert not {"home", "root", "work"} & set(said.split())

    @pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("sh -c 'kill -9 $$; true'; exit $?", 137)])
    def test_the_exit_code_is_told(self, runner: Runner, stage: Stage, script: str, code: int) -> None:
        instance = stage.start(runner, stage.request(shell(script), InstanceSpec("agent")))
        assert stage.ended(runner, instance)
        assert runner.status(instance, stage.tools).exit_code == code

    def test_both_streams_are_in_the_log_and_stay_there(self, runner: Runner, stage: Stage) -> None:
        request = stage.request(shell("echo one; echo two >&2; echo -n three"), InstanceSpec("agent"))
        said = self.said_by_one(runner, stage, request)
        assert all(word in said for word in ("one\n", "two\n", "three"))

    def test_stderr_can_have_a_file_of_its_own(self, runner: Runner, stage: Stage) -> None:
        errors = stage.folder / "errors"
        request = stage.request(shell("echo one; echo two >&2; echo three"), InstanceSpec("agent"), errors=errors)
        assert self.said_by_one(runner, stage, request) == "one\nthree\n"
        assert errors.read_text() == "two\n"

    def test_a_signal_reaches_the_agent(self, runner: Runner, stage: Stage) -> None:
        script = "trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
        request = stage.request(shell(script), InstanceSpec("agent"))
        instance = stage.start(runner, request)
        assert stage.tools.wait_until(lambda: "ready" in stage.said_by(request), timeout=5.0)
        runner.signal(instance, signal.SIGUSR1, stage.tools)
        assert stage.ended(runner, instance)
        assert runner.status(instance, stage.tools).exit_code == 3
        runner.stop(instance, stage.tools)
        assert "got it" in stage.said_by(request)

    def test_an_agent_may_end_in_its_own_way_and_one_that_does_not_is_killed(self, runner: Runner, stage: Stage) -> None:
        goes, on = "trap 'echo bye; exit' TERM", "echo ready; while :; do sleep 0.05; done"
        polite = stage.request(shell(f"{goes}; {on}"), InstanceSpec("agent"))
        deaf = stage.request(shell(f"trap '' TERM; {on}"), InstanceSpec("deaf"))
        for request in (polite, deaf):
            instance = stage.start(runner, request)
            assert stage.tools.wait_until(lambda said=request: "ready" in stage.said_by(said), timeout=5.0)  # type: ignore[misc]
            runner.stop(instance, stage.tools, grace=5.0 if request is polite else 0.5)
            assert runner.status(instance, stage.tools).state == "gone"
        assert "bye" in stage.said_by(polite)

    def test_a_second_program_has_the_agents_user_and_environment(self, runner: Runner, stage: Stage) -> None:
        instance = stage.start(runner, stage.request(shell("sleep 30"), InstanceSpec("agent"), env={"MINE": "here"}))
        assert runner.execute(instance, ("sh", "-c", "echo $MINE; exit 7"), stage.tools) == (7, "here\n")
        code, said = runner.execute(instance, ("nonesuch",), stage.tools)
        assert code != 0
        assert "nonesuch" in said
        if "user" not in self.lacks:
            assert runner.execute(instance, ("id", "-u"), stage.tools) == (0, "10001\n")
        if isinstance(runner, Interactive):
            with runner.enter(instance, ("sh", "-c", "echo $MINE; exit 7"), stage.tools, terminal=False) as process:
                done = stage.tools.run(process)
            assert (done.exit_code, done.stdout) == (7, "here\n")
        runner.stop(instance, stage.tools, grace=0.1)
        with pytest.raises(StepError, match="agent does not run"):
            runner.execute(instance, ("true",), stage.tools)

    @pytest.mark.parametrize(
        ("program", "code", "said"),
        [
            ("nonesuch", 127, "agent has no program 'nonesuch' "),
            ("./nonesuch", 127, "agent has no program './nonesuch'$"),
            ("/www/index.html", 126, "agent: /www/index.html can't be executed"),
            ("/www", 126, "agent: /www can't be executed"),
        ],
    )
    def test_a_program_that_is_not_there_is_missed_as_a_shell_does(
        self, runner: Runner, stage: Stage, program: str, code: int, said: str
    ) -> None:
        if not isinstance(runner, Interactive):
            pytest.skip("it lets nobody in")
        here, mounts = ("/scratch/here", (Mount("tmpfs", "/scratch"),)) if "root" not in self.lacks else ("true", ())
        script = "cat /bin/busybox >/scratch/here; busybox chmod 755 /scratch/here; echo ready; sleep 30"
        request = stage.request(shell(script), InstanceSpec("agent", mounts=mounts))
        instance = stage.start(runner, request)
        assert stage.tools.wait_until(lambda: "ready" in stage.said_by(request), timeout=5.0)
        for word in ("true", here):
            with runner.enter(instance, (word,), stage.tools, terminal=False):
                pass
        with pytest.raises(ProgramError, match=said) as caught, runner.enter(instance, (program,), stage.tools, terminal=False):
            pass
        assert caught.value.exit_code == code
        runner.stop(instance, stage.tools, grace=0.1)

    def test_nobody_enters_an_agent_that_has_ended(self, runner: Runner, stage: Stage) -> None:
        if not isinstance(runner, Interactive):
            pytest.skip("it lets nobody in")
        instance = stage.start(runner, stage.request(shell("true"), InstanceSpec("agent")))
        assert stage.ended(runner, instance)
        with pytest.raises(StepError, match="agent does not run"), runner.enter(instance, ("true",), stage.tools, terminal=False):
            pass

    def test_an_image_with_nothing_to_start_is_refused_and_leaves_nothing(self, runner: Runner, stage: Stage) -> None:
        request = stage.request(ImageConfig(user="10001"), InstanceSpec("agent"))
        with pytest.raises(StepError):
            stage.start(runner, request)
        assert not any(request.state.iterdir())

    def test_an_agent_whose_program_is_missing_does_not_run(self, runner: Runner, stage: Stage) -> None:
        request = stage.request(replace(WEB, entrypoint=("/app/nonesuch",)), InstanceSpec("agent"))
        try:
            instance = stage.start(runner, request)
        except StepError as error:
            assert "nonesuch" in str(error)
            return
        assert stage.ended(runner, instance)
        assert runner.status(instance, stage.tools).exit_code not in (0, None)
        assert "nonesuch" in stage.said_by(request)

    def test_a_start_in_the_folder_of_one_that_was_forgotten_ends_that_one(self, runner: Runner, stage: Stage) -> None:
        request = stage.request(shell("sleep 60"), InstanceSpec("agent"), detach=True)
        lost = stage.start(runner, request)
        again = Stage(stage.folder, environment=stage.environment)
        stage.started.append((runner, runner.start(request, again.tools)))
        assert runner.status(lost, stage.tools).state != "running"

    def test_a_run_that_is_cancelled_leaves_nothing_running(self, runner: Runner, stage: Stage) -> None:
        instance = stage.start(runner, stage.request(shell("sleep 60"), InstanceSpec("agent")))
        stage.cancelled.set()
        with contextlib.suppress(StepError):  # it may say so; what counts is below
            runner.stop(instance, stage.tools, grace=0.1)
        stage.cancelled.clear()
        assert runner.status(instance, stage.tools).state == "gone"
