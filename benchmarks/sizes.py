"""What an image weighs, runtime by runtime: ours beside those that ko, jib and bentoml make, and that of a usual Dockerfile.

Every agent is the example of its language, and everybody's image is weighed alike: as a registry would get it (skopeo copies the
peers' out of the engine, as `docker push` compresses them), and its layers unpacked. ko and jib start from our base, as in
``packagers``: what they start from by default only public registries have. For the same reason a usual Dockerfile starts from a
``debian:13-slim`` that is made here, of the packages of Debian's own without their documentation, and installs what it needs with
apt-get, in two stages.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import Place
from benchmarks.packagers import AGENT, BENTOML, POM, SERVICE, Yard, blob, saved

sys.path.append(str(ROOT / "tests"))  # the engine and the registry that tests start

from real.dockerd import Engine, quiet_engine, unpacked_engine
from real_registry import registry_server

SLIM = "debian:13-slim"
DOCUMENTATION = ("doc", "man", "info", "locale", "lintian")
APT = (
    "RUN mkdir -p /usr/share/man/man1 && apt-get update && apt-get install -y --no-install-recommends {}"
    " && rm -rf /var/lib/apt/lists/* /var/cache/apt/*\n"
)
"""OpenJDK's package wants that folder, which a slim image lacks."""
BUILD = (
    f"FROM {SLIM} AS build\n{APT}"
    "ENV SSL_CERT_FILE=/ca/ca.crt PIP_CERT=/ca/ca.crt CARGO_HTTP_CAINFO=/ca/ca.crt NODE_EXTRA_CA_CERTS=/ca/ca.crt\n"
    'ENV MAVEN_OPTS="-Djavax.net.ssl.trustStore=/ca/cacerts"\n'
    "COPY --from=ca . /ca\nWORKDIR /app\n"
)
"""This machine's authorities are lent: the networks of companies, and of test machines, have their own."""

USUAL = {
    "python": (
        "hello", "python3-venv", "python3",
        "COPY requirements.txt .\nRUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt\n",
        'COPY --from=build /venv /venv\nCOPY main.py /app/\nENTRYPOINT ["/venv/bin/python", "/app/main.py"]\n',
    ),
    "nodejs": (
        "node", "nodejs npm", "nodejs",
        "COPY package.json package-lock.json ./\nRUN npm ci --omit=dev\n",
        'COPY --from=build /app /app\nCOPY index.js /app/\nENTRYPOINT ["node", "/app/index.js"]\n',
    ),
    "go": (
        "go", "golang-go ca-certificates", "ca-certificates",
        'COPY . .\nRUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /agent .\n',
        'COPY --from=build /agent /agent\nCOPY greetings /app/greetings\nENTRYPOINT ["/agent"]\n',
    ),
    "rust": (
        "rust", "cargo gcc libc6-dev", "ca-certificates",
        "COPY . .\nRUN cargo build --release --locked\n",
        'COPY --from=build /app/target/release/hello-rust /agent\nENTRYPOINT ["/agent"]\n',
    ),
    "java": (
        "java", "maven openjdk-21-jdk-headless", "openjdk-21-jre-headless",
        "COPY . .\nRUN mvn -q package dependency:copy-dependencies\n",
        "COPY --from=build /app/target/classes /app/classes\nCOPY --from=build /app/target/dependency /app/lib\n"
        'ENTRYPOINT ["java", "-cp", "/app/classes:/app/lib/*", "example.Hello"]\n',
    ),
}  # fmt: skip
"""Runtime → the example; packages to build with, and to run with; how it is built, and what is taken over."""


PYTHON_NAME = "python:3.13-slim"
PYTHON = f"""FROM {SLIM}
{APT.format("python3 python3-pip python3-venv ca-certificates")}COPY --from=ca ca.crt /
ENV SSL_CERT_FILE=/ca.crt PIP_CERT=/ca.crt PIP_BREAK_SYSTEM_PACKAGES=1
RUN ln -s python3 /usr/bin/python
"""
"""What bentoml starts from, as far as it can be had of Debian's packages."""

CONTAINERFILE = """
import pathlib, sys
from bentoml.container import get_containerfile
get_containerfile(sys.argv[1], output_path=sys.argv[2])
path = pathlib.Path(sys.argv[2])
path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("# syntax")))
"""
"""Without the line that would fetch a frontend: the engine has one."""


@dataclass(frozen=True)
class Weight:
    """MB (10^6 bytes) of an image's layers: as they travel, and unpacked."""

    compressed: float
    unpacked: float

    @classmethod
    def of(cls, layout: Path) -> Weight:
        """Of the youngest image in a layout."""
        index = json.loads((layout / "index.json").read_text())
        layers = json.loads(blob(layout, index["manifests"][-1]).read_text())["layers"]
        return cls(sum(layer["size"] for layer in layers) / 1e6, sum(_unpacked(blob(layout, layer)) for layer in layers) / 1e6)


def _unpacked(layer: Path) -> int:
    with gzip.open(layer) as data:
        return sum(len(piece) for piece in iter(lambda: data.read(1 << 20), b""))


@dataclass(frozen=True)
class Pair:
    """One agent as we make it, and as a peer does."""

    runtime: str
    ours: Weight
    peer: Weight
    packager: str

    def __str__(self) -> str:
        ours, peer = self.ours, self.peer
        ratio = f"{ours.compressed / peer.compressed:.2f} | {ours.unpacked / peer.unpacked:.2f}"
        weights = f"{ours.compressed:.1f} | {ours.unpacked:.1f} | {peer.compressed:.1f} | {peer.unpacked:.1f}"
        return f"| {self.runtime} | {weights} | {ratio} | {self.packager} |"


