"""What an image weighs, runtime by runtime: ours beside those that ko, jib and bentoml make, and that of a usual Dockerfile.

Every agent is the example of its language, and everybody's image is weighed alike: as a registry would get it (skopeo copies the
peers' out of the engine, as `docker push` compresses them), and its layers unpacked. ko and jib start from our base, as in
``packagers``: what they start from by default only public registries have. A usual Dockerfile is that of ``usual``.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.lab import ROOT, Lab
from benchmarks.measure import Place
from benchmarks.packagers import AGENT, BENTOML, SERVICE, Yard, blob, saved
from benchmarks.usual import APT, LANGUAGES, SLIM, authorities, lay_out, slim

sys.path.append(str(ROOT / "tests"))  # the engine and the registry that tests start

from real.dockerd import Engine, quiet_engine, unpacked_engine
from real_registry import registry_server

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
        for runtime, language in LANGUAGES.items():
            place = self.yard.example(language.example, f"ours-usual-{runtime}", self.yard.env)
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
        folder = self.top / f"usual-{runtime}"
        lay_out(runtime, folder)
        return self._built(folder, f"usual-{runtime}:1")

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
    ca = authorities(top / "ca")
    (top / "engine").mkdir()
    with registry_server(top / "registry") as host, quiet_engine(unpacked_engine(), top / "engine") as engine:
        slim(top / "slim.tar", engine)
        rustup = os.environ.get("RUSTUP_HOME", str(Path.home() / ".rustup"))
        env = {**lab.still.env, "PATH": f"{lab.bin}:{lab.still.env['PATH']}", "RUSTUP_HOME": rustup}
        yield Scales(top, Yard(top, env, lab), engine, ca).pairs(host)

