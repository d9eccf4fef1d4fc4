"""Users with an agent of two platforms, on a base of their own."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
from registry_user import User
from runner_stage import WEB, busybox

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.registries.layout import LayoutRegistry
from aac_tasks.conformance.lending import lend
from aac_tasks.contracts.image import MEDIA_INDEX, Platform
from aac_tasks.contracts.oci_index import index_document

AGENT = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: ex, version: 1.0.0}
spec:
  runtime: python
  model: {provider: openai, name: gpt-4o-mini}
  build: {baseImage: "oci:base"}
  image: {registry: "oci:dist"}
  entrypoint: [/bin/sh, /app/run.sh]
  ports: [{container: 8080}]
  healthCheck: {type: tcp, interval: 1s}
  deploy: {target: process}
"""
RUN = """\
trap 'exit 0' TERM INT
httpd -f -p "127.0.0.1:${PORT:-8080}" -h /www &
wait
"""
PLATFORMS = ("linux/amd64", "linux/arm64")
BOTH = ",".join(PLATFORMS)


@pytest.fixture
def user(tmp_path: Path) -> User:
    user = User(tmp_path / "ada", {"AAC_ALLOW_HOST": "1", "DOCKER_HOST": "unix:///nowhere"})
    put_base(user.folder)
    write_agent(user.folder)
    return user


def put_base(folder: Path) -> None:
    """A base of both platforms in a layout; one static program does for both, as nothing is run."""
    lent = lend(folder.parent / "bases", {"HOME": str(folder.parent)})
    with lent.blobs.scratch() as scratch:
        python = Entry("usr/bin/python3.13", "file", 0o755, data=b"only its name counts\n")
        layer = write_layer([*busybox(), python], lent.blobs, scratch, name="base", created=0)
    images = [write_image((layer,), WEB, lent.blobs, platform=Platform.parse(p), about=About()) for p in PLATFORMS]
    index = lent.blobs.put(index_document(images), media_type=MEDIA_INDEX)
    LayoutRegistry().push_index(index, images, f"oci:{folder}/base:base:1", lent.tools)


def write_agent(folder: Path, text: str = RUN) -> None:
    (folder / "agent.yaml").write_text(AGENT)
    (folder / "run.sh").write_text(text)


def build(user: User, *words: str) -> str:
    """Build with the embedded builder; the digest."""
    said = user.agent("build", "--builder", "embedded", *words)
    assert said.code == 0, said
    digest: str = user.agent("inspect", "ex", "--json").json["digest"]
    return digest


def beside(user: User, name: str) -> User:
    """Another workspace of the same user."""
    other = copy.copy(user)
    other.folder = user.folder.parent / name
    shutil.copytree(user.folder, other.folder, ignore=shutil.ignore_patterns(".aac", "dist"))
    return other


def empty(user: User) -> User:
    """A folder with nothing in it."""
    other = beside(user, "empty")
    shutil.rmtree(other.folder)
    other.folder.mkdir()
    return other


# -- pull -----------------------------------------------------------------------------------------------------------
