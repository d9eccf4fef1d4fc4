"""Mounts, limits, ports and refusals: the same for every runner."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from runner_stage import WEB, Stage, left_behind, shell

from aac_plugins.runners.host import HostRunner
from aac_plugins.runners.records import write_record
from aac_plugins.runners.runc import OciRuntime
from aac_tasks.contracts.actions import InstanceSpec, Isolation, Limits, Mount, PortMapping
from aac_tasks.contracts.image import ImageConfig
from aac_tasks.contracts.roles import Runner, RunRequest
from aac_tasks.errors import StepError
from aac_tasks.testing import need


def test_mounts_hold_what_they_say(stage: Stage, runner: Runner) -> None:
    (stage.tools.root / "shared").mkdir()
    (stage.tools.root / "shared" / "note").write_text("from outside")
    (stage.tools.root / "shared").chmod(0o777)
    mounts = (
        Mount("bind", "/mnt/in", "shared"),
        Mount("tmpfs", "/scratch", size=1 << 20),
        Mount("volume", "/data", "kept"),
    )
    base = "/" if runner.name != "host" else f"{stage.folder}/instances/agent/root/"
    script = f"cat {base}mnt/in/note; echo x > {base}scratch/x && echo y > {base}data/y && echo done; sleep 9"
    request = stage.request(shell(script), InstanceSpec("agent", mounts=mounts))
    instance = stage.start(runner, request)
    stage.tools.wait_until(lambda: "done" in stage.said_by(request), timeout=3.0)
    runner.stop(instance, stage.tools, grace=0.1)
    assert "from outside" in stage.said_by(request)
    assert (stage.tools.state / "volumes" / "kept" / "y").read_text() == "y\n"
    assert (stage.tools.root / "shared" / "note").read_text() == "from outside"


@pytest.mark.parametrize(
    ("mount", "said"),
    [
        (Mount("bind", "/mnt", "../outside"), "lies outside the workspace"),
        (Mount("bind", "/mnt", "/etc"), "lies outside the workspace"),
        (Mount("bind", "/mnt", "absent"), "is not there"),
        (Mount("tmpfs", "/mnt/../.."), "is not an absolute path inside the image"),
        (Mount("volume", "/mnt", "../x"), "is not a volume's name"),
    ],
)
def test_a_mount_that_leads_out_is_refused(stage: Stage, runner: Runner, mount: Mount, said: str) -> None:
    request = stage.request(WEB, InstanceSpec("agent", mounts=(mount,)))
    with pytest.raises(StepError, match=said):
        stage.start(runner, request)
    assert list(request.state.iterdir()) == []


def test_the_root_can_be_read_only(stage: Stage, runner: Runner) -> None:
    isolation = Isolation(read_only_root=True)
    script = "touch /data/x || echo refused; echo x > /tmp/x && echo wrote"
    instance_spec = InstanceSpec("agent", isolation=isolation, mounts=(Mount("tmpfs", "/tmp"),))
    request = stage.request(shell(script), instance_spec)
    instance = stage.start(runner, request)
    assert stage.ended(runner, instance)
    if runner.name == "host":
        assert any("a read-only root has no effect" in note for note in stage.notes)
    else:
        assert "refused\nwrote\n" in stage.said_by(request)
    runner.stop(instance, stage.tools)


def test_memory_beyond_the_limit_is_refused(stage: Stage, runner: Runner) -> None:
    hungry = "x=x; i=0; while [ $i -lt 28 ]; do x=$x$x; i=$((i+1)); done; echo survived"
    request = stage.request(shell(hungry), InstanceSpec("agent", limits=Limits(memory=24 << 20)))
    instance = stage.start(runner, request)
    assert stage.ended(runner, instance)
    assert "survived" not in stage.said_by(request)
    runner.stop(instance, stage.tools)


def own_port(stage: Stage, name: str, port: int, host: int = 0) -> RunRequest:
    """An agent on a port that no other test has, so that nobody else takes or frees it meanwhile."""
    image = shell(f'exec httpd -f -p "127.0.0.1:${{PORT:-{port}}}" -h "$WWW"')
    return stage.request(image, InstanceSpec(name, ports=(PortMapping(port, host),)))


def test_a_port_that_is_taken_moves_and_the_agent_is_told(stage: Stage, runner: Runner) -> None:
    port = stage.tools.free_port()
    first, second = (stage.start(runner, own_port(stage, name, port)) for name in ("first", "second"))
    assert all(stage.answers(instance, f"{port}/tcp") for instance in (first, second))
    assert first.ports[f"{port}/tcp"] == port
    assert second.ports[f"{port}/tcp"] != port
    assert any("second is told PORT=" in note for note in stage.notes)
    for instance in (first, second):
        runner.stop(instance, stage.tools, grace=0.5)


def test_a_fixed_port_that_is_taken_is_an_error_that_names_who_has_it(stage: Stage, runner: Runner) -> None:
    port = stage.tools.free_port()
    first = stage.start(runner, own_port(stage, "first", port))
    assert stage.answers(first, f"{port}/tcp")
    with pytest.raises(StepError, match=rf"second: port {port} is taken by .*(busybox|httpd).* \(pid \d+\)"):
        stage.start(runner, own_port(stage, "second", port, host=port))
    runner.stop(first, stage.tools, grace=0.5)


def test_a_second_port_does_not_move(stage: Stage, runner: Runner) -> None:
    request = stage.request(WEB, InstanceSpec("agent", ports=(PortMapping(8080), PortMapping(9000, 9001))))
    with pytest.raises(StepError, match="port 9000 can't become 9001"):
        stage.start(runner, request)


def test_an_image_with_nothing_to_start_is_refused_and_leaves_nothing(stage: Stage, runner: Runner) -> None:
    request = stage.request(ImageConfig(user="10001"), InstanceSpec("agent"))
    with pytest.raises(StepError, match="neither entrypoint nor command"):
        stage.start(runner, request)
    assert list(request.state.iterdir()) == []


def test_an_agent_whose_program_is_missing_does_not_run(stage: Stage, runner: Runner) -> None:
    request = stage.request(replace(WEB, entrypoint=("/app/nonesuch",)), InstanceSpec("agent"))
    try:
        instance = stage.start(runner, request)
    except StepError as error:
        assert "nonesuch" in str(error)
    else:
        assert stage.ended(runner, instance)
        assert "nonesuch" in stage.said_by(request)
        runner.stop(instance, stage.tools)
    assert left_behind(stage) == []


def test_a_test_instance_ends_with_the_run_that_started_it(stage: Stage, runner: Runner) -> None:
    if runner.name in ("crun", "runc"):
        pytest.skip("a container outlives its minder until the next start finds it")
    instance = stage.start(runner, stage.request(shell("sleep 60"), InstanceSpec("agent")))
    stage.shop.processes.kill_children(grace=0.5)
    assert runner.status(instance, stage.tools).state != "running"
    runner.stop(instance, stage.tools)


def test_a_container_whose_start_was_killed_before_it_was_written_down_is_ended_by_the_next(stage: Stage) -> None:
    """What runc leaves then waits for a start that never comes, and is named nowhere but in its environment."""
    runner = OciRuntime("runc")
    need(os.geteuid() == 0 and runner.probe(stage.tools).works, "runc does not work here")
    request = stage.request(shell("sleep 60"), InstanceSpec("agent"))
    name, bundle = f"aac-agent-{secrets.token_hex(4)}", stage.folder / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    shutil.copy("/bin/busybox", bundle / "rootfs")
    write_record(request.state, {"state": str(request.state), "id": name})
    subprocess.run(("runc", "spec"), cwd=bundle, check=True)
    spec = json.loads((bundle / "config.json").read_text())
    process = {**spec["process"], "terminal": False, "args": ["/busybox"]}
    (bundle / "config.json").write_text(json.dumps({**spec, "process": process}))
    root = request.state / "runtime"
    made = ("runc", "--root", str(root), "create", "--bundle", str(bundle), "--pid-file", str(bundle / "pid"), name)
    subprocess.run(made, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    (root / name / "state.json").unlink()
    left = Path("/proc", (bundle / "pid").read_text())
    assert left.exists()
    instance = stage.start(runner, request)
    assert stage.tools.wait_until(lambda: not left.exists(), timeout=5.0), "somebody has yet to collect it"
    runner.stop(instance, stage.tools, grace=0.1)
    assert left_behind(stage) == []


def test_a_dynamic_program_runs_with_the_loader_and_libraries_of_its_image(stage: Stage) -> None:
    runner = HostRunner()
    cat = shutil.which("cat") or ""
    done = stage.tools.run(stage_process(("ldd", cat)))
    need(done.exit_code == 0 and "=>" in done.stdout, "cat is not a dynamic program here")
    places = [word for line in done.stdout.splitlines() for word in line.split() if word.startswith("/")]
    files = {place.lstrip("/"): Path(place).read_bytes() for place in (*places, cat)}
    config = ImageConfig(entrypoint=(cat, "/proc/self/maps"), user="10001", env=("PATH=/usr/bin:/bin",))
    request = stage.request(config, InstanceSpec("agent"), files=files)
    instance = stage.start(runner, request)
    assert stage.ended(runner, instance)
    libraries = [line.split()[-1] for line in stage.said_by(request).splitlines() if ".so" in line]
    assert libraries
    assert all(library.startswith(str(request.state)) for library in libraries)
    runner.stop(instance, stage.tools)


def stage_process(argv: tuple[str, ...]):  # type: ignore[no-untyped-def]
    from aac_tasks.contracts.tools import Process

    return Process(argv)
