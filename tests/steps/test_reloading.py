"""What leads from one image to the next: applied to a root of the first, it gives a root of the second, or is refused."""

from __future__ import annotations

import io
import itertools
import os
import stat
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aac_plugins.oci.documents import About, write_image
from aac_plugins.oci.layer import Entry, write_layer, write_tar
from aac_plugins.oci.unpack import lay_over, unpack
from aac_tasks.contracts.image import ImageConfig, Platform, StoredImage
from aac_tasks.contracts.running import Changes
from aac_tasks.state.blobs import Blobs
from aac_tasks.steps.reloading import Known, NotFilesError, changes_between

CONFIG = ImageConfig(entrypoint=("/bin/true",), env=("PATH=/bin",), labels={"version": "1"})
BASE = (Entry("bin/true", "file", 0o755, data=b"true"),)
LOWER = (*BASE, Entry("app/lib/shared", "file", data=b"lower"))


class Bench:
    """A blob store in a folder, and images in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "store")
        self.known: Known = {}

    def image(
        self,
        app: Sequence[Entry],
        *,
        config: ImageConfig = CONFIG,
        files: str = "{}",
        dependencies: str = "1",
        base: Sequence[Entry] = BASE,
        compiled: Sequence[Entry] = (),
    ) -> StoredImage:
        """As a builder makes it: base, dependencies, what is compiled, files that the build writes, the application."""
        parts: Mapping[str, Sequence[Entry]] = {
            "base": base,
            "dependencies": [Entry("opt/agent/version", "file", data=dependencies.encode())],
            "compiled": compiled,
            "files": [Entry("etc/agent/config.json", "file", data=files.encode())],
            "application": app,
        }
        with self.blobs.scratch() as scratch:
            layers = tuple(write_layer(part, self.blobs, scratch, name=name, created=0) for name, part in parts.items())
        return write_image(layers, config, self.blobs, platform=Platform(), about=About())

    def changes(self, old: StoredImage, new: StoredImage, *covered: str) -> Changes:
        archive = self.folder / "changes.tar"
        archive.unlink(missing_ok=True)
        return changes_between(old, new, self.blobs, archive, covered, self.known)

    def root(self, name: str, image: StoredImage) -> Path:
        unpack(image.layers, self.blobs, self.folder / name)
        return self.folder / name

    def given(self, old: StoredImage, new: StoredImage) -> tuple[dict[str, object], dict[str, object]]:
        """A root of ``old`` that was given the changes, and a root of ``new``."""
        root, what = self.root("old", old), self.changes(old, new)
        lay_over(root, what.archive, what.gone, owners={})
        return tree(root), tree(self.root("new", new))

    def why_not(self, old: StoredImage, new: StoredImage, *covered: str) -> str:
        with pytest.raises(NotFilesError) as error:
            self.changes(old, new, *covered)
        return str(error.value)


def tree(root: Path) -> dict[str, object]:
    """All that there is to a folder, but for dates."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        content = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[path.relative_to(root).as_posix()] = (stat.S_IFMT(mode), 0 if path.is_symlink() else stat.S_IMODE(mode), content)
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def file(path: str, text: str = "x", mode: int = 0o644) -> Entry:
    return Entry(f"app/{path}", "file", mode, data=text.encode())


def link(path: str, target: str) -> Entry:
    return Entry(f"app/{path}", "symlink", 0o777, target=target)


def test_exactly_what_is_another_is_in_the_archive(bench: Bench) -> None:
    old = bench.image([file("main.py", "1"), file("same.py"), file("gone.py"), file("pkg/a.py"), file("pkg/b.py")])
    new = bench.image([file("main.py", "2"), file("same.py"), file("fresh/deep/x.py")])
    what = bench.changes(old, new)
    assert what.changed == ("app/fresh/deep/x.py", "app/main.py")
    assert what.gone == ("app/gone.py", "app/pkg")


