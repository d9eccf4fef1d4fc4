"""Other tools that build images with an engine, each as its users set it up: docker, Skaffold, pack."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from real.compiled_peers import PACK, SKAFFOLD, compiled
from real.dockerd import Engine
from real.image_trees import exported

from aac_tasks.testing import need

Content = Mapping[str, tuple[str, str, str]]
"""What a checkout keeps of a path: its type, whether it may be executed, what is in it or where it points to."""

DOCKERFILE = 'FROM base:1\nCOPY src /src\nCMD ["/src/main"]\n'
SOURCES = {"Dockerfile": DOCKERFILE, "src/prompts/hello.txt": "hello\n", "src/main": "1\n"}
STACK = "little"
"""What pack calls a pair of images that belong together."""
OF_STACK = f"LABEL io.buildpacks.stack.id={STACK}\nENV CNB_USER_ID=1000 CNB_GROUP_ID=1000 CNB_STACK_ID={STACK} PATH=/bin\n"
BASE = f"FROM scratch\nCOPY version /version\n{OF_STACK}"


@dataclass(frozen=True)
class Shop:
    """An engine, a project of a peer's user in ``top / "project"``, and where the peer's programs lie."""

    engine: Engine
    top: Path
    programs: Path

    @property
    def folder(self) -> Path:
        """What is built."""
        return self.top / "project"

    def write(self, files: Mapping[str, str]) -> None:
        """Files of ``top``, each with the mode that most checkouts have."""
        for name, text in files.items():
            path = self.top / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644)

    def new_base(self, version: str) -> None:
        """The tag `base:1` stands for other content."""
        self.write({"base/Dockerfile": BASE, "base/version": version})
        self.engine.docker("build", "--provenance=false", "-q", "-t", "base:1", str(self.top / "base")).ok()

    def run(self, *argv: str) -> str:
        """What a command says; it succeeds."""
        env = {**os.environ, **self.engine.env, "HOME": str(self.top / "home")}
        done = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def id_of(self, name: str) -> str:
        """Of the image that a name stands for now, "" when there is none."""
        return self.engine.docker("image", "inspect", "--format={{.Id}}", name).stdout.strip()

    def content(self, name: str) -> Content:
        """What is in an image."""
        tree = exported(self.engine, name, self.top)
        return {path: (n.type, oct(int(n.mode or "0", 8) & 0o100), n.sha256 or n.target) for path, n in tree.items()}


@dataclass(frozen=True)
class ImagePeer:
    """A tool. ``build`` says what it said; ``image`` is the name that its user has of the result."""

    name: str
    open: Callable[[Shop], object]
    build: Callable[[Shop], str]
    image: Callable[[Shop], str]
    clean: Callable[[Shop], str]
    """The same built from nothing; its name."""
    compiled: Callable[[Path], Path] = lambda cache: cache
    store: str = "docker_engine"

    def __str__(self) -> str:
        return self.name


# -- docker -----------------------------------------------------------------------------------------------------------


def docker(provenance: str) -> Callable[[Shop], str]:
    """`docker build`, plain and by its default engine."""
    return lambda shop: shop.run("docker", "build", f"--provenance={provenance}", "--progress=plain", "-t", "peer:1", ".")


def clean_docker(shop: Shop) -> str:
    shop.run("docker", "build", "--provenance=false", "--no-cache", "-t", "clean:1", ".")
    return "clean:1"


# -- Skaffold ---------------------------------------------------------------------------------------------------------

SKAFFOLD_FILES = {
    "project/skaffold.yaml": """
apiVersion: skaffold/v4beta9
kind: Config
build:
  artifacts: [{image: peer}]
  tagPolicy: {inputDigest: {}}
  local: {push: false, useBuildkit: true}
