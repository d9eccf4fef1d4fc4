"""A Rust agent of several packages, built by a real engine: an edit compiles the author's own packages, and no crate again."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from real.dockerd import Engine
from real.podman import Podman
from real.test_engine_builders import image_of
from runner_stage import Stage, stage_of

from aac_plugins.oci.docker_api import Engine as Api
from aac_plugins.oci.docker_load import load_image
from aac_tasks.testing import Project

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]

PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
FILES = {
    "agent.yaml": """
        apiVersion: agent.dev/v1
        kind: Agent
        metadata: {name: packs, version: 0.1.0}
        spec:
          runtime: rust
          model: {provider: openai, name: m}
          config: {rust: {bin: again}}
    """,
    "Cargo.toml": '[workspace]\nmembers = ["agents/*", "part", "mac"]\nresolver = "2"\n',
    "agents/again/Cargo.toml": PACKAGE.format("again")
    + 'itoa = "1"\npart = { path = "../../part" }\nmac = { path = "../../mac" }\n',
    "agents/again/src/main.rs": "fn main() {\n"
    '    println!("one {} {} {}", part::word(), mac::word!(), itoa::Buffer::new().format(7));\n}\n',
    "part/Cargo.toml": PACKAGE.format("part") + '[build-dependencies]\nitoa = "1"\n',
    "part/build.rs": 'fn main() { println!("cargo:rustc-env=SAID=two{}", itoa::Buffer::new().format(0)); }\n',
    "part/src/lib.rs": 'pub fn word() -> &\'static str { env!("SAID") }\n',
    "mac/Cargo.toml": PACKAGE.format("mac") + "[lib]\nproc-macro = true\n",
    "mac/src/lib.rs": "#[proc_macro]\npub fn word(_: proc_macro::TokenStream) -> proc_macro::TokenStream "
    '{ "\\"three\\"".parse().unwrap() }\n',
}  # fmt: skip
OWN = {"again", "part", "mac"}


@dataclass
class Bench:
    """The agent and its engine, whose command is overheard: `agent` shows what an engine said only where a build fails."""

    user: Project
    engine: Engine | Podman
    log: Path
    tools: Stage

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.user.read(name)
        assert old in text
        self.user.write({name: text.replace(old, new)})

    def built(self) -> tuple[set[str], str]:
        """The crates that were compiled, and what the image's program says."""
        self.log.write_text("")
        self.user.agent("build", timeout=900).ok()
        if isinstance(self.engine, Podman):
            said = self.engine.run("run", "--rm", "--network=none", "packs:0.1.0")
        else:
            load_image(Api(str(self.engine.socket)), image_of(self.user)[0], ["packs:0.1.0"], self.tools.tools)
            said = self.engine.docker("run", "--rm", "--network=none", "packs:0.1.0")
        return set(re.findall(r"Compiling (\S+) v", self.log.read_text())), said.ok().stdout


@pytest.fixture(params=["docker_engine", "podman"])
def bench(request: pytest.FixtureRequest, project: Project, tmp_path: Path, aac_cache: Path) -> Bench:
    engine = request.getfixturevalue(request.param)
    name = "podman" if isinstance(engine, Podman) else "docker"
    env = {**project.env, **engine.env, "AAC_BUILD_NETWORK": "host" if name == "podman" else ""}
    log, real = tmp_path / "log", shutil.which(name, path=env["PATH"])
    script = tmp_path / "bin" / name
    script.parent.mkdir()
    script.write_text(f'#!/bin/bash\nexec > >(tee -a {log}) 2> >(tee -a {log} >&2)\n{real} "$@"\n')
    script.chmod(0o755)
    user = replace(project, env={**env, "PATH": f"{script.parent}:{env['PATH']}"}).write(FILES)
    subprocess.run(("cargo", "generate-lockfile"), cwd=user.folder, check=True, timeout=120)
    user.write({"agents/again/src/main.rs": f"{user.read('agents/again/src/main.rs')}// never built before: {uuid4()}\n"})
    user.agent("lock", "--builder", name, timeout=600).ok()
    return Bench(user, engine, log, stage_of(tmp_path / "stage", aac_cache))


def test_an_edit_compiles_the_author_s_packages_and_no_crate(bench: Bench) -> None:
    assert bench.built() == ({"itoa", *OWN}, "one two0 three 7\n")
    bench.edit("agents/again/src/main.rs", "one", "uno")
    assert bench.built() == (OWN, "uno two0 three 7\n")
    bench.edit("part/build.rs", "two", "due")
    assert bench.built() == (OWN, "uno due0 three 7\n")
    bench.edit("mac/src/lib.rs", "three", "tre")
    assert bench.built() == (OWN, "uno due0 tre 7\n")
    bench.edit("part/Cargo.toml", "[build-dependencies]", "[profile.never]\n[build-dependencies]")
    assert bench.built() == ({"itoa", *OWN}, "uno due0 tre 7\n")
