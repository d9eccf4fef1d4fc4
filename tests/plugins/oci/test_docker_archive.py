"""Archives for an engine, read back byte by byte; and an engine that is stricter than Docker, played by a local server."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from http_servers import Answer, Seen, http_server
from runner_stage import Stage

from aac_plugins.oci.docker_api import Engine
from aac_plugins.oci.docker_archive import write_archive
from aac_plugins.oci.docker_load import load_image, shared
from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.engine_context import context_folder
from aac_plugins.oci.layer import Entry, write_layer
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.roles import ContextFile
from aac_tasks.errors import StepError

BIG = bytes(range(256)) * 9000


def image_of(stage: Stage, *texts: bytes) -> StoredImage:
    """One layer with one file for each text."""
    with stage.blobs.scratch() as scratch:
        layers = [
            write_layer([Entry(f"f{i}", "file", data=text)], stage.blobs, scratch, name=f"l{i}", created=0)
            for i, text in enumerate(texts)
        ]
    return write_image(layers, ImageConfig(cmd=("x",)), stage.blobs, platform=Platform(), about=About())


@dataclass
class Strict:
    """An engine of the overlay2 kind that refuses an archive unless every layer is in it; it knows one older image."""

    old: StoredImage
    words: str = "open blobs/sha256/…: no such file or directory"
    ids: dict[str, str] = field(default_factory=dict)
    took: list[set[str]] = field(default_factory=list)

    def behave(self, seen: Seen) -> Answer:
        if seen.method == "GET":
            name = seen.path.removeprefix("/images/").removesuffix("/json")
            layers = [layer.diff_id for layer in self.old.layers]
            known = {"Id": self.ids.get(name), "GraphDriver": {"Name": "overlay2"}, "RootFS": {"Layers": layers}}
            return Answer(200, json.dumps(known).encode()) if name in self.ids else Answer(404, b'{"message": "No such image"}')
        with tarfile.open(fileobj=io.BytesIO(seen.body)) as tar:
            names = set(tar.getnames())
            (manifest,) = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        self.took.append(names)
        if set(manifest["Layers"]) <= names:
            self.ids.update(dict.fromkeys(manifest["RepoTags"], f"sha256:{manifest['Config'].rpartition('/')[2]}"))
            return Answer(200, b'{"stream": "Loaded"}\r\n')
        return Answer(200, b'{"stream": "unpacking"}\r\n' + json.dumps({"error": self.words}).encode())


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    yield Stage(tmp_path)


def test_an_archive_holds_the_documents_and_the_layers_that_were_asked_for(stage: Stage) -> None:
    image = image_of(stage, BIG, b"two", b"three")
    with write_archive(image, ["a", "localhost:5/b/c:1"], stage.blobs, without=2) as file, tarfile.open(fileobj=file) as tar:
        members = {m.name: (tar.extractfile(m) or io.BytesIO()).read() for m in tar}
    wanted = [image.manifest, image.config, image.layers[2].blob]
    blobs = {f"blobs/sha256/{blob.digest.hex}": stage.blobs.path(blob.digest).read_bytes() for blob in wanted}
    assert members == {**blobs, **{n: members[n] for n in ("oci-layout", "index.json", "manifest.json")}}
    (manifest,) = json.loads(members["manifest.json"])
    assert manifest["RepoTags"] == ["docker.io/library/a:latest", "localhost:5/b/c:1"]
    assert manifest["Layers"] == [f"blobs/sha256/{layer.blob.digest.hex}" for layer in image.layers]
    named = [m["annotations"]["io.containerd.image.name"] for m in json.loads(members["index.json"])["manifests"]]
    assert named == manifest["RepoTags"]


def test_an_archive_is_read_in_any_pieces_and_from_any_place(stage: Stage) -> None:
    image = image_of(stage, BIG, b"two")
    with write_archive(image, ["a:1"], stage.blobs) as file:
        whole = file.read()
        assert file.seek(0, io.SEEK_END) == len(whole)
        assert len(whole) % 512 == 0
        for at, size in ((0, 1), (511, 2), (len(whole) // 2, 70_000), (len(whole) - 3, 10), (len(whole) + 5, 1)):
            file.seek(at)
            assert file.read(size) == whole[at : at + size]
    with write_archive(image, ["a:1"], stage.blobs) as again:
        assert again.read() == whole


def test_an_archive_of_a_layer_that_is_not_there_is_refused_before_anything_is_sent(stage: Stage) -> None:
    image = image_of(stage, b"one", b"two")
    stage.blobs.path(image.layers[1].blob.digest).unlink()
    with pytest.raises(StepError, match=f"blob {image.layers[1].blob.digest} is not in the store"):
        write_archive(image, ["a:1"], stage.blobs)
    write_archive(image_of(stage, b"one"), ["a:1"], stage.blobs).close()


def test_an_engine_that_misses_a_layer_gets_all_of_them(stage: Stage) -> None:
    old, image = image_of(stage, BIG, b"old"), image_of(stage, BIG, b"new")
    strict = Strict(old, ids={"docker.io/library/a:1": old.config.digest})
    with http_server(strict.behave) as server:
        loaded = load_image(Engine(url=server.url), image, ["docker.io/library/a:1"], stage.tools)
    base = f"blobs/sha256/{image.layers[0].blob.digest.hex}"
    assert [base in names for names in strict.took] == [False, True]
    assert loaded.id == image.config.digest
    assert stage.notes == [
        f"docker wants all layers of docker.io/library/a:1: docker can't load docker.io/library/a:1: {strict.words}"
    ]


def test_a_refusal_of_the_whole_image_is_told_in_the_engine_s_words(stage: Stage) -> None:
    image = image_of(stage, b"one")

    def full(seen: Seen) -> Answer:
        body = b'{"errorDetail": {"message": "no space left"}, "error": "no space left"}\r\n'
        return Answer(404, b"{}") if seen.method == "GET" else Answer(200, body)

    with http_server(full) as server, pytest.raises(StepError, match="docker can't load a:1: no space left"):
        load_image(Engine(url=server.url), image, ["a:1"], stage.tools)


def test_an_engine_that_says_yes_and_has_nothing_is_not_believed(stage: Stage) -> None:
    image = image_of(stage, b"one")

    def forgetful(seen: Seen) -> Answer:
        return Answer(404, b"{}") if seen.method == "GET" else Answer(200, b'{"stream": "Loaded image: a:1"}')

    with http_server(forgetful) as server, pytest.raises(StepError, match=r"docker took a:1 \(.{12}\) and shows nothing"):
        load_image(Engine(url=server.url), image, ["a:1"], stage.tools)


def test_what_is_shared_is_known_by_tars_in_overlay2_and_by_our_own_blobs_elsewhere(stage: Stage) -> None:
    image, other = image_of(stage, b"one", b"two"), image_of(stage, b"one", b"deux")
    tars = {"RootFS": {"Layers": [layer.diff_id for layer in image.layers]}}
    classic = {"Id": "sha256:x", "GraphDriver": {"Name": "overlay2"}, **tars}
    containerd = {"Id": image.manifest.digest, "GraphDriver": {"Name": "overlayfs"}, **tars}
    for engine in (classic, containerd):
        assert shared(engine, image, stage.blobs) == 2
        assert shared(engine, other, stage.blobs) == 1
    for stranger in (f"sha256:{'0' * 64}", image.config.digest, "nonsense"):
        assert shared({**containerd, "Id": stranger}, image, stage.blobs) == 0
    assert shared({}, image, stage.blobs) == 0


def test_a_context_with_other_modes_is_copied_and_one_with_ours_is_lent_as_it_is(tmp_path: Path) -> None:
    folder, copy = tmp_path / "tree", tmp_path / "copy"
    for path in (folder, folder / "sub", copy):
        path.mkdir()
        path.chmod(0o755)
    files = []
    for name, mode in (("a", 0o644), ("sub/run", 0o755)):
        (folder / name).write_text(name)
        (folder / name).chmod(mode)
        files.append(ContextFile(name, "file", folder / name, executable=mode == 0o755, size=len(name)))
    (folder / "sub/link").symlink_to("run")
    files.append(ContextFile("sub/link", "link", folder / "sub/link", target="run"))
    assert context_folder(files, folder, copy) == folder
    (folder / "sub").chmod(0o750)
    (folder / "a").chmod(0o600)
    assert context_folder(files, folder, copy) == copy
    modes = {p.relative_to(copy).as_posix(): oct(p.stat().st_mode & 0o7777) for p in copy.rglob("*")}
    assert modes == {"a": "0o644", "sub": "0o755", "sub/run": "0o755", "sub/link": "0o755"}
    assert (copy / "sub/link").readlink() == Path("run")
    assert (copy / "a").read_text() == "a"
