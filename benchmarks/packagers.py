"""The same agents beside the packagers of their languages: ko for Go, jib for Java, bentoml for Python; and go-task. No engine
runs.

Each side has its own warm caches of downloads. ko takes its base from a registry on the loopback, jib from an archive; both
bases are ours, pushed and saved by `agent`, so the layers that are compared hold the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT, STEPS, Lab
from benchmarks.measure import Place, Sample
from benchmarks.rows import Row

sys.path.append(str(ROOT / "tests"))  # the registry that tests start

from real_registry import registry_server

KO = "github.com/google/ko@v0.18.1"
TASK = "github.com/go-task/task/v3/cmd/task@v3.54.0"
JIB = "3.4.6"
BENTOML = "bentoml==1.4.40"
COLD_RUNS = 3

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {{name: {name}, version: "1.0"}}
spec:
  runtime: {runtime}
  model: {{provider: openai, name: gpt-4o-mini}}
  ports: [{{container: 8080}}]
{more}"""
POM = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId><artifactId>hello-java</artifactId><version>0.1.0</version>
  <properties>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <maven.compiler.source>17</maven.compiler.source>
    <maven.compiler.target>17</maven.compiler.target>
  </properties>
  <dependencies>
    <dependency>
      <groupId>io.undertow</groupId><artifactId>undertow-core</artifactId><version>2.3.18.Final</version>
    </dependency>
    <dependency><groupId>com.google.code.gson</groupId><artifactId>gson</artifactId><version>2.10.1</version></dependency>
  </dependencies>
</project>
"""
PLUGIN = """\
  <build><plugins><plugin>
    <groupId>com.google.cloud.tools</groupId><artifactId>jib-maven-plugin</artifactId><version>{version}</version>
    <configuration>
      <from><image>tar://{base}</image></from>
      <to><image>hello-java</image></to>
      <container><mainClass>example.Hello</mainClass></container>
    </configuration>
  </plugin></plugins></build>
</project>
"""
TASKS = 'version: "3"\ntasks:\n'
TASK_LINE = "  {}: {{deps: [{}], sources: [agent.yaml, main.py, agent.lock], generates: [{}], cmds: [touch {}]}}\n"
SERVICE = """\
import bentoml

@bentoml.service
class Hello:
    @bentoml.api
    def health(self) -> str:
        return "ok"
