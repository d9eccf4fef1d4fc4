"""What every runner that is `Reloading` does alike; for others these tests are skipped."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aac_tasks.conformance.runner_basis import RunnerBasis
from aac_tasks.conformance.stage import Stage, shell, web
from aac_tasks.contracts.actions import Mount
from aac_tasks.contracts.running import Changes, Instance, Reloading, Runner, RunRequest
from aac_tasks.errors import StepError

SERVER = shell('''echo "begins" >&2; trap 'echo ends; exit' TERM
exec httpd -f -p "0.0.0.0:${PORT:-8080}" -h "$WWW"''')
OLD: Mapping[str, bytes] = {"www/page": b"old", "www/gone": b"old", "www/folder/gone": b"old"}
NEW: Mapping[str, bytes] = {"www/page": b"new", "www/fresh/page": b"new"}


def changes(place: Path, files: Mapping[str, bytes], gone: tuple[str, ...] = ()) -> Changes:
    """An archive of these files, and of folders where a path ends in a slash."""
    with tarfile.open(place, "w") as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(path.rstrip("/"))
            info.size, info.mode = len(data), 0o644
            if path.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info, io.BytesIO(data))
    return Changes(place, tuple(files), gone)


class RunnerReload(RunnerBasis):
    """Part of the suite for runners."""

    @pytest.fixture
    def request_of_it(self, runner: Runner, stage: Stage) -> RunRequest:
        if not isinstance(runner, Reloading):
            pytest.skip(f"{runner.name} replaces instances")
        return stage.request(SERVER, web(), files=OLD, detach=True)

    def _page(self, stage: Stage, instance: Instance, runner: Runner, path: str) -> str:
        assert stage.answers(instance)
        port = instance.ports["8080/tcp"]
        return runner.execute(instance, ("wget", "-qO-", f"http://127.0.0.1:{port}/{path}"), stage.tools)[1]

    def test_an_instance_gets_the_files_of_another_image(self, runner: Runner, stage: Stage, request_of_it: RunRequest) -> None:
        assert isinstance(runner, Reloading)
        old = stage.start(runner, request_of_it)
        assert self._page(stage, old, runner, "page") == "old"
        asked = replace(request_of_it, image=stage.image(SERVER, NEW))
        what = changes(stage.folder / "changes.tar", NEW, ("www/gone", "www/folder"))
        new = runner.reload(old, asked, what, stage.tools, grace=2.0)
        stage.started.append((runner, new))
        assert (new.name, new.ports, new.image) == (old.name, old.ports, asked.image.manifest.digest)
        assert self._page(stage, new, runner, "page") == "new"
        assert self._page(stage, new, runner, "fresh/page") == "new"
        assert "404" in self._page(stage, new, runner, "gone")
        assert "404" in self._page(stage, new, runner, "folder/gone")
        assert self._page(stage, new, runner, "index.html") == "well\n"
        assert stage.said_by(asked).count("begins") == 2
        assert runner.status(old, stage.tools).state != "running"
        assert runner.status(new, stage.tools).state == "running"
        runner.stop(new, stage.tools, grace=1.0)
        assert runner.status(new, stage.tools).state == "gone"

    def test_volumes_and_what_the_agent_wrote_stay_and_a_tmpfs_is_empty_again(
        self, runner: Runner, stage: Stage, request_of_it: RunRequest
    ) -> None:
        assert isinstance(runner, Reloading)
        spec = replace(web(), mounts=(Mount("volume", "/volume", "kept"), Mount("tmpfs", "/scratch")))
        request_of_it = replace(request_of_it, instance=spec)
        instance = stage.start(runner, request_of_it)
        assert stage.answers(instance)
        places = ("data", "volume", "scratch")
        if "root" in self.lacks:  # paths are the host's, so the agent is asked where it stands
            places = ("../data", "../volume", "../scratch")
        script = "; ".join(f"echo mine >{place}/note" for place in places)
        at = "" if "root" in self.lacks else "cd /; "
        assert runner.execute(instance, ("sh", "-c", at + script), stage.tools) == (0, "")
        asked = replace(request_of_it, image=stage.image(SERVER, NEW))
        instance = runner.reload(instance, asked, changes(stage.folder / "c.tar", NEW), stage.tools, grace=1.0)
        stage.started.append((runner, instance))
        assert stage.answers(instance)
        found = runner.execute(instance, ("sh", "-c", f"{at}ls {places[0]} {places[1]} {places[2]}"), stage.tools)[1]
        assert found.count("note") == 2

    def test_one_that_fails_half_way_can_be_stopped(self, runner: Runner, stage: Stage, request_of_it: RunRequest) -> None:
        assert isinstance(runner, Reloading)
        instance = stage.start(runner, request_of_it)
        torn = changes(stage.folder / "torn.tar", NEW)
        torn.archive.write_bytes(torn.archive.read_bytes()[:700])
        with pytest.raises(StepError):
            runner.reload(instance, request_of_it, torn, stage.tools, grace=1.0)
        runner.stop(instance, stage.tools, grace=1.0)
        assert runner.status(instance, stage.tools).state == "gone"
        assert not any(request_of_it.state.iterdir())
