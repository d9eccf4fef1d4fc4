"""Peers that are Go programs: compiled with the Go of this machine, as modules, once, and kept."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aac_tasks.testing import need

SECONDS = 900.0
"""Skaffold has a thousand packages: three minutes on two processors."""


@dataclass(frozen=True)
class GoProgram:
    """Main packages of modules at versions (module → version). ``others`` are further lines of the go.mod, as theirs has them."""

    name: str
    modules: Mapping[str, str]
    packages: tuple[str, ...]
    others: str = ""
    go: str = "1.19"

    @property
    def go_mod(self) -> str:
        """https://go.dev/ref/mod#go-mod-file."""
        required = "\n".join(f"require {module} {version}" for module, version in self.modules.items())
        return f"module peer/{self.name}\n\ngo {self.go}\n\n{required}\n{self.others}"


GO_TASK = GoProgram("task", {"github.com/go-task/task/v3": "v3.24.0"}, ("github.com/go-task/task/v3/cmd/task",))
"""The newest that Debian 12's Go can compile."""

SKAFFOLD = GoProgram(
    "skaffold",
    {"github.com/GoogleContainerTools/skaffold/v2": "v2.13.2", "golang.org/x/tools": "v0.24.1"},
    ("github.com/GoogleContainerTools/skaffold/v2/cmd/skaffold",),
    """
exclude (
	github.com/docker/distribution v2.8.3+incompatible
	github.com/karrick/godirwalk v1.17.0
	github.com/opencontainers/image-spec v1.1.0-rc3
	github.com/opencontainers/image-spec v1.1.0-rc4
	go.opentelemetry.io/otel/metric v0.37.0
)
""",
    "1.22",
)
"""x/tools is newer than Skaffold asks, because the one that it asks for cannot be compiled since Go 1.23."""

PACK = GoProgram(
    "pack",
    {"github.com/buildpacks/pack": "v0.30.0", "github.com/buildpacks/lifecycle": "v0.17.0"},
    (
        "github.com/buildpacks/pack/cmd/pack",
        "github.com/buildpacks/lifecycle/cmd/lifecycle",
        "github.com/buildpacks/lifecycle/cmd/launcher",
    ),
    """
replace github.com/containerd/containerd => github.com/containerd/containerd v1.7.1

replace github.com/docker/docker => github.com/docker/docker v23.0.6+incompatible
""",
    "1.20",
)
"""The client, and the lifecycle that its builders carry."""


def compiled(program: GoProgram, cache: Path) -> Path:
    """The folder with its programs."""
    made = cache / "peers" / "-".join((program.name, *program.modules.values()))
    if made.exists():
        return made
    need(shutil.which("go"), "Go is not installed")
    work = made.with_name(f"{made.name}.{os.getpid()}")
    (work / "bin").mkdir(parents=True)
    (work / "go.mod").write_text(program.go_mod)
    env = {**os.environ, "CGO_ENABLED": "0", "GOGC": "400", "GOFLAGS": "-mod=mod -modcacherw -trimpath -buildvcs=false"}
    argv = ("go", "build", "-ldflags=-s -w", "-o", "bin/", *program.packages)
    done = subprocess.run(argv, cwd=work, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    need(done.returncode == 0, f"{program.name} can't be had: {done.stderr.strip()[-500:]}")
    (work / "bin").rename(made)
    shutil.rmtree(work)
    return made