"""


@dataclass(frozen=True)
class Pair:
    """One agent twice, in two folders: built by us, and by the packager of its language."""

    language: str
    packager: str
    ours: Place
    peer: Place
    peer_argv: tuple[str, ...]
    source: str
    remark: str
    cold: tuple[Path, Path] | None = None  # compilers' caches, ours and the peer's, removed before a cold build

    def rows(self, agent: str) -> Iterator[Row]:
        """Nothing changed, one line edited, and where something is compiled a cold build."""
        peer, build = f"peer: {self.packager}", (agent, "build")
        yield Row(f"{peer}, nothing changed", lambda: self.peer.timed(*self.peer_argv))
        yield Row(
            f"`agent build` of {self.language}, nothing changed",
            lambda: self.ours.timed(*build),
            f"{peer}, nothing changed",
            factor=1.0,
        )
        theirs, mine = _edits(self.peer, self, self.peer_argv), _edits(self.ours, self, build)
        yield Row(f"{peer}, one line edited", lambda: next(theirs))
        yield Row(
            f"`agent build` of {self.language}, one line edited", lambda: next(mine), f"{peer}, one line edited", factor=1.0
        )

    def cold_rows(self, agent: str) -> Iterator[Row]:
        """Dependencies are downloaded; nothing is compiled yet, the standard library neither."""
        if self.cold is None:
            return
        mine, theirs = self.cold
        peer = f"peer: {self.packager}, nothing compiled yet"
        yield Row(peer, lambda: _without(theirs, self.peer, *self.peer_argv))
        again = (agent, "build", "--no-cache")
        name = f"`agent build --no-cache` of {self.language}, nothing compiled yet"
        yield Row(name, lambda: _without(mine, self.ours, *again), peer, factor=1.0)


def _edits(place: Place, pair: Pair, argv: tuple[str, ...]) -> Iterator[Sample]:
    """Each time another line at the end of the source."""
    path = place.folder / pair.source
    text = path.read_text()
    while True:
        path.write_text(f"{text}\n{pair.remark} {time.time_ns()}\n")
        time.sleep(0.05)  # no editor is faster
        yield place.timed(*argv)


def _without(folder: Path, place: Place, *argv: str) -> Sample:
    shutil.rmtree(folder, ignore_errors=True)
    return place.timed(*argv)


@dataclass(frozen=True)
class Packagers:
    """All pairs."""

    pairs: tuple[Pair, ...]
    agent: str
    task: tuple[Place, str]

    @property
    def versions(self) -> str:
        """Of the peers."""
        return f"{KO.rpartition('/')[2]}, task@{TASK.rpartition('@')[2]}, jib-maven-plugin {JIB}, {BENTOML}"

    def task_row(self) -> Row:
        """Five steps in a row over the same three files, by checksums."""
        place, program = self.task
        return Row("peer: `task`, five steps, nothing changed", lambda: place.timed(program, "test"))


@contextlib.contextmanager
def packagers(top: Path, lab: Lab) -> Iterator[Packagers]:
    """Install the peers and build everything once; minutes, most of them downloads and compiling ko."""
    env = {**lab.still.env, "PATH": f"{lab.bin}:{lab.still.env['PATH']}"}
    yard = Yard(top, env, lab)
    with registry_server(top / "registry") as host:
        yield Packagers((yard.go(host), yard.java(), yard.python()), yard.agent, yard.task())


@dataclass(frozen=True)
class Yard:
    """Where the pairs are made."""

    top: Path
    env: Mapping[str, str]
    lab: Lab

    @property
    def agent(self) -> str:
        return self.lab.command("agent")

    def go(self, host: str) -> Pair:
        """ko compiles with the same flags as we do: -trimpath, no debug symbols."""
        modules, built = self.top / "ko-modules", self.top / "ko-built"
        env = {**self.env, "GOMODCACHE": str(modules), "GOCACHE": str(built), "GOFLAGS": "-modcacherw", "GOTOOLCHAIN": "local"}
        ours, peer = self.example("go", "ours-go", self.env), self.example("go", "peer-go", env)
        peer.said("go", "install", KO)  # GOBIN below
        ko = self.top / "bin" / "ko"
        base = f"{host}/base:1"
        peer.said("skopeo", "copy", "--dest-tls-verify=false", self._base(ours), f"docker://{base}")
        (peer.folder / ".ko.yaml").write_text(f"defaultBaseImage: {base}\ndefaultLdflags: [-s, -w]\n")
        argv = (str(ko), "build", "--bare", "--push=false", "--sbom=none", "--oci-layout-path=result", ".")
        peer.said(*argv)
        mine = Path(self.env["XDG_CACHE_HOME"]) / "aac/go/build"
        return Pair("a Go agent", "`ko build`", ours, peer, argv, "main.go", "//", (mine, built))

    def task(self) -> tuple[Place, str]:
        """go-task with the graph that make and ninja have."""
        place = Place(self.top / "task", {**self.env, "GOBIN": str(self.top / "bin"), "GOTOOLCHAIN": "local"})
        place.folder.mkdir()
        for name in ("agent.yaml", "main.py", "agent.lock"):
            shutil.copy(self.lab.still.folder / name, place.folder / name)
        lines = (TASK_LINE.format(name, after, name, name) for name, after in zip(STEPS, ("", *STEPS), strict=False))
        (place.folder / "Taskfile.yml").write_text("".join((TASKS, *lines)))
        place.said("go", "install", TASK)
        program = str(self.top / "bin/task")
        place.said(program, "test")
        return place, program

    def java(self) -> Pair:
        """jib as its authors recommend it, offline, into an archive."""
        ours, peer = (self.example("java", f"{who}-java", self.env) for who in ("ours", "peer"))
        base = self.top / "java-base.tar"
        peer.said("skopeo", "copy", self._base(ours), f"docker-archive:{base}:base:1")
        plugin = PLUGIN.format(version=JIB, base=base)
        (peer.folder / "pom.xml").write_text(POM.replace("</project>\n", plugin))
        maven = (str(shutil.which("mvn")), "-q", "compile", "jib:buildTar")
        peer.said(*maven)
        (peer.folder / "result").symlink_to("target/jib-image.tar")
        argv = (*maven[:1], "-o", *maven[1:])
        return Pair("a Java agent", "`mvn compile jib:buildTar`", ours, peer, argv, "src/main/java/example/Hello.java", "//")

    def python(self) -> Pair:
        """bentoml stops before an image: its `containerize` hands the rest to `docker build`."""
        ours = self._folder("ours-python", AGENT.format(name="bento", runtime="python", more=""), self.env)
        (ours.folder / "main.py").write_text(SERVICE)
        peer = self._folder("peer-python", "", {**self.env, "BENTOML_HOME": str(self.top / "bento"), "BENTOML_DO_NOT_TRACK": "1"})
        (peer.folder / "service.py").write_text(SERVICE)
        (peer.folder / "bentofile.yaml").write_text('service: "service:Hello"\ninclude: ["*.py"]\n')
        peer.said(sys.executable, "-m", "venv", str(self.top / "bento-venv"))
        binaries = self.top / "bento-venv/bin"
        peer.said(str(binaries / "pip"), "install", "-q", BENTOML)
        argv = (str(binaries / "bentoml"), "build", "-q")
        for place, command in ((ours, (self.agent, "build")), (peer, argv)):
            place.said(*command)
        (ours.folder / "service.py").write_text(SERVICE)
        return Pair("a Python agent", "`bentoml build` (no image yet)", ours, peer, argv, "service.py", "#")

    def example(self, name: str, folder: str, env: Mapping[str, str]) -> Place:
        """One of ours in a folder of its own, built by us where it is called so."""
        place = Place(self.top / folder, {**env, "GOBIN": str(self.top / "bin")})
        shutil.copytree(ROOT / "examples" / name, place.folder)
        if folder.startswith("ours"):
            (place.folder / ".git").mkdir()  # the root of a workspace
            place.said(self.agent, "build")
        return place

    def _folder(self, name: str, agent: str, env: Mapping[str, str]) -> Place:
        place = Place(self.top / name, dict(env))
        (place.folder / ".git").mkdir(parents=True)
        if agent:
            (place.folder / "agent.yaml").write_text(agent)
        return place

    def _base(self, ours: Place) -> str:
        """The base of an image of ours, alone, as an OCI layout: what skopeo copies from."""
        layers = json.loads(ours.said(self.agent, "inspect", "--json"))["layers"]
        count = sum(layer["name"] == "base" for layer in layers)
        layout = saved(ours, self.agent)
        index = json.loads((layout / "index.json").read_text())
        manifest = json.loads(blob(layout, index["manifests"][0]).read_text())
        config = json.loads(blob(layout, manifest["config"]).read_text())
        config["rootfs"]["diff_ids"] = config["rootfs"]["diff_ids"][:count]
        config.pop("history", None)
        config["config"] = {k: v for k, v in config["config"].items() if k == "Env"}
        manifest |= {"layers": manifest["layers"][:count], "config": _kept(layout, config, manifest["config"])}
        index["manifests"] = [_kept(layout, manifest, {"mediaType": manifest["mediaType"]})]
        (layout / "index.json").write_text(json.dumps(index))
        return f"oci:{layout}"


def saved(ours: Place, agent: str) -> Path:
    """The image of the agent in a folder, as an OCI layout beside it."""
    name = json.loads(ours.said(agent, "plan", "--json"))["agents"][0]["agent"]
    layout = ours.folder.with_name(f"{ours.folder.name}-image")
    ours.said(agent, "save", name, "-o", f"{layout}.tar")
    with tarfile.open(f"{layout}.tar") as tar:
        tar.extractall(layout, filter="data")
    return layout


def blob(layout: Path, descriptor: Mapping[str, str]) -> Path:
    """A blob of a layout."""
    return layout / "blobs" / descriptor["digest"].replace(":", "/")


def _kept(layout: Path, document: object, like: Mapping[str, str]) -> dict[str, object]:
    """Write a document into the layout; its descriptor."""
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"mediaType": like["mediaType"], "digest": f"sha256:{digest}", "size": len(data)}
