"""Agents as their authors would write them for Docker: the examples, each with a usual Dockerfile in two stages.

Dependencies come before sources, and what compiles has its caches mounted. Everything starts from a ``debian:13-slim`` that is
made here, of the packages of Debian's own without their documentation, and installs what it needs with apt-get: what others start
from only public registries have.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import ROOT
from benchmarks.packagers import POM

sys.path.append(str(ROOT / "tests"))  # the engine that tests start

from real.dockerd import Engine

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

@dataclass(frozen=True)
class Language:
    """An example and its source that is edited. Packages to ``build`` and to ``run`` with, ``steps`` and what is ``kept``."""

    example: str
    source: str
    build: str
    run: str
    steps: str
    kept: str


LANGUAGES = {
    "python": Language(
        "hello", "main.py", "python3-venv", "python3",
        "COPY requirements.txt .\nRUN python3 -m venv /venv && /venv/bin/pip install --no-cache-dir -r requirements.txt\n",
        'COPY --from=build /venv /venv\nCOPY main.py /app/\nENTRYPOINT ["/venv/bin/python", "/app/main.py"]\n',
    ),
    "nodejs": Language(
        "node", "index.js", "nodejs npm", "nodejs",
        "COPY package.json package-lock.json ./\nRUN npm ci --omit=dev\n",
        'COPY --from=build /app /app\nCOPY index.js /app/\nENTRYPOINT ["node", "/app/index.js"]\n',
    ),
    "go": Language(
        "go", "main.go", "golang-go ca-certificates", "ca-certificates",
        "COPY go.mod go.sum ./\nRUN go mod download\nCOPY . .\nRUN --mount=type=cache,target=/root/.cache/go-build "
        'CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o /agent .\n',
        'COPY --from=build /agent /agent\nCOPY greetings /app/greetings\nENTRYPOINT ["/agent"]\n',
    ),
    "rust": Language(
        "rust", "src/main.rs", "cargo gcc libc6-dev", "ca-certificates",
        "COPY . .\nRUN --mount=type=cache,target=/root/.cargo/registry --mount=type=cache,target=/app/target "
        "cargo build --release --locked && cp target/release/hello-rust /agent\n",
        'COPY --from=build /agent /agent\nENTRYPOINT ["/agent"]\n',
    ),
    "java": Language(
        "java", "src/main/java/example/Hello.java", "maven openjdk-21-jdk-headless", "openjdk-21-jre-headless",
        "COPY pom.xml .\nRUN mvn -q dependency:copy-dependencies\nCOPY src src\n"
        "RUN --mount=type=cache,target=/root/.m2 mvn -q compile\n",
        "COPY --from=build /app/target/dependency /app/lib\nCOPY --from=build /app/target/classes /app/classes\n"
        'ENTRYPOINT ["java", "-cp", "/app/classes:/app/lib/*", "example.Hello"]\n',
    ),
}  # fmt: skip

OWN = Language("custom", "main.py", "", "", "", "")
"""The example that brings a Dockerfile, which is the peer's too."""

ITS_BASE, PYTHON = "docker.io/library/python:3.13-slim", "localhost/python:here"
"""What it starts from, and what it gets instead: a slim Debian with its own Python."""


def lay_out(runtime: str, folder: Path) -> None:
    """The example with its Dockerfile, in a new folder; it is built with `authorities` as ``--build-context=ca=``."""
    language = LANGUAGES.get(runtime, OWN)
    copied(language.example, folder)
    if language is OWN:
        return
    if runtime == "java":
        (folder / "pom.xml").write_text(POM)
    run = f"FROM {SLIM}\n{APT.format(language.run)}WORKDIR /app\n{language.kept}USER 10001:10001\n"
    (folder / "Dockerfile").write_text(BUILD.format(language.build) + language.steps + run)


def copied(example: str, folder: Path) -> None:
    """An example as it is under version control; a Dockerfile of its own starts from what is here."""
    left_out = shutil.ignore_patterns("target", ".aac", "dist", "node_modules")
    shutil.copytree(ROOT / "examples" / example, folder, ignore=left_out)
    for path in (folder / "agent.yaml", folder / "Dockerfile"):
        if path.exists():
            path.write_text(path.read_text().replace(ITS_BASE, PYTHON))


def authorities(folder: Path) -> Path:
    """This machine's certificate authorities, in a new folder."""
    folder.mkdir()
    shutil.copy(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"), folder / "ca.crt")
    shutil.copy("/etc/ssl/certs/java/cacerts", folder)
    return folder


def slim(archive: Path, engine: Engine) -> None:
    """What `debian:13-slim` holds (https://github.com/debuerreotype/debuerreotype): what is required, and apt."""
    left_out = (f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in DOCUMENTATION)
    subprocess.run(("mmdebstrap", "--quiet", "--variant=minbase", *left_out, "trixie", str(archive)), check=True)
    engine.docker("import", str(archive), SLIM, timeout=300).ok()


def slim_python(folder: Path, engine: Engine) -> None:
    """`PYTHON`, of a slim Debian that is there."""
    folder.mkdir()
    (folder / "Dockerfile").write_text(f"FROM {SLIM}\n{APT.format('python3')}")
    engine.docker("build", "--provenance=false", "--network=host", "-q", "-t", PYTHON, str(folder), timeout=300).ok()
