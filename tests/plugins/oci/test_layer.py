"""The layer writer: what it refuses, what its bytes look like, what they cost."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plugins.oci.oci_bench import Shop, file_of, tree_of

from aac_plugins.oci.layer import PIECE, Entry
from aac_plugins.oci.unpack import unpack
from aac_tasks.contracts.image import MEDIA_LAYER_GZIP
from aac_tasks.errors import StepError


def members(shop: Shop, *entries: Entry) -> list[tarfile.TarInfo]:
    layer = shop.layer(*entries, created=315532800)
    with tarfile.open(shop.blobs.path(layer.blob.digest), "r:gz") as tar:
        return tar.getmembers()


def test_members_are_sorted_by_the_bytes_of_their_paths_with_parents_added(shop: Shop) -> None:
    found = members(shop, file_of("b/z/x"), file_of("é"), file_of("a-"), file_of("a/b"), file_of("B"))
    assert [m.name for m in found] == ["B", "a", "a-", "a/b", "b", "b/z", "b/z/x", "é"]
    assert {m.mode for m in found if m.isdir()} == {0o755}


def test_nothing_of_the_host_is_in_a_member(shop: Shop) -> None:
    for member in members(shop, file_of("a/b"), Entry("l", "symlink", target="a/b")):
        assert (member.uname, member.gname, member.uid, member.gid) == ("", "", 0, 0)
        assert member.mtime == 315532800
        assert member.pax_headers == {}


def test_a_long_or_foreign_name_is_kept_whole_without_dates_in_pax_records(shop: Shop) -> None:
    long, foreign = "d/" + "x" * 300, "naïve-файл"
    found = members(shop, file_of(long), file_of(foreign), Entry("l", "symlink", target="t" * 200))
    assert {m.name for m in found} == {"d", "l", long, foreign}
    assert {key for m in found for key in m.pax_headers} == {"path", "linkpath"}


def test_a_name_that_is_no_utf8_survives(shop: Shop) -> None:
    name = os.fsdecode(b"caf\xe9")
    layer = shop.layer(file_of(name, "x"))
    unpack([layer], shop.blobs, shop.folder / "out")
    assert [path.name for path in (shop.folder / "out").iterdir()] == [name]


def test_a_hard_link_follows_its_file_whatever_their_names(shop: Shop) -> None:
    found = members(shop, Entry("a", "hardlink", target="z"), file_of("z", "text"))
    assert [(m.name, m.islnk()) for m in found] == [("z", False), ("a", True)]


def test_digests_are_those_of_the_file_and_of_its_tar(shop: Shop) -> None:
    layer = shop.layer(file_of("a", "x" * 3 * PIECE))
    data = shop.blobs.path(layer.blob.digest).read_bytes()
    assert layer.blob.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert layer.blob.size == len(data)
    assert layer.blob.media_type == MEDIA_LAYER_GZIP
    assert layer.diff_id == f"sha256:{hashlib.sha256(gzip.decompress(data)).hexdigest()}"


def test_gzip_members_hold_one_piece_each_and_no_date(shop: Shop) -> None:
    layer = shop.layer(file_of("a", "x" * 2 * PIECE))
    data = shop.blobs.path(layer.blob.digest).read_bytes()
    header = data[:10]
    assert header[4:8] == b"\0\0\0\0"
    assert data.count(header) == 3


def test_gnu_tar_reads_it(shop: Shop) -> None:
    layer = shop.layer(file_of("bin/x", "text" * PIECE, 0o755), Entry("l", "symlink", target="bin/x"))
    out = subprocess.run(["tar", "tvzf", str(shop.blobs.path(layer.blob.digest))], capture_output=True, text=True, check=True)
    assert out.stderr == ""
    assert [line.split()[0] for line in out.stdout.splitlines()] == ["drwxr-xr-x", "-rwxr-xr-x", "lrwxrwxrwx"]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ((file_of("a"), file_of("a")), "layer test: a is there twice"),
        ((file_of("/a"),), "'/a' can't be a member's path"),
        ((file_of("a/../b"),), "can't be a member's path"),
        ((file_of("./a"),), "can't be a member's path"),
        ((file_of("a\0b"),), "can't be a member's path"),
        ((file_of(""),), "can't be a member's path"),
        ((file_of("a"), file_of("a/b")), "layer test: a/b lies below a, which is a file"),
        ((Entry("a", "symlink", target="c"), file_of("a/b")), "a/b lies below a, which is a symlink"),
        ((Entry("a", "hardlink", target="b"),), "hard link a names 'b', which is no file of the layer"),
        ((Entry("a", "file", size=3, data=Path("/nonexistent/x")),), "can't read a: No such file"),
        ((Entry("a", "file", size=3, data=b"four"),), "a changed while it was read (expected 3 bytes)"),
        ((Entry("a", "file", size=5, data=b"four"),), "a changed while it was read (expected 5 bytes)"),
    ],
)
def test_what_can_not_be_a_layer_is_refused(shop: Shop, entries: tuple[Entry, ...], message: str) -> None:
    with pytest.raises(StepError) as caught:
        shop.layer(*entries)
    assert message in str(caught.value)
    assert not list(shop.folder.glob("store/blobs/**/??*/*"))


def test_a_file_that_grows_while_it_is_read_is_refused(shop: Shop) -> None:
    path = shop.folder / "log"
    path.write_bytes(b"x" * 100)
    entry = Entry("log", "file", size=100, data=path)
    with path.open("ab") as log:
        log.write(b"more")
    with pytest.raises(StepError, match="log changed while it was read"):
        shop.layer(entry)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.") and len(name.encode()) < 200
)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def entry_of(path: str, kind: str, mode: int, content: bytes | str) -> Entry:
    if isinstance(content, str):
        return Entry(path, "symlink", target=content)
    return Entry(path, "file", mode, data=content)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(PATHS, st.tuples(st.binary(max_size=2000), st.sampled_from([0o644, 0o755, 0o600]))),
    links=st.dictionaries(PATHS, NAMES, max_size=3),
)
def test_what_is_written_is_what_is_unpacked(shop: Shop, files: dict[str, tuple[bytes, int]], links: dict[str, str]) -> None:
    taken: dict[str, tuple[str, int, bytes | str]] = {}
    for path, item in {**{p: ("symlink", 0, t) for p, t in links.items()}, **files}.items():
        parents = [path[:i] for i, c in enumerate(path) if c == "/"]
        if path in taken or any(taken.get(p, ("dir",))[0] != "dir" for p in parents):
            continue
        taken.update(dict.fromkeys(parents, ("dir", 0o755, "")))
        taken[path] = item if len(item) == 3 else ("file", item[1], item[0])  # type: ignore[assignment]
    entries = [entry_of(p, *item) for p, item in taken.items() if item[0] != "dir"]
    out = shop.folder / f"out{len(list(shop.folder.iterdir()))}"
    unpack([shop.layer(*entries)], shop.blobs, out)
    assert tree_of(out) == taken


MEASURE = """
import sys
from pathlib import Path
from aac_plugins.oci.layer import Entry, write_layer
from aac_plugins.oci.unpack import unpack
from aac_tasks.state.blobs import Blobs
folder, source = Path(sys.argv[1]), Path(sys.argv[2])
blobs = Blobs(folder / "store")
with blobs.scratch() as scratch:
    layer = write_layer(
        [Entry("model.bin", "file", size=source.stat().st_size, data=source)], blobs, scratch, name="m",
        created=0
    )
unpack([layer], blobs, folder / "root")
assert (folder / "root" / "model.bin").stat().st_size == source.stat().st_size
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.slow
def test_a_file_of_600_mb_passes_through_100_mb_of_memory(tmp_path: Path) -> None:
    block = os.urandom(12 << 20) + b"compressible " * (4 << 20 >> 4)
    source = tmp_path / "model.bin"
    with source.open("wb") as out:
        while out.tell() < 600 << 20:
            out.write(block)
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), str(source)],
        capture_output=True,
        text=True,
        check=True,
    )
    shutil.rmtree(tmp_path)  # pytest would keep it for three runs
    # VmHWM, in kilobytes: ru_maxrss would begin with the memory of the process that forked this one
    assert int(run.stdout) <= 100 * 1024