""",
    "home/.skaffold/config": "global: {collect-metrics: false, update-check: false, survey: {disable-prompt: true}}\n",
}


def skaffold(shop: Shop) -> str:
    """`skaffold build`, which keeps what it knows in the home."""
    return shop.run(str(shop.programs / "skaffold"), "build", "--interactive=false", "--file-output=../built.json")


def skaffold_image(shop: Shop) -> str:
    return str(json.loads((shop.top / "built.json").read_text())["builds"][0]["tag"])


# -- pack -------------------------------------------------------------------------------------------------------------

BUSYBOX = "/bin/busybox"
PACK_FILES = {
    "stack/Dockerfile": f"""
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /etc /tmp && chmod 1777 /tmp && printf 'root:x:0:0::/:/bin/sh\\ncnb:x:1000:1000::/:/bin/sh\\n' >/etc/passwd \\
  && printf 'root:x:0:\\ncnb:x:1000:\\n' >/etc/group
{OF_STACK}USER 1000:1000
""",
    "builder/builder.toml": f"""
buildpacks = [{{uri = "buildpack"}}]
order = [{{group = [{{id = "copy", version = "1"}}]}}]
stack = {{id = "{STACK}", build-image = "stack:1", run-image = "base:1"}}
lifecycle = {{uri = "lifecycle.tgz"}}
""",
    "builder/buildpack/buildpack.toml": """
api = "0.9"
buildpack = {id = "copy", version = "1"}
stacks = [{id = "*"}]
""",
    "builder/buildpack/bin/detect": "#!/bin/sh\nexit 0\n",
    "builder/buildpack/bin/build": "#!/bin/sh\nexit 0\n",
    "builder/lifecycle.toml": """
apis.buildpack.supported = ["0.9"]
apis.platform.supported = ["0.11"]
api = {platform = "0.11", buildpack = "0.9"}
lifecycle = {version = "0.17.0"}
""",
}
"""A builder whose buildpack adds nothing to the sources: https://buildpacks.io/docs/reference/config/builder-config/."""
PHASES = ("lifecycle", "analyzer", "builder", "creator", "detector", "exporter", "restorer", "rebaser", "extender")


def open_pack(shop: Shop) -> None:
    """A builder of our own; it stays in the engine."""
    if shop.id_of("builder:1"):
        return
    need(Path(BUSYBOX).exists(), "busybox is not installed")
    shop.write(PACK_FILES)
    for name in ("detect", "build"):
        (shop.top / "builder/buildpack/bin" / name).chmod(0o755)
    shutil.copy(BUSYBOX, shop.top / "stack/busybox")
    with tarfile.open(shop.top / "builder/lifecycle.tgz", "w:gz", compresslevel=1) as tar:
        tar.add(shop.top / "builder/lifecycle.toml", "lifecycle.toml")
        tar.add(shop.programs / "launcher", "lifecycle/launcher")
        for phase in PHASES:
            tar.add(shop.programs / "lifecycle", f"lifecycle/{phase}")
    shop.run("docker", "build", "--provenance=false", "-q", "-t", "stack:1", "../stack")
    config = str(shop.top / "builder/builder.toml")
    shop.run(str(shop.programs / "pack"), "builder", "create", "builder:1", "--config", config, "--pull-policy=never")


def pack(shop: Shop, name: str = "peer:1", *flags: str) -> str:
    """`pack build` with images that are here already."""
    here = ("--builder=builder:1", "--pull-policy=never", "--trust-builder", "--docker-host=inherit")
    return shop.run(str(shop.programs / "pack"), "build", name, *here, *flags)


def clean_pack(shop: Shop) -> str:
    pack(shop, "clean:1", "--clear-cache")
    return "clean:1"


def the_same(shop: Shop) -> str:
    return "peer:1"


PROVENANCE = ImagePeer(
    "docker with provenance", lambda shop: None, docker("mode=min"), the_same, clean_docker, store="containerd_engine"
)
"""What it is by default where the store can keep it."""

IMAGE_PEERS = (
    ImagePeer("docker", lambda shop: None, docker("false"), the_same, clean_docker),
    PROVENANCE,
    ImagePeer("Skaffold", lambda shop: shop.write(SKAFFOLD_FILES), skaffold, skaffold_image, clean_docker,
              lambda cache: compiled(SKAFFOLD, cache)),
    ImagePeer("pack", open_pack, pack, the_same, clean_pack, lambda cache: compiled(PACK, cache)),
)  # fmt: skip
