"""What an engine made, taken into the store: archives of stages, images as `docker save` writes them, and foreign tars."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from plugins.oci.oci_bench import Shop, layer_of, special, tar_of
from plugins.oci.tiny_image import context_file

from aac_plugins.oci.engine_images import import_image
from aac_plugins.oci.layer import write_layer, write_tar
from aac_plugins.oci.sources import archived_entries, confirm_context, installed_entries
from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.errors import StepError

LOWER, UPPER = tar_of(("a", b"one")), tar_of(("b", b"two"))


def digest(tar: bytes) -> str:
    return f"sha256:{hashlib.sha256(tar).hexdigest()}"


def shown(*tars: bytes, config: JsonObject | None = None) -> JsonObject:
    return {"RootFS": {"Layers": [digest(t) for t in tars]}, "Config": config or {"Env": ["A=1"], "User": "7"}}


def saved(*blobs: bytes, diff_ids: tuple[bytes, ...]) -> bytes:
    """As `docker save` writes it: a configuration and layers, named by manifest.json."""
    config = json.dumps({"rootfs": {"diff_ids": [digest(t) for t in diff_ids]}}).encode()
    manifest = [{"Config": "c.json", "Layers": [f"{i}/layer.tar" for i in range(len(blobs))]}]
    files: Mapping[str, bytes] = {
        "c.json": config,
        "manifest.json": json.dumps(manifest).encode(),
        **{f"{i}/layer.tar": blob for i, blob in enumerate(blobs)},
    }
    return tar_of(*files.items())


class Saver:
    """Writes an archive, and counts how often it was asked."""

    def __init__(self, archive: bytes) -> None:
        self.archive = archive
        self.asked = 0

    def __call__(self, path: Path) -> None:
        self.asked += 1
        path.write_bytes(self.archive)


def test_plain_layers_keep_their_diff_ids_and_are_compressed(shop: Shop) -> None:
    save = Saver(saved(LOWER, UPPER, diff_ids=(LOWER, UPPER)))
    image = import_image(shown(LOWER, UPPER), (), save, "commands", shop.tools)
    assert [layer.diff_id for layer in image.layers] == [digest(LOWER), digest(UPPER)]
    assert gzip.decompress(shop.blobs.path(image.layers[1].blob.digest).read_bytes()) == UPPER
    assert (image.config.env, image.config.user) == (("A=1",), "7")


def test_compressed_layers_stay_the_blobs_that_the_engine_has(shop: Shop) -> None:
    packed = gzip.compress(UPPER, 1)
    image = import_image(shown(UPPER), (), Saver(saved(packed, diff_ids=(UPPER,))), "x", shop.tools)
    assert shop.blobs.path(image.layers[0].blob.digest).read_bytes() == packed


def test_nothing_is_saved_when_every_layer_is_known(shop: Shop) -> None:
    save, lower = Saver(saved(LOWER, UPPER, diff_ids=(LOWER, UPPER))), layer_of(shop.blobs, LOWER, "base")
    first = import_image(shown(LOWER, UPPER), (lower,), save, "x", shop.tools)
    again = import_image(shown(LOWER, UPPER), (lower,), save, "x", shop.tools)
    assert first == again
    assert first.layers[0] == lower
    assert save.asked == 1


@pytest.mark.parametrize(
    "archive",
    [saved(LOWER, diff_ids=(UPPER,)), saved(LOWER, diff_ids=(LOWER, UPPER)), b"no tar", tar_of(("x", b""))],
    ids=["another layer", "a layer too few", "no archive", "no manifest"],
)
def test_an_archive_that_is_not_what_the_engine_showed_is_refused(shop: Shop, archive: bytes) -> None:
    with pytest.raises(StepError):
        import_image(shown(UPPER), (), Saver(archive), "x", shop.tools)


def test_a_health_check_for_a_shell_is_kept(shop: Shop) -> None:
    config: JsonObject = {"Healthcheck": {"Test": ["CMD-SHELL", "curl localhost || exit 1"]}}
    image = import_image(shown(UPPER, config=config), (), Saver(saved(UPPER, diff_ids=(UPPER,))), "x", shop.tools)
    assert image.config.healthcheck is not None
    assert image.config.healthcheck.command == ("/bin/sh", "-c", "curl localhost || exit 1")


def test_a_foreign_tar_is_kept_byte_for_byte(shop: Shop) -> None:
    with shop.blobs.scratch() as scratch:
        layer = write_tar(iter([UPPER[:100], UPPER[100:]]), shop.blobs, scratch, name="x")
    assert layer.diff_id == digest(UPPER)
    assert gzip.decompress(shop.blobs.path(layer.blob.digest).read_bytes()) == UPPER


def test_a_stages_archive_makes_the_layer_that_the_folder_would(shop: Shop, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "opt/agent/bin").mkdir(parents=True)
    (root / "opt/agent/bin/tool").write_text("#!/x\n")
    (root / "opt/agent/bin/tool").chmod(0o700)
    (root / "opt/agent/bin/same").hardlink_to(root / "opt/agent/bin/tool")
    (root / "opt/agent/link").symlink_to("/usr/bin/python3")
    (root / "opt/agent/__pycache__").mkdir()
    (root / "opt/agent/__pycache__/a.pyc").write_text("")
    archive = tmp_path / "stage.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(root / "opt", "opt")

    def written(entries: object) -> object:
        with shop.blobs.scratch() as scratch:
            return write_layer(entries, shop.blobs, scratch, name="x", created=0)  # type: ignore[arg-type]

    assert written(archived_entries(archive)) == written(installed_entries(root))


@pytest.mark.parametrize("member", [special("null", tarfile.CHRTYPE), special("up", tarfile.SYMTYPE, "../../etc/passwd")])
def test_what_can_not_be_in_a_layer_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    (tmp_path / "stage.tar").write_bytes(tar_of(member))
    with pytest.raises(StepError):
        archived_entries(tmp_path / "stage.tar")


def test_a_torn_archive_is_refused(tmp_path: Path) -> None:
    out = io.BytesIO(tar_of(("a", b"x" * 5000)))
    (tmp_path / "stage.tar").write_bytes(out.getvalue()[:900])
    with pytest.raises(StepError, match="can't be read"):
        archived_entries(tmp_path / "stage.tar")


def test_a_context_that_an_engine_read_is_confirmed_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one")
    (tmp_path / "link").symlink_to("a")
    files = [context_file(tmp_path, name) for name in ("a", "link")]
    confirm_context(files)
    (tmp_path / "a").write_text("two")
    with pytest.raises(StepError, match="a changed while the image was built"):
        confirm_context(files)
    (tmp_path / "a").unlink()
    with pytest.raises(StepError, match="a changed while the image was built"):
        confirm_context(files)
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("b")
    with pytest.raises(StepError, match="link changed while the image was built"):
        confirm_context(files[1:])