def test_what_is_compiled_counts_too_but_not_where_another_layer_lies_above_it(bench: Bench) -> None:
    seen = (Entry("etc/agent/config.json", "file", data=b"never seen"), Entry("bin/agent", "file", 0o755, data=b"1"))
    old = bench.image([file("a")], compiled=seen)
    new = bench.image([file("a")], compiled=(replace(seen[0], data=b"not either"), replace(seen[1], data=b"2")))
    assert bench.changes(old, new).changed == ("bin/agent",)
    given_it, fresh = bench.given(old, new)
    assert given_it == fresh


def test_a_layer_that_is_known_is_not_read_again(bench: Bench) -> None:
    images = [bench.image([file("main.py", str(number))]) for number in range(3)]
    for old, new in itertools.pairwise(images):
        assert bench.changes(old, new).changed == ("app/main.py",)
        bench.blobs.path(old.layers[-1].blob.digest).unlink()  # only the first was ever read for what it holds
    assert len(bench.known) == 3


CASES = {
    "a mode": ([file("run", mode=0o644)], [file("run", mode=0o755)]),
    "a rename": ([file("a.py", "text")], [file("b.py", "text")]),
    "a link's target": ([link("now", "a")], [link("now", "b")]),
    "a file that becomes a link": ([file("a"), file("b")], [file("a"), link("b", "a")]),
    "a link that becomes a file": ([file("a"), link("b", "a")], [file("a"), file("b", "y")]),
    "a file that becomes a folder": ([file("a")], [file("a/b")]),
    "a folder that becomes a file": ([file("a/b"), file("a/c/d")], [file("a")]),
    "a folder that becomes a link to another": ([file("a/b"), file("c/b", "y")], [link("a", "c"), file("c/b", "y")]),
    "a folder's mode": ([Entry("app/d", "dir", 0o755)], [Entry("app/d", "dir", 0o700)]),
    "an empty folder": ([file("a")], [file("a"), Entry("app/d", "dir", 0o755)]),
    "everything": ([file("a"), file("d/e")], []),
    "a name that is long and not ASCII": ([file("a")], [file(f"{'ü' * 90}/{'n' * 120}")]),
    "bytes that are no text": ([file("a")], [Entry("app/\udcff", "file", data=b"\xff")]),
}


@pytest.mark.parametrize("case", CASES)
def test_a_root_that_was_given_the_changes_is_a_root_of_the_new_image(bench: Bench, case: str) -> None:
    old, new = CASES[case]
    given_it, fresh = bench.given(bench.image(old), bench.image(new, files="other"))
    assert given_it == fresh


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
NODES = st.one_of(
    st.builds(lambda text, mode: ("file", mode, text), st.sampled_from(["1", "2"]), st.sampled_from([0o644, 0o755])),
    st.builds(lambda target: ("symlink", 0o777, target), st.sampled_from(["a", "../b", "/app/c"])),
    st.just(("dir", 0o755, "")),
)


def entries(chosen: Mapping[str, tuple[str, int, str]]) -> list[Entry]:
    """Those that can be in one layer: nothing lies below what is no folder."""
    leaves = [path for path, (kind, _, _) in chosen.items() if kind != "dir"]
    fit = {p: n for p, n in chosen.items() if not any(p.startswith(f"{leaf}/") for leaf in leaves)}
    return [
        Entry(f"app/{path}", kind, mode, target=text if kind == "symlink" else "", data=text.encode() if kind == "file" else None)  # type: ignore[arg-type]
        for path, (kind, mode, text) in fit.items()
    ]


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(PATHS, NODES, max_size=8), st.dictionaries(PATHS, NODES, max_size=8))
def test_so_it_is_for_any_two_applications(was: dict[str, tuple[str, int, str]], now: dict[str, tuple[str, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name))
        old, new = bench.image(entries(was)), bench.image(entries(now), files="other")
        given_it, fresh = bench.given(old, new)
        assert given_it == fresh


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"dependencies": "2"}, "its layer dependencies changed"),
        ({"base": (*BASE, Entry("etc/more", "file", data=b""))}, "its layer base changed"),
        ({"config": replace(CONFIG, entrypoint=("/bin/false",))}, "its entrypoint changed"),
        ({"config": replace(CONFIG, env=("PATH=/",))}, "its env changed"),
        ({"config": replace(CONFIG, user="1")}, "its user changed"),
        ({"config": replace(CONFIG, exposed_ports=("1/tcp",))}, "its exposed ports changed"),
    ],
)
def test_more_than_files_is_refused_and_named(bench: Bench, more: dict[str, object], said: str) -> None:
    assert bench.why_not(bench.image([file("a", "1")]), bench.image([file("a", "2")], **more)) == said  # type: ignore[arg-type]


