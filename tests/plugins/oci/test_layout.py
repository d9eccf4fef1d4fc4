"""Layout folders: what skopeo thinks of ours, what concurrent writers do, what is not believed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugins.oci.oci_bench import Shop, file_of

from aac_plugins.bases.layout import LayoutBase
from aac_plugins.oci.documents import About, History, write_image
from aac_plugins.oci.layout import Layout
from aac_plugins.registries.layout import LayoutRegistry
from aac_tasks.contracts.image import MEDIA_INDEX, HealthProbe, ImageConfig, Platform, StoredImage
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.contracts.oci_index import index_document
from aac_tasks.errors import StepError

CONFIG = ImageConfig(
    env=("PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.12.4"),
    entrypoint=("/bin/agent",),
    user="10001:10001",
    exposed_ports=("8080/tcp",),
    labels={"org.opencontainers.image.title": "hello"},
    healthcheck=HealthProbe("http", port=8080, command=("/bin/probe",)),
)
REGISTRY = LayoutRegistry()
skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


def image_of(shop: Shop, text: str = "1", platform: Platform = Platform()) -> StoredImage:  # noqa: B008  # frozen
    layers = (
        shop.layer(file_of("usr/local/bin/python3.12", "elf", 0o755)),
        shop.layer(file_of("app/main", text)),
    )
    history = (History("base"), History("app"), History("labels", empty=True))
    about = About(created=315532800, annotations={"a": "b"}, history=history)
    return write_image(layers, CONFIG, shop.blobs, platform=platform, about=about)


def test_a_push_is_read_back_and_nothing_is_sent_twice(shop: Shop) -> None:
    image, ref = image_of(shop), "oci:dist:hello:1.0.0"
    first = REGISTRY.push(image, ref, shop.tools)
    assert first.digest == image.manifest.digest
    assert first.sent == sum(b.size for b in (image.manifest, image.config, *(x.blob for x in image.layers)))
    assert REGISTRY.push(image, ref, shop.tools).sent == 0
    assert REGISTRY.resolve(ref, shop.tools) == image.manifest.digest


def test_an_edit_sends_the_layer_and_the_documents_only(shop: Shop) -> None:
    REGISTRY.push(image_of(shop, "1"), "oci:dist:hello:1", shop.tools)
    image = image_of(shop, "2")
    sent = REGISTRY.push(image, "oci:dist:hello:2", shop.tools).sent
    assert sent == image.manifest.size + image.config.size + image.layers[1].blob.size


def test_a_tag_that_moved_and_one_that_never_was(shop: Shop) -> None:
    old, new = image_of(shop, "1"), image_of(shop, "2")
    REGISTRY.push(old, "oci:dist:hello:1", shop.tools)
    REGISTRY.push(new, "oci:dist:hello:1", shop.tools)
    assert REGISTRY.resolve("oci:dist:hello:1", shop.tools) == new.manifest.digest
    assert REGISTRY.resolve("oci:dist:hello:2", shop.tools) is None
    assert REGISTRY.resolve("oci:elsewhere:hello:1", shop.tools) is None


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_tag_whose_blob_is_gone_resolves_to_nothing_and_a_push_brings_it_back(shop: Shop, which: str) -> None:
    image, ref = image_of(shop), "oci:dist:hello:1"
    REGISTRY.push(image, ref, shop.tools)
    blob = {"manifest": image.manifest, "config": image.config, "layer": image.layers[0].blob}[which]
    Layout(shop.root / "dist", "dist").path(blob.digest).unlink()
    assert REGISTRY.resolve(ref, shop.tools) is None
    assert REGISTRY.push(image, ref, shop.tools).sent == blob.size
    assert REGISTRY.resolve(ref, shop.tools) == image.manifest.digest


def test_a_damaged_manifest_is_not_believed_and_is_mended(shop: Shop) -> None:
    image, ref = image_of(shop), "oci:dist:hello:1"
    REGISTRY.push(image, ref, shop.tools)
    path = Layout(shop.root / "dist", "dist").path(image.manifest.digest)
    path.unlink()
    path.write_bytes(b" " * image.manifest.size)
    assert REGISTRY.resolve(ref, shop.tools) is None
    assert REGISTRY.push(image, ref, shop.tools).digest == image.manifest.digest


def test_a_pull_verifies_every_blob(shop: Shop, tmp_path: Path) -> None:
    image, ref = image_of(shop), "oci:dist:hello:1"
    REGISTRY.push(image, ref, shop.tools)
    shutil.rmtree(shop.folder / "store")
    pulled = REGISTRY.pull(ref, image.platform, shop.tools)
    assert (pulled.manifest.digest, pulled.content_digest) == (image.manifest.digest, image.content_digest)
    assert [x.diff_id for x in pulled.layers] == [x.diff_id for x in image.layers]
    shutil.rmtree(shop.folder / "store")
    path = Layout(shop.root / "dist", "dist").path(image.layers[0].blob.digest)
    size = path.stat().st_size
    path.unlink()
    path.write_bytes(b"\0" * size)
    with pytest.raises(StepError, match="not to the sha256"):
        REGISTRY.pull(ref, image.platform, shop.tools)


@pytest.mark.parametrize("reference", ["oci:", "oci:dist", "oci:dist:", "dist:x:1"])
def test_a_reference_of_another_shape_is_refused(shop: Shop, reference: str) -> None:
    with pytest.raises(StepError, match="expected oci:PATH:repository:tag"):
        REGISTRY.resolve(reference, shop.tools)


WRITER = """
import sys, time
from pathlib import Path
from aac_plugins.oci.documents import read_image
from aac_plugins.oci.layout import Layout
from aac_tasks.contracts.image import Descriptor, Digest, MEDIA_MANIFEST
from aac_tasks.state.blobs import Blobs
blobs, root = Blobs(Path(sys.argv[1])), Path(sys.argv[2])
image = read_image(Descriptor(MEDIA_MANIFEST, Digest(sys.argv[3]), int(sys.argv[4])), blobs)
def wait(ready):
    while not ready():
        time.sleep(0.001)
    return True