HEAD = (
    "| runtime | ours, MB | unpacked | the peer's, MB | unpacked | ours ÷ peer's | unpacked | the peer |",
    "|---|--:|--:|--:|--:|--:|--:|---|",
)


@dataclass(frozen=True)
class Scales:
    """Where everybody builds. ``engine`` is of the tests, ``ca`` a folder with this machine's certificate authorities."""

    top: Path
    yard: Yard
    engine: Engine
    ca: Path

    def pairs(self, host: str) -> Iterator[Pair]:
        """Every line of the table; ``host`` is a registry for ko's base."""
        yield self._bentoml()
        for runtime, (example, *_) in USUAL.items():
            place = self.yard.example(example, f"ours-usual-{example}", self.yard.env)
            ours = Weight.of(saved(place, self.yard.agent))
            yield Pair(runtime, ours, self._usual(runtime), "a usual Dockerfile, `docker build`")
            if runtime == "java":
                archive = self.yard.java().peer.folder / "result"  # holds layers as jib compresses them; skopeo does it anew
                jib = replace(Weight.of(self._copied(archive)), compressed=archive.stat().st_size / 1e6)
                yield Pair(runtime, ours, jib, "`jib:buildTar`, on our base")
            if runtime == "go":
                ko = Weight.of(self.yard.go(host).peer.folder / "result")
                yield Pair(runtime, ours, ko, "`ko build`, on our base")

    def _usual(self, runtime: str) -> Weight:
        example, to_build, to_run, built, taken = USUAL[runtime]
        folder = self.top / f"usual-{example}"
        left_out = shutil.ignore_patterns("target", ".aac", "dist", "node_modules")
        shutil.copytree(ROOT / "examples" / example, folder, ignore=left_out)
        if runtime == "java":
            (folder / "pom.xml").write_text(POM)
        text = BUILD.format(to_build) + built + f"FROM {SLIM}\n{APT.format(to_run)}WORKDIR /app\n{taken}USER 10001:10001\n"
        (folder / "Dockerfile").write_text(text)
        return self._built(folder, f"usual-{example}:1")

    def _built(self, folder: Path, name: str) -> Weight:
        print(f"building {name} …", file=sys.stderr)
        arguments = ("--provenance=false", "--network=host", "-q", "-t", name, f"--build-context=ca={self.ca}", str(folder))
        self.engine.docker("build", *arguments, timeout=1800).ok()
        archive = self.top / f"{folder.name}.tar"
        self.engine.docker("save", "-o", str(archive), name, timeout=300).ok()
        return Weight.of(self._copied(archive))

    def _copied(self, archive: Path) -> Path:
        layout = archive.with_suffix(".layout")
        subprocess.run(("skopeo", "copy", "-q", f"docker-archive:{archive}", f"oci:{layout}"), check=True, stdout=sys.stderr)
        return layout

    def _bentoml(self) -> Pair:
        """Its service, with all that serves it; the Dockerfile is what `bentoml containerize` hands to `docker build`."""
        ours = Place(self.top / "ours-bento", self.yard.env)
        (ours.folder / ".git").mkdir(parents=True)
        more = f"  dependencies: [{BENTOML}]\n  entrypoint: [python3, -m, bentoml, serve, 'service:Hello']\n"
        (ours.folder / "agent.yaml").write_text(AGENT.format(name="bento", runtime="python", more=more))
        (ours.folder / "service.py").write_text(SERVICE)
        ours.said(self.yard.agent, "build")
        base = self.top / "python"
        base.mkdir()
        (base / "Dockerfile").write_text(PYTHON)
        self._built(base, PYTHON_NAME)
        peer = self.yard.python().peer.folder
        place = Place(peer, {**self.yard.env, "BENTOML_HOME": str(self.top / "bento"), "BENTOML_DO_NOT_TRACK": "1"})
        with (peer / "bentofile.yaml").open("a") as file:
            file.write(f'python: {{packages: ["{BENTOML}"]}}\ndocker: {{python_version: "3.13"}}\n')
        bentoml = str(self.top / "bento-venv/bin/bentoml")
        tag = place.said(bentoml, "build", "-o", "tag").strip().removeprefix("__tag__:")
        folder = Path(place.said(bentoml, "get", tag, "-o", "path").strip())
        place.said(f"{bentoml.removesuffix('bentoml')}python", "-c", CONTAINERFILE, tag, str(folder / "Dockerfile"))
        weight = self._built(folder, "bento:1")
        return Pair("python", Weight.of(saved(ours, self.yard.agent)), weight, "`bentoml containerize`; both with its server")


@contextlib.contextmanager
def scales(top: Path, lab: Lab) -> Iterator[Iterator[Pair]]:
    """Start an engine and a registry, make what Dockerfiles start from; minutes, most of them downloads and compiling ko."""
    ca = top / "ca"
    ca.mkdir()
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), ca / "ca.crt")
    shutil.copy("/etc/ssl/certs/java/cacerts", ca)
    (top / "engine").mkdir()
    with registry_server(top / "registry") as host, quiet_engine(unpacked_engine(), top / "engine") as engine:
        _slim(top / "slim.tar", engine)
        rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
        env = {**lab.still.env, "PATH": f"{lab.bin}:{lab.still.env['PATH']}", "RUSTUP_HOME": rustup}
        yield Scales(top, Yard(top, env, lab), engine, ca).pairs(host)


def _slim(archive: Path, engine: Engine) -> None:
    """What `debian:13-slim` holds (https://github.com/debuerreotype/debuerreotype): what is required, and apt."""
    left_out = (f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in DOCUMENTATION)
    subprocess.run(("mmdebstrap", "--quiet", "--variant=minbase", *left_out, "trixie", str(archive)), check=True)
    engine.docker("import", str(archive), SLIM, timeout=300).ok()
