"""The docker runner against real engines, with both of their image stores."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from real.dockerd import Engine
from runner_stage import WEB, Stage, shell, start_for_another_cpu, web

from aac_plugins.runners.docker import DockerRunner
from aac_tasks.contracts.actions import Check, InstanceSpec, Isolation, Limits, Mount, TestAction
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.running import Instance
from aac_tasks.errors import StepError
from aac_tasks.steps.test import Bench, run_tests

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.xdist_group("docker")]

NAMED = {"dev.agent.name": "greeter", "org.opencontainers.image.version": "1.2"}
RUNNER = DockerRunner()


@pytest.fixture
def stage(docker_engine: Engine, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path, environment={**os.environ, **docker_engine.env})
    yield made
    made.finish()
    left = docker_engine.docker("ps", "-aq", "--filter", "label=dev.agent.instance").ok().stdout
    assert left == ""


def test_docker_run_finds_the_image_by_its_name(stage: Stage, docker_engine: Engine) -> None:
    request = stage.request(replace(WEB, labels=NAMED), web())
    instance = stage.start(RUNNER, request)
    RUNNER.stop(instance, stage.tools, grace=0)
    ran = docker_engine.docker("run", "--rm", "--network=none", "--entrypoint=/bin/cat", "greeter:1.2", "/www/index.html")
    assert ran.ok().stdout == "well\n"


def test_an_agent_answers_on_the_port_that_the_engine_chose(stage: Stage) -> None:
    assert RUNNER.probe(stage.tools).isolation == "engine"
    request = stage.request(WEB, web(), env={"TOKEN": "x"}, detach=True)
    instance = decode(Instance, encode(stage.start(RUNNER, request)))
    assert stage.answers(instance)
    assert RUNNER.status(instance, stage.tools).state == "running"
    assert RUNNER.execute(instance, ("sh", "-c", "echo $TOKEN; id -u; exit 7"), stage.tools) == (7, "x\n10001\n")
    code, said = RUNNER.execute(instance, ("nonesuch",), stage.tools)
    assert code != 0
    assert "nonesuch" in said
    RUNNER.stop(instance, stage.tools, grace=1)
    assert RUNNER.status(instance, stage.tools).state == "gone"
    RUNNER.stop(instance, stage.tools)


def test_exit_code_and_log_are_told(stage: Stage) -> None:
    request = stage.request(shell("echo last words; exit 3"), InstanceSpec("agent"))
    instance = stage.start(RUNNER, request)
    assert stage.ended(RUNNER, instance)
    assert RUNNER.status(instance, stage.tools).exit_code == 3
    RUNNER.stop(instance, stage.tools)
    assert stage.said_by(request) == "last words\n"


def test_without_the_docker_command_the_log_comes_through_the_socket(stage: Stage, tmp_path: Path) -> None:
    bare = Stage(tmp_path / "bare", environment={**stage.environment, "PATH": str(tmp_path)})
    request = bare.request(shell("echo last words"), InstanceSpec("agent"))
    instance = bare.start(RUNNER, request)
    assert bare.ended(RUNNER, instance)
    RUNNER.stop(instance, bare.tools)
    assert bare.said_by(request) == "last words\n"
    errors = tmp_path / "errors"
    request = bare.request(shell("echo answer; echo warning >&2"), InstanceSpec("apart"), errors=errors)
    instance = bare.start(RUNNER, request)
    assert bare.ended(RUNNER, instance)
    RUNNER.stop(instance, bare.tools)
    assert (bare.said_by(request), errors.read_text()) == ("answer\n", "warning\n")


def test_rights_limits_and_mounts_are_what_was_asked(stage: Stage) -> None:
    (stage.tools.root / "shared").mkdir()
    (stage.tools.root / "shared" / "note").write_text("from outside")
    spec = InstanceSpec(
        "agent",
        mounts=(Mount("bind", "/mnt", "shared", read_only=True), Mount("tmpfs", "/scratch", size=1 << 20)),
        limits=Limits(cpu=0.5, memory=64 << 20),
        isolation=Isolation(read_only_root=True),
    )
    script = "cat /mnt/note; echo; touch /mnt/x || echo ro; touch /y || echo sealed; touch /scratch/z && cat /proc/self/status"
    request = stage.request(shell(script), spec)
    instance = stage.start(RUNNER, request)
    assert stage.ended(RUNNER, instance)
    RUNNER.stop(instance, stage.tools)
    said = stage.said_by(request)
    assert "from outside" in said
    assert "ro\n" in said
    assert "sealed\n" in said
    assert "CapBnd:\t0000000000000000" in said
    assert "NoNewPrivs:\t1" in said


def test_a_port_that_is_taken_is_told_and_no_container_is_left(stage: Stage) -> None:
    first = stage.start(RUNNER, stage.request(WEB, web("first")))
    assert stage.answers(first)
    taken = first.ports["8080/tcp"]
    with pytest.raises(StepError, match=f"second: port {taken} is taken by"):
        stage.start(RUNNER, stage.request(WEB, web("second", host=taken)))


def test_an_image_for_another_cpu_is_refused_by_name(stage: Stage) -> None:
    with pytest.raises(StepError, match=r"^agent-run: this machine can't run programs for linux/strange\n.*QEMU"):
        start_for_another_cpu(stage, RUNNER)


def test_a_signal_reaches_the_agent(stage: Stage) -> None:
    script = "trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.05; done"
    request = stage.request(shell(script), InstanceSpec("agent"))
    instance = stage.start(RUNNER, request)
    stage.tools.wait_until(lambda: "ready" in stage.said_by(request), timeout=3.0)
    RUNNER.signal(instance, signal.SIGUSR1, stage.tools)
    assert stage.ended(RUNNER, instance)
    assert RUNNER.status(instance, stage.tools).exit_code == 3


def test_a_start_in_the_folder_of_one_that_was_forgotten_ends_that_one(stage: Stage) -> None:
    request = stage.request(shell("sleep 60"), InstanceSpec("agent"))
    lost = RUNNER.start(request, stage.tools)
    stage.start(RUNNER, request)
    assert RUNNER.status(lost, stage.tools).state == "gone"


def test_a_run_that_is_cancelled_leaves_no_container(stage: Stage) -> None:
    instance = stage.start(RUNNER, stage.request(shell("sleep 60"), InstanceSpec("agent")))
    stage.cancelled.set()
    with pytest.raises(StepError):
        RUNNER.stop(instance, stage.tools)
    stage.cancelled.clear()
    assert RUNNER.status(instance, stage.tools).state == "gone"


OPEN = shell('exec httpd -f -p "$LISTEN:8080" -h /www', env=("PATH=/bin", "LISTEN=0.0.0.0"))
CLOSED = replace(OPEN, env=("PATH=/bin", "LISTEN=127.0.0.1"))
LISTENS = ("sh", "-c", "wget -qO- http://$LISTEN:8080/ && [ $LISTEN = 0.0.0.0 ]")


@pytest.mark.parametrize("probe", [HealthProbe("http", port=8080), HealthProbe("tcp", port=8080, command=LISTENS)])
def test_the_test_step_runs_with_it(stage: Stage, probe: HealthProbe) -> None:
    check = Check("answers", "http", {"request": {"path": "/"}, "expect": {"body": "well"}})
    action = TestAction(replace(web(), probe=probe), (check,), 20.0)
    bench = Bench(action, stage.image(OPEN), OPEN, RUNNER, {}, stage.tools.state / "test")
    assert run_tests(bench, stage.tools).outputs["passed"] == 2


@pytest.mark.parametrize("probe", [HealthProbe("http", port=8080), HealthProbe("tcp", port=8080, command=LISTENS)])
def test_an_agent_that_listens_only_to_itself_is_not_well_although_the_port_accepts(stage: Stage, probe: HealthProbe) -> None:
    action = TestAction(replace(web(), probe=probe), (), 1.5)
    bench = Bench(action, stage.image(CLOSED), CLOSED, RUNNER, {}, stage.tools.state / "test")
    with pytest.raises(StepError, match=r"was not well within 1.5 s(.|\n)*does it listen on 0\.0\.0\.0"):
        run_tests(bench, stage.tools)


def test_an_engine_that_is_not_there_is_a_reason_and_not_a_crash(tmp_path: Path) -> None:
    for host, said in (
        (f"unix://{tmp_path}/none.sock", "no engine at"),
        ("ssh://me@elsewhere", "is reached by ssh"),
        ("tcp://127.0.0.1:1", "127.0.0.1:1"),
    ):
        stage = Stage(tmp_path, environment={**os.environ, "DOCKER_HOST": host})
        probe = RUNNER.probe(stage.tools)
        assert not probe.works
        assert said in probe.reason
