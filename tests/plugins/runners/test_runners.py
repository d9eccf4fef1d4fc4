from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from runner_stage import WEB, Stage, left_behind, shell, start_for_another_cpu, web

from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.roles import ISOLATION, Instance, Runner
from aac_tasks.errors import StepError
from aac_tasks.steps.identity import stat_of
from aac_tasks.steps.instances import kept
from aac_tasks.testing import need


def test_an_agent_answers_on_its_port_and_nothing_is_left_when_it_is_stopped(stage: Stage, runner: Runner) -> None:
    request = stage.request(WEB, web())
    instance = stage.start(runner, request)
    assert stage.answers(instance), stage.said_by(request)
    assert runner.status(instance, stage.tools).state == "running"
    runner.stop(instance, stage.tools, grace=3.0)
    assert runner.status(instance, stage.tools).state == "gone"
    assert [p.name for p in request.state.iterdir()] == []
    assert left_behind(stage) == []
    runner.stop(instance, stage.tools)


def test_whatever_a_killed_run_left_in_the_folder_is_gone_at_the_next_start(stage: Stage, runner: Runner) -> None:
    request = stage.request(WEB, web())
    (request.state / "exec-0.json").write_text("it may hold secrets")
    (request.state / "handle.new").write_text("half")
    instance = stage.start(runner, request)
    assert not {"exec-0.json", "handle.new"} & {path.name for path in request.state.iterdir()}
    runner.stop(instance, stage.tools, grace=1.0)


def test_a_probe_tells_how_strongly_it_isolates(stage: Stage, runner: Runner) -> None:
    assert runner.probe(stage.tools).isolation in ISOLATION


def test_the_environment_comes_from_the_image_and_the_instance_and_from_nowhere_else(stage: Stage, runner: Runner) -> None:
    request = stage.request(shell("env"), InstanceSpec("agent"), env={"MINE": "a b", "EMPTY": ""})
    instance = stage.start(runner, request)
    assert stage.ended(runner, instance)
    said = dict(line.partition("=")[::2] for line in stage.said_by(request).splitlines())
    assert (said["MINE"], said["EMPTY"], said["FROM_IMAGE"]) == ("a b", "", "yes")
    assert not {"PYTHONPATH", "SSL_CERT_FILE", "VIRTUAL_ENV", "SUDO_USER", "PORT"} & set(said)
    runner.stop(instance, stage.tools)


def test_the_agent_is_the_user_that_its_image_names(stage: Stage, runner: Runner) -> None:
    request = stage.request(shell("id -u; id -g; sleep 5", user="agent"), InstanceSpec("agent"))
    instance = stage.start(runner, request)
    stage.tools.wait_until(lambda: stage.said_by(request).count("\n") == 2, timeout=3.0)
    expected = [str(os.geteuid()), str(os.getegid())]
    if runner.name != "host" or os.geteuid() == 0:
        expected = ["10001", "10001"]
    assert stage.said_by(request).split() == expected
    assert runner.execute(instance, ("/bin/id", "-u"), stage.tools) == (0, f"{expected[0]}\n")
    runner.stop(instance, stage.tools)


def test_a_second_program_runs_inside_with_the_same_environment_and_its_exit_code_is_told(stage: Stage, runner: Runner) -> None:
    request = stage.request(shell("sleep 30"), InstanceSpec("agent"), env={"MINE": "here"})
    instance = stage.start(runner, request)
    assert runner.execute(instance, ("sh", "-c", "echo $MINE; exit 7"), stage.tools) == (7, "here\n")
    code, said = runner.execute(instance, ("nonesuch",), stage.tools)
    assert code != 0
    assert "nonesuch" in said
    runner.stop(instance, stage.tools)
    with pytest.raises(StepError, match="agent does not run"):
        runner.execute(instance, ("true",), stage.tools)


def test_a_program_inside_has_the_environment_of_an_agent_that_becomes_others_all_the_time(stage: Stage, runner: Runner) -> None:
    again = 'N=$((N+1)); export N; [ $N -lt 6000 ] && exec /bin/sh -c "$AGAIN"; sleep 30'
    request = stage.request(shell(again), InstanceSpec("agent"), env={"MINE": "here", "AGAIN": again})
    instance = stage.start(runner, request)
    said = [runner.execute(instance, ("sh", "-c", "echo $MINE"), stage.tools) for _ in range(10)]
    assert said == [(0, "here\n")] * 10
    runner.stop(instance, stage.tools, grace=0.2)


