"""The embedded builder: the same image everywhere, nothing done twice, nothing of the host inside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from plugins.oci import tiny_image
from plugins.oci.oci_bench import tree_of
from plugins.oci.tiny_image import CONTEXT, INSTALLED, RECIPE, Yard, build, context_file, relabelled

from aac_plugins.builders.embedded import FORMAT, EmbeddedBuilder
from aac_plugins.oci.layer import LAYER_FORMAT
from aac_plugins.oci.unpack import open_image, unpack
from aac_tasks.contracts.image import Digest
from aac_tasks.contracts.lock import LockedDependencies
from aac_tasks.contracts.recipe import CommandLayer, CompiledLayer, Context, DependencyLayer, Run, Stage
from aac_tasks.contracts.tools import Tools
from aac_tasks.errors import StepError

GOLDEN = {(1, 1): "sha256:e7e1fb3396f83d5b63cc77997bd9388ea42e0772120e971c756a7d1b1c80014b"}
"""(builder's format, layers' format) → manifest digest of the tiny image.

When this fails the bytes of every user's image change: raise ``FORMAT`` (or ``LAYER_FORMAT``) and add a
line.
"""


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def document(yard: Yard, digest: Digest) -> dict[str, object]:
    value = json.loads(yard.blobs.path(digest).read_bytes())
    assert isinstance(value, dict)
    return value


def test_the_bytes_of_an_image_change_only_with_the_format(yard: Yard) -> None:
    assert build(yard).manifest.digest == GOLDEN[FORMAT, LAYER_FORMAT]


def pythons() -> list[str]:
    """This Python, and those in AAC_TEST_PYTHONS (paths between ':', deflate and pluggy installed)."""
    return [sys.executable, *filter(None, os.environ.get("AAC_TEST_PYTHONS", "").split(":"))]


@pytest.mark.parametrize("python", pythons())
def test_neither_host_nor_python_nor_locale_nor_clock_leave_a_trace(python: str, tmp_path: Path) -> None:
    paths = [str(Path(p)) for p in sys.path if Path(p, "aac_tasks").is_dir() or Path(p, "aac_plugins").is_dir()]
    digests = set()
    for umask, zone, locale, order in (
        (0o022, "UTC", "C.UTF-8", "forward"),
        (0o077, "Asia/Tokyo", "C", "backward"),
    ):
        folder = tmp_path / f"{order}-{'x' * umask}"
        folder.mkdir()
        env = {
            "PYTHONPATH": os.pathsep.join(paths),
            "TZ": zone,
            "LANG": locale,
            "LC_ALL": locale,
            "PATH": os.defpath,
        }
        argv = [python, tiny_image.__file__, str(folder), order]
        run = subprocess.run(argv, env=env, umask=umask, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        digests.add(run.stdout.strip())
    assert digests == {GOLDEN[FORMAT, LAYER_FORMAT]}


def test_the_image_holds_the_files_of_every_layer_and_no_caches(yard: Yard, tmp_path: Path) -> None:
    unpack(build(yard).layers, yard.blobs, tmp_path / "out")
    tree = tree_of(tmp_path / "out")
    files = {path: mode for path, (kind, mode, _) in tree.items() if kind == "file"}
    plain = {f"app/{p}": 0o644 for p in CONTEXT} | dict.fromkeys(INSTALLED, 0o644)
    assert files == plain | {
        "usr/bin/python3": 0o755,
        "etc/agent/config.json": 0o644,
        "app/run.sh": 0o755,
        "opt/agent/bin/tool": 0o755,
    }
    assert tree["app/link"] == ("symlink", 0, "lib/naïve.py")
    assert tree["opt/agent/python"] == ("symlink", 0, "/usr/bin/python3")
    assert tree["app/empty"] == ("dir", 0o755, "")
    assert tree["tmp"] == ("dir", 0o1777, "")


def test_the_configuration_lies_over_the_bases_as_a_dockerfile_would_have_it(yard: Yard) -> None:
    image = build(yard)
    config = open_image(image, yard.blobs)
    assert config.env == ("PATH=/opt/agent/bin:/usr/bin", "LANG=C.UTF-8", "AGENT=tiny", "Z=1")
    assert config.entrypoint == ("/usr/bin/python3", "/app/main.py")
    assert config.cmd == ()  # the base's command is not for our entrypoint
    assert (config.user, config.working_dir) == ("10001:10001", "/app")
    assert config.exposed_ports == ("8080/tcp", "9/tcp")
    assert config.labels == {"base": "1", "x": "ours"}
    raw = document(yard, image.config.digest)
    assert raw["created"] == "2023-11-14T22:13:20Z"
    assert raw["config"]["Healthcheck"]["Test"] == ["CMD", "/usr/bin/python3", "-c", "probe"]  # type: ignore[index]
    assert raw["config"]["Healthcheck"]["Interval"] == 500_000_000  # type: ignore[index]
    assert len(raw["history"]) == len(image.layers) == 4  # type: ignore[arg-type]
    assert document(yard, image.manifest.digest)["annotations"] == RECIPE.annotations


def test_without_an_entrypoint_of_its_own_an_image_starts_as_its_base(yard: Yard) -> None:
    config = open_image(build(yard, replace(RECIPE, entrypoint=(), command=())), yard.blobs)
    assert (config.entrypoint, config.cmd) == ((), ("sh",))


def test_labels_annotations_and_dates_are_not_content(yard: Yard) -> None:
    image, other = build(yard), build(yard, relabelled())
    assert image.manifest.digest != other.manifest.digest
    assert image.content_digest == other.content_digest
    assert image.layers == other.layers


@pytest.mark.parametrize(
    "change",
    [
        {"env": {}},
        {"user": "1:1"},
        {"workdir": "/"},
        {"entrypoint": ("/x",)},
        {"command": ("x",)},
        {"ports": ()},
        {"probe": None},
        {"stop_signal": "SIGINT"},
        {"layers": RECIPE.layers[1:]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_an_image_does_is_content(yard: Yard, change: dict[str, object]) -> None:
    assert build(yard, replace(RECIPE, **change)).content_digest != build(yard).content_digest  # type: ignore[arg-type]


def test_an_edited_source_line_neither_installs_nor_reads_the_dependencies(yard: Yard) -> None:
    before = build(yard)
    dependencies = before.layers[1].blob
    path = yard.blobs.path(dependencies.digest)
    path.chmod(0o644)
    path.write_bytes(bytes(dependencies.size))  # whoever reads or hashes it now will notice
    (yard.folder / "context" / "main.py").write_text("print('edited')\n")
    after = build(yard)
    assert yard.installs == 1
    assert [a == b for a, b in zip(before.layers, after.layers, strict=True)] == [True, True, True, False]
    assert path.read_bytes() == bytes(dependencies.size)


def test_other_dependencies_or_another_base_install_again(yard: Yard) -> None:
    build(yard)
    first = RECIPE.layers[0]
    assert isinstance(first, DependencyLayer)
    build(yard, replace(RECIPE, layers=(replace(first, runtime_version="2"), *RECIPE.layers[1:])))
    build(yard, replace(RECIPE, base=replace(RECIPE.base, digest=f"sha256:{'1' * 64}")))
    assert yard.installs == 3


def test_a_remembered_layer_whose_blob_is_gone_is_made_again(yard: Yard) -> None:
    image = build(yard)
    yard.blobs.path(image.layers[1].blob.digest).unlink()
    yard.blobs.path(image.layers[3].blob.digest).unlink()
    assert build(yard) == image
    assert yard.installs == 2
    assert all(yard.blobs.has(layer.blob.digest) for layer in image.layers)


def compiled(yard: Yard, **settings: str) -> CompiledLayer:
    stage = Stage("build", (Context("/src"), Run(("make",))), image="docker.io/library/gcc")
    return CompiledLayer("lang", "1.2", LockedDependencies(), ("/app",), stage, {"name": "agent", **settings})


def test_what_is_compiled_is_compiled_again_when_its_sources_or_settings_change_and_not_otherwise(yard: Yard) -> None:
    recipe = replace(RECIPE, layers=(compiled(yard),))
    first = build(yard, recipe)
    assert (first.layers[1].name, yard.compiled) == ("compiled", 1)
    assert build(yard, recipe) == first
    elsewhere = replace(compiled(yard), stage=Stage("build", (Context("/elsewhere"),)))
    assert build(yard, replace(RECIPE, layers=(elsewhere,))) == first
    assert yard.compiled == 1, "how an engine would compile it is nothing to this builder"
    (yard.folder / "context" / "main.py").write_text("print('edited')\n")
    build(yard, recipe)
    build(yard, replace(RECIPE, layers=(compiled(yard, name="other"),)))
    assert yard.compiled == 3


def test_a_program_that_compiles_must_be_on_the_host(yard: Yard) -> None:
    assert EmbeddedBuilder().can_build(frozenset({"tool:make"}), having("make")) == ""
    refused = EmbeddedBuilder().can_build(frozenset({"tool:make"}), having())
    assert refused == "make is not installed; install it, or use --builder docker"


def having(*programs: str) -> Tools:
    """Tools that find these programs and can do nothing else."""
    return cast("Tools", SimpleNamespace(which=lambda name: Path(f"/usr/bin/{name}") if name in programs else None))


def test_no_cache_makes_every_layer_again(yard: Yard) -> None:
    build(yard)
    EmbeddedBuilder().build(replace(yard.request(), no_cache=True), yard.tools)
    assert yard.installs == 2


class Leaking(Yard):
    """Installs something that knows where it was installed."""

    def __init__(self, folder: Path, kind: str) -> None:
        super().__init__(folder)
        self._kind = kind

    def install(self, into: Path) -> None:
        super().install(into)
        if self._kind == "text":
            (into / "opt/agent/bin/tool").write_text(f"#!{into}/bin/python3\n")
        elif self._kind == "far":  # the path lies across the border of two pieces that are read
            (into / "opt/agent/far").write_bytes(b"\0" * ((1 << 20) - 10) + os.fsencode(into) + b"\0" * 99)
        elif self._kind == "link":
            (into / "opt/agent/l").symlink_to(into / "opt/agent/lib")
        elif self._kind == "climbing":
            (into / "opt/agent/l").symlink_to("../../../outside")
        else:
            os.mkfifo(into / "opt/agent/pipe")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("text", "installed opt/agent/bin/tool holds the path of the folder that it was installed in"),
        ("far", "installed opt/agent/far holds the path"),
        ("link", "installed opt/agent/l holds the path"),
        ("climbing", "installed link opt/agent/l points to ../../../outside, which is outside"),
        ("fifo", "installed opt/agent/pipe is neither file, folder nor link"),
    ],
)
def test_what_an_installation_must_not_leave_is_refused(tmp_path: Path, kind: str, message: str) -> None:
    yard = Leaking(tmp_path, kind)
    with pytest.raises(StepError) as caught:
        build(yard)
    assert message in str(caught.value)
    assert list((tmp_path / "store" / "tmp").iterdir()) == []


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "lib/../../secret", ".."])
def test_a_link_out_of_the_context_is_refused(yard: Yard, target: str) -> None:
    root = yard.folder / "context"
    files = yard.context(sorted)
    (root / "out").symlink_to(target)
    with pytest.raises(StepError, match=f"link out of the build context points to {target}, which is outside"):
        EmbeddedBuilder().build(yard.request(context=[*files, context_file(root, "out")]), yard.tools)


def test_a_source_that_changes_after_it_was_hashed_is_refused(yard: Yard) -> None:
    request = yard.request()
    (yard.folder / "context" / "main.py").write_text("print('HELLO')\n")  # as long as before
    with pytest.raises(StepError, match=r"main\.py changed while the image was built"):
        EmbeddedBuilder().build(request, yard.tools)


def test_a_recipe_that_runs_commands_is_refused_with_the_reason(yard: Yard) -> None:
    builder = EmbeddedBuilder()
    assert builder.can_build(frozenset(), yard.tools) == ""
    reason = builder.can_build(frozenset({"system-packages"}), yard.tools)
    assert reason == "build.systemPackages on a registry image needs RUN; use --builder docker"
    assert "--builder docker" in builder.can_build(frozenset({"moonshine"}), yard.tools)
    with pytest.raises(StepError, match="runs commands in the image"):
        build(yard, replace(RECIPE, layers=(CommandLayer((Run(("true",)),)),)))


@pytest.mark.real
@pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
def test_skopeo_finds_the_image_whole(yard: Yard) -> None:
    from aac_plugins.oci.layout import Layout

    image = build(yard)
    layout = Layout(yard.folder / "dist", "dist")
    layout.create()
    for blob in (*(layer.blob for layer in image.layers), image.config, image.manifest):
        layout.add(blob, yard.blobs.path(blob.digest))
    layout.tag("tiny:1", image, lambda ready: ready())
    archive = yard.folder / "image.tar"
    copy = [
        "skopeo",
        "copy",
        "-q",
        "--insecure-policy",
        f"oci:{layout.folder}:tiny:1",
        f"docker-archive:{archive}",
    ]
    subprocess.run(copy, check=True)
    assert archive.stat().st_size > 3 << 20