for n in range(40):
    Layout(root, "dist").tag(f"{sys.argv[5]}:{n}", image, wait)
"""


def test_writers_at_the_same_time_lose_nothing(shop: Shop) -> None:
    image = image_of(shop)
    layout = Layout(shop.root / "dist", "dist")
    layout.create()
    arguments = [
        str(shop.folder / "store"),
        str(layout.folder),
        image.manifest.digest,
        str(image.manifest.size),
    ]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, *arguments, name]) for name in ("a", "b", "c")]
    assert [w.wait(60) for w in writers] == [0, 0, 0]
    assert len(layout.names()) == 120


def test_a_push_that_was_killed_leaves_nothing_once_another_is_done_alone(shop: Shop) -> None:
    image = image_of(shop)
    layout = Layout(shop.root / "dist", "dist")
    layout.create()
    left = (layout.folder / ".index.json.0.new", layout.folder / "blobs/sha256/.0.new")
    for path in left:
        path.write_bytes(b"half")
    with layout.writing():
        assert not any(path.exists() for path in left)
        left[1].write_bytes(b"somebody is writing this")
        REGISTRY.push(image, "oci:dist:hello:1", shop.tools)
        assert left[1].exists()
    REGISTRY.push(image, "oci:dist:hello:1", shop.tools)
    assert not left[1].exists()


def test_a_lock_that_is_never_given_back_is_an_error(shop: Shop) -> None:
    image = image_of(shop)
    layout = Layout(shop.root / "dist", "oci:dist")
    layout.create()
    with pytest.raises(StepError, match="oci:dist: another process holds its lock for too long"):
        layout.tag("x:1", image, lambda ready: False)


def test_what_others_wrote_into_the_index_stays(shop: Shop) -> None:
    layout = Layout(shop.root / "dist", "dist")
    layout.create()
    foreign = {
        "mediaType": "x/y",
        "digest": f"sha256:{'1' * 64}",
        "size": 1,
        "artifactType": "z",
        "urls": ["u"],
    }
    (layout.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [foreign], "own": 1}))
    layout.tag("x:1", image_of(shop), lambda ready: ready())
    document = json.loads((layout.folder / "index.json").read_text())
    assert document["manifests"][0] == foreign
    assert document["own"] == 1


@skopeo
@pytest.mark.real
def test_skopeo_reads_and_copies_what_we_wrote(shop: Shop) -> None:
    image = image_of(shop)
    REGISTRY.push(image, "oci:dist:team/hello:1.0.0", shop.tools)
    ours = f"oci:{shop.root}/dist:team/hello:1.0.0"

    def run(*argv: str) -> str:
        return subprocess.run(["skopeo", *argv], check=True, capture_output=True, text=True).stdout

    seen = json.loads(run("inspect", ours))
    assert (seen["Digest"], seen["Os"], seen["Architecture"]) == (image.manifest.digest, "linux", "amd64")
    assert seen["Layers"] == [layer.blob.digest for layer in image.layers]
    config = json.loads(run("inspect", "--config", ours))
    assert config["config"]["Entrypoint"] == ["/bin/agent"]
    assert len(config["history"]) == 3
    run("copy", "--insecure-policy", ours, f"oci:{shop.root}/copy:hello:1")
    raw = run("inspect", "--raw", f"oci:{shop.root}/copy:hello:1")
    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == image.manifest.digest
    # for Docker's archive it decompresses every layer, and checks the diff_ids
    run("copy", "--insecure-policy", ours, f"docker-archive:{shop.root}/image.tar:hello:1")
    assert (shop.root / "image.tar").stat().st_size > 0


@skopeo
@pytest.mark.real
@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_a_base_that_skopeo_wrote_is_pinned_and_fetched(shop: Shop, form: str) -> None:
    image = image_of(shop)
    REGISTRY.push(image, "oci:dist:hello:1", shop.tools)
    source = f"oci:{shop.root}/dist:hello:1"
    if form == "v2s2":  # Docker's media types do not fit into skopeo's oci: transport, so it takes the way by dir:
        folder = shop.root / "dir"
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", "-f", form, source, f"dir:{folder}"], check=True)
        layout = Layout(shop.root / "base", "base")
        layout.create()
        for path in folder.iterdir():
            shutil.copy(path, layout.folder / "blobs" / "sha256" / hashlib.sha256(path.read_bytes()).hexdigest())
        data = (folder / "manifest.json").read_bytes()
        entry = {
            "mediaType": json.loads(data)["mediaType"],
            "digest": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "size": len(data),
        }
        (layout.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    else:
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", source, f"oci:{shop.root}/base"], check=True)
    base = LayoutBase()
    shutil.rmtree(shop.folder / "store")
    locked = base.resolve(BaseRequest("layout", "oci:base", runtime="python", version="3.12"), Platform(), shop.tools)
    assert (locked.runtime_version, locked.facts) == ("3.12", {"python": "/usr/local/bin/python3.12"})
    fetched = base.fetch(locked, shop.tools)
    assert [layer.diff_id for layer in fetched.layers] == [layer.diff_id for layer in image.layers]
    assert fetched.config.env == CONFIG.env
    shutil.rmtree(shop.root / "base")
    assert base.fetch(locked, shop.tools) == fetched


def test_a_base_says_what_it_has_when_it_lacks_what_was_asked_for(shop: Shop) -> None:
    REGISTRY.push(image_of(shop), "oci:dist:hello:1", shop.tools)
    REGISTRY.push(image_of(shop, "2"), "oci:dist:other:1", shop.tools)
    base = LayoutBase()

    def resolve(reference: str, version: str = "", platform: str = "linux/amd64") -> None:
        request = BaseRequest("layout", reference, runtime="python", version=version)
        base.resolve(request, Platform.parse(platform), shop.tools)

    with pytest.raises(StepError, match=r"has no python 3\.11: it has python 3\.12"):
        resolve("oci:dist:hello:1", "3.11")
    with pytest.raises(StepError, match="has no image 'hello:2'; it has: hello:1, other:1"):
        resolve("oci:dist:hello:2")
    with pytest.raises(StepError, match="holds 2 images; say which: hello:1, other:1"):
        resolve("oci:dist")
    with pytest.raises(StepError, match="is an image for linux/amd64, not for linux/arm64"):
        resolve("oci:dist:hello:1", platform="linux/arm64")
    with pytest.raises(StepError, match="oci:nowhere is no OCI layout"):
        resolve("oci:nowhere")


def test_a_base_whose_pinned_image_is_gone_says_what_to_do(shop: Shop) -> None:
    REGISTRY.push(image_of(shop), "oci:dist:hello:1", shop.tools)
    base = LayoutBase()
    locked = base.resolve(BaseRequest("layout", "oci:dist"), Platform(), shop.tools)
    shutil.rmtree(shop.root / "dist")
    shutil.rmtree(shop.folder / "store")
    with pytest.raises(StepError, match=r"no longer holds sha256:.*which agent\.lock names"):
        base.fetch(locked, shop.tools)


@pytest.mark.skipif(os.getuid() == 0, reason="root writes anywhere")
def test_a_folder_that_can_not_be_written_is_said(shop: Shop) -> None:
    shop.root.chmod(0o500)
    try:
        with pytest.raises(StepError, match="can't be made: Permission denied"):
            REGISTRY.push(image_of(shop), "oci:dist:hello:1", shop.tools)
    finally:
        shop.root.chmod(0o700)


def test_an_index_of_several_platforms_is_complete_and_each_platform_is_found(shop: Shop) -> None:
    images = tuple(image_of(shop, a, Platform("linux", a)) for a in ("amd64", "arm64"))
    index = shop.blobs.put(index_document(images), media_type=MEDIA_INDEX)
    ref = "oci:dist:several:1"
    assert REGISTRY.push_index(index, images, ref, shop.tools).digest == index.digest
    assert REGISTRY.resolve(ref, shop.tools) == index.digest
    for image in images:
        assert REGISTRY.pull(ref, image.platform, shop.tools).manifest == image.manifest
    Layout(shop.root / "dist", "dist").path(images[1].config.digest).unlink()
    assert REGISTRY.resolve(ref, shop.tools) is None, "a platform's image is torn"