def test_labels_are_no_reason_beside_files_and_nothing_to_put_into_a_root_alone(bench: Bench) -> None:
    relabelled = replace(CONFIG, labels={"version": "2"})
    old = bench.image([file("a", "1")])
    assert bench.changes(old, bench.image([file("a", "2")], config=relabelled)).changed == ("app/a",)
    assert bench.why_not(old, bench.image([file("a", "1")], config=relabelled)) == "its labels changed"


def test_what_the_build_writes_beside_the_application_counts_as_files(bench: Bench) -> None:
    what = bench.changes(bench.image([file("a")]), bench.image([file("a")], files='{"temperature": 1}'))
    assert (what.changed, what.gone) == (("etc/agent/config.json",), ())


def test_a_file_that_a_lower_layer_has_too_would_come_back_so_it_is_refused(bench: Bench) -> None:
    both = bench.image([file("a"), file("lib/shared", "upper")], base=LOWER)
    assert bench.why_not(both, bench.image([file("a")], base=LOWER)) == "another layer has app/lib too"
    edited = bench.changes(both, bench.image([file("a"), file("lib/shared", "edited")], base=LOWER))
    assert edited.changed == ("app/lib/shared",)


def test_extended_attributes_are_refused_since_nobody_compares_them(bench: Bench) -> None:
    def image(text: bytes) -> StoredImage:
        """As an author's own Dockerfile makes it, with setcap in it."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            info = tarfile.TarInfo("app/a")
            info.size, info.pax_headers = len(text), {"SCHILY.xattr.security.capability": "x"}
            tar.addfile(info, io.BytesIO(text))
        with bench.blobs.scratch() as scratch:
            base = write_layer(BASE, bench.blobs, scratch, name="base", created=0)
            own = write_tar([out.getvalue()], bench.blobs, scratch, name="dockerfile")
        return write_image((base, own), CONFIG, bench.blobs, platform=Platform(), about=About())

    assert bench.why_not(image(b"1"), image(b"2")) == "app/a has extended attributes"


def test_what_lies_in_a_mount_is_refused(bench: Bench) -> None:
    old, new = bench.image([file("data/a", "1")]), bench.image([file("data/a", "2")])
    assert bench.why_not(old, new, "/app/data/") == "app/data/a and the mount /app/data/ lie in one another"
    said = bench.why_not(old, bench.image([file("a")]), "/app/data/deeper")
    assert said == "app/data and the mount /app/data/deeper lie in one another"
    assert bench.changes(old, new, "/app/other", "/app/dat").changed == ("app/data/a",)


def test_a_changed_file_has_the_date_of_the_change(bench: Bench) -> None:
    """Images date everything alike, and whoever compares dates would keep what was made from the old file."""
    old, new = bench.image([file("a", "1"), file("b")]), bench.image([file("a", "2"), file("b")])
    root = bench.root("old", old)
    before = (root / "app/b").stat().st_mtime
    what = bench.changes(old, new)
    lay_over(root, what.archive, what.gone, owners={})
    assert (root / "app/a").stat().st_mtime > before == (root / "app/b").stat().st_mtime


def test_what_the_agent_put_in_the_way_leads_nowhere_else(bench: Bench, tmp_path: Path) -> None:
    """A link in place of a folder is followed inside the root alone, and nothing is removed through it."""
    old, new = bench.image([file("pkg/a"), file("pkg/b")]), bench.image([file("pkg/a", "2")])
    root, what = bench.root("old", old), bench.changes(old, new)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").write_text("mine")
    (root / "app/pkg").rename(root / "app/moved")
    os.symlink(outside, root / "app/pkg")  # noqa: PTH211
    lay_over(root, what.archive, what.gone, owners={})
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"b": "mine"}
    assert (root / str(outside).strip("/") / "a").read_text() == "2"
