"""The part of the suite for runners that is about mounts, limits and rights."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from aac_tasks.conformance.runner_basis import RunnerBasis
from aac_tasks.conformance.stage import WEB, Stage, shell
from aac_tasks.contracts.actions import InstanceSpec, Isolation, Limits, Mount
from aac_tasks.contracts.running import Measuring, Runner, Usage
from aac_tasks.errors import StepError


class RunnerRights(RunnerBasis):
    """What an agent may and may not."""

    def test_mounts_hold_what_they_say(self, runner: Runner, stage: Stage) -> None:
        shared = stage.tools.root / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        (shared / "note").write_text("from outside\n")
        where = "$ROOT" if "root" in self.lacks else ""
        mounts = (
            Mount("bind", "/in", "shared", read_only=True),
            Mount("bind", "/out", str(stage.tools.root / "shared"), anywhere=True),
            Mount("tmpfs", "/scratch", size=1 << 20),
            Mount("volume", "/data", "kept"),
        )
        places = {"x": "/out/x", "y": "/scratch/y", "z": "/data/z", "w": "/in/w"}
        writes = [f"echo {text} >{where}{place}" for text, place in places.items()]
        script = "; ".join([f"cat {where}/in/note", *writes, "echo done"])
        request = stage.request(shell(script), InstanceSpec("agent", mounts=mounts))
        root = str(request.state / "root")
        said = self.said_by_one(runner, stage, replace(request, env={"ROOT": root}))
        assert "from outside\n" in said
        assert (shared / "x").read_text() == "x\n"
        assert (shared / "w").exists() == ("read-only-mounts" in self.lacks)
        again = stage.request(shell(f"cat {where}/data/z"), InstanceSpec("agent", mounts=mounts))
        assert self.said_by_one(runner, stage, replace(again, env={"ROOT": root})).endswith("z\n")

    @pytest.mark.parametrize("read_only_root", [False, True])
    def test_volumes_are_the_users_and_each_is_its_own(self, runner: Runner, stage: Stage, read_only_root: bool) -> None:
        """Also where the image has no such folder; without a name each target has its own."""
        if "root" in self.lacks:
            pytest.skip("it has no targets of its own")
        mounts = (Mount("volume", "/state", "kept"), Mount("volume", "/deep/er/a"), Mount("volume", "/deep/er/b"))
        name = f"agent-{secrets.token_hex(4)}"  # volumes outlive it
        spec = InstanceSpec(name, mounts=mounts, isolation=Isolation(read_only_root=read_only_root))
        script = "id -u; cat /state/x; echo x >/state/x && echo a >/deep/er/a/file && ls /deep/er/b && echo done"
        first = self.said_by_one(runner, stage, stage.request(shell(script), spec))
        assert first.replace("cat: can't open '/state/x': No such file or directory\n", "") == "10001\ndone\n"
        kept = shell(f"cat /state/x /deep/er/a/file; {script}", user="agent")  # by name, which the image's own files know
        again = self.said_by_one(runner, stage, stage.request(kept, spec))
        assert again.endswith("x\na\n10001\nx\ndone\n")

    @pytest.mark.parametrize(
        ("mount", "said"),
        [
            (Mount("bind", "/mnt", "../outside"), "lies outside the workspace"),
            (Mount("bind", "/mnt", "absent"), "is not there"),
            (Mount("tmpfs", "/mnt/../.."), "is not an absolute path inside the image"),
            (Mount("volume", "/mnt", "../x"), "is not a volume's name"),
        ],
    )
    def test_a_mount_that_leads_out_is_refused(self, runner: Runner, stage: Stage, mount: Mount, said: str) -> None:
        with pytest.raises(StepError, match=said):
            stage.start(runner, stage.request(WEB, InstanceSpec("agent", mounts=(mount,))))

    def test_the_root_can_be_read_only(self, runner: Runner, stage: Stage) -> None:
        spec = InstanceSpec("agent", isolation=Isolation(read_only_root=True), mounts=(Mount("tmpfs", "/tmp"),))  # noqa: S108
        script = "touch /data/x || echo refused; echo x > /tmp/x && echo wrote"
        if "root" in self.lacks:
            script = "true"  # these paths are the machine's
        said = self.said_by_one(runner, stage, stage.request(shell(script), spec))
        if "read-only" in self.lacks:
            assert any("read-only root has no effect" in note for note in stage.notes)
        else:
            assert "refused\nwrote\n" in said

    def test_it_has_no_capability_and_gets_no_new_privilege(self, runner: Runner, stage: Stage) -> None:
        said = self.said_by_one(runner, stage, stage.request(shell("cat /proc/self/status"), InstanceSpec("agent")))
        status = dict(line.partition(":\t")[::2] for line in said.splitlines())
        assert status["NoNewPrivs"] == "1"
        assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapAmb")} == {0}

    def test_memory_beyond_the_limit_is_refused(self, runner: Runner, stage: Stage) -> None:
        hungry = "x=x; i=0; while [ $i -lt 28 ]; do x=$x$x; i=$((i+1)); done; echo survived"
        request = stage.request(shell(hungry), InstanceSpec("agent", limits=Limits(memory=24 << 20)))
        instance = stage.start(runner, request)
        assert stage.tools.wait_until(lambda: runner.status(instance, stage.tools).state != "running", timeout=20.0)
        assert runner.status(instance, stage.tools).exit_code != 0
        assert "survived" not in stage.said_by(request)
        assert not Path("oom").exists()  # what Podman's helper leaves where it was started

    def test_use_is_measured(self, runner: Runner, stage: Stage) -> None:
        if not isinstance(runner, Measuring):
            pytest.skip("it does not measure")
        script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo ready; sleep 30"
        request = stage.request(shell(script), InstanceSpec("agent"))
        instance = stage.start(runner, request)
        assert stage.tools.wait_until(lambda: "ready" in stage.said_by(request), timeout=20.0)

        def used() -> Usage:
            usage = runner.usage(instance, stage.tools)
            assert usage is not None
            return usage

        assert stage.tools.wait_until(lambda: used().memory > 4096, timeout=20.0)  # while it becomes `sleep` it has none
        assert used().cpu > 0
        assert used().processes >= 1
        runner.stop(instance, stage.tools, grace=0.1)
        assert runner.usage(instance, stage.tools) is None

    @pytest.mark.parametrize(
        ("lack", "spec"),
        [
            ("no-network", InstanceSpec("agent", isolation=Isolation(network="none"))),
            ("capabilities", InstanceSpec("agent", isolation=Isolation(cap_add=("NET_BIND_SERVICE",)))),
            ("capabilities", InstanceSpec("agent", isolation=Isolation(cap_add=("all",)))),
            ("restart", InstanceSpec("agent", restart="on-failure:2")),
        ],
    )
    def test_what_it_can_not_do_it_refuses(self, runner: Runner, stage: Stage, lack: str, spec: InstanceSpec) -> None:
        request = stage.request(shell("cat /proc/net/dev /proc/self/status"), spec, detach=True)
        if lack in self.lacks:
            with pytest.raises(StepError, match=r"is asked for, which runner \w+ can't give"):
                stage.start(runner, request)
            return
        said = self.said_by_one(runner, stage, request)
        if lack == "no-network":
            assert "lo:" in said
            assert "eth0" not in said
        if lack == "capabilities":
            has = int(said.partition("CapBnd:\t")[2].split()[0], 16)
            assert has == 0x400 if spec.isolation.capabilities != ("ALL",) else has.bit_count() > 1