def test_no_capability_and_no_new_privilege(stage: Stage, runner: Runner) -> None:
    request = stage.request(shell("cat /proc/self/status"), InstanceSpec("agent"))
    instance = stage.start(runner, request)
    assert stage.ended(runner, instance)
    status = dict(line.partition(":\t")[::2] for line in stage.said_by(request).splitlines())
    assert status["NoNewPrivs"] == "1"
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")} == {0}
    runner.stop(instance, stage.tools)


def test_a_signal_reaches_the_agent(stage: Stage, runner: Runner) -> None:
    request = stage.request(
        shell("trap 'echo got it; exit 3' USR1; echo ready; while :; do sleep 0.05; done"),
        InstanceSpec("agent"),
    )
    instance = stage.start(runner, request)
    stage.tools.wait_until(lambda: "ready" in stage.said_by(request), timeout=3.0)
    runner.signal(instance, signal.SIGUSR1, stage.tools)
    assert stage.ended(runner, instance)
    assert "got it" in stage.said_by(request)
    runner.stop(instance, stage.tools)


def test_an_agent_gets_time_to_end_and_one_that_does_not_care_is_killed(stage: Stage, runner: Runner) -> None:
    polite = stage.request(shell("trap 'echo bye; exit' TERM; echo ready; while :; do sleep 0.05; done"), InstanceSpec("agent"))
    instance = stage.start(runner, polite)
    stage.tools.wait_until(lambda: "ready" in stage.said_by(polite), timeout=3.0)
    runner.stop(instance, stage.tools, grace=5.0)
    assert "bye" in stage.said_by(polite)
    stubborn = stage.request(shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"), InstanceSpec("deaf"))
    instance = stage.start(runner, stubborn)
    stage.tools.wait_until(lambda: "ready" in stage.said_by(stubborn), timeout=3.0)
    begun = stage.tools.now()
    runner.stop(instance, stage.tools, grace=0.2)
    assert stage.tools.now() - begun < 2
    assert left_behind(stage) == []


def test_an_instance_is_found_again_from_its_json(stage: Stage, runner: Runner) -> None:
    request = stage.request(WEB, web(), detach=True)
    instance = decode(Instance, encode(stage.start(runner, request)))
    again = Stage(stage.folder, environment=stage.environment)
    assert runner.status(instance, again.tools).state == "running"
    runner.stop(instance, again.tools, grace=1.0)
    assert left_behind(stage) == []


def test_a_start_in_the_folder_of_one_that_was_forgotten_ends_that_one(stage: Stage, runner: Runner) -> None:
    request = stage.request(shell("sleep 60"), InstanceSpec("agent"), detach=True)
    lost = stage.start(runner, request)
    again = Stage(stage.folder, environment=stage.environment)
    instance = runner.start(request, again.tools)
    assert runner.status(lost, again.tools).state != "running"
    runner.stop(instance, again.tools, grace=0.1)
    assert left_behind(stage) == []


def test_everything_above_also_works_for_a_plain_user() -> None:
    need(os.geteuid() == 0, "already a plain user")
    user = os.environ.get("AAC_TEST_USER", "nobody")
    need(shutil.which("setpriv"), "setpriv is not installed (util-linux)")
    need(stat_of(os.getpid()), "no /proc")
    _run_again_as(user)


HIDE = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'


def _run_again_as(user: str) -> None:
    import pwd
    import sys
    import tempfile

    from aac_tasks.contracts.tools import Process

    row = pwd.getpwnam(user)
    with tempfile.TemporaryDirectory(prefix="aac-plain-") as name:
        folder = Path(name)
        os.chown(folder, row.pw_uid, row.pw_gid)
        stage = Stage(folder)
        python = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", str(Path(__file__).parent))
        hidden = ("unshare", "--mount", "sh", "-c", HIDE, "hide")  # see WRAPPER in conftest.py
        become = (*hidden, "setpriv", f"--reuid={row.pw_uid}", f"--regid={row.pw_gid}", "--clear-groups", "--")
        can = stage.tools.run(Process((*become, sys.executable, "-c", "import pytest"), timeout=20.0))
        need(can.exit_code == 0, f"user {user} can't run {sys.executable}")
        env = {**os.environ, "HOME": name, "TMPDIR": name, "PYTHONDONTWRITEBYTECODE": "1"}
        env.pop("AAC_REQUIRE_REAL", None)
        done = stage.tools.run(Process((*become, *python, "-k", "not plain_user"), env=env, timeout=300.0))
        assert done.exit_code == 0, done.stdout[-6000:]


def test_an_image_for_another_cpu_is_refused_by_name_and_nothing_of_it_stays(stage: Stage, runner: Runner) -> None:
    with pytest.raises(StepError, match=r"^agent-run: (this machine can't run programs|its image is) for linux/strange"):
        start_for_another_cpu(stage, runner)
    assert list(kept(stage.tools.state)) == []
    assert left_behind(stage) == []
