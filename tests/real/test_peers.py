"""What goes wrong elsewhere, told once and played by everyone: make, ninja, doit alone, go-task, and us. Read `STORIES`.

The verdicts: "right"; "for nothing" (built again though nothing changed); "stale" (says that all is up to date, and it isn't).
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.author import Tree, put
from real.doors import Moment, Place, cut_off, installed, run
from real.kill_yard import PYTHON, make_base, make_yard
from real.peers import PEERS, Peer, Shop, kill_all, program

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("peers")]

Edit = Callable[[Path], object]


@dataclass(frozen=True)
class Story:
    """What is done to ``src`` (the sources) and ``store`` (what was built) between two runs, and what each peer makes of it.

    ``during``: the edit is made, or a first run is killed, while the recipe is at work. Who is not named is right; of ``open``
    nothing is said, because it depends on the version. ``why`` is what we say of it.
    """

    what: str
    edit: Edit
    verdicts: Mapping[str, str]
    during: str = ""
    why: str = "file src/main"
    open: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.what


def moved(folder: Path) -> None:
    (folder / "src/prompts").rename(folder / "src/texts")


def same_size_same_mtime(folder: Path) -> None:
    before = (folder / "src/main").stat()
    (folder / "src/main").write_text("2\n")
    os.utime(folder / "src/main", ns=(before.st_atime_ns, before.st_mtime_ns))


def edited(folder: Path) -> None:
    (folder / "src/main").write_text("2\n")


def nothing(folder: Path) -> None:
    """No edit at all."""


MAKES = ("make", "make with a stamp")
STORIES = (
    Story("nothing", nothing, {}, why=""),
    Story("edited file", edited, {}),
    Story("touch", lambda folder: (folder / "src/main").touch(), dict.fromkeys((*MAKES, "ninja"), "for nothing"), why=""),
    Story("folder renamed", moved, dict.fromkeys((*MAKES, "ninja", "go-task"), "stale"), why="file src/prompts"),
    Story("same size, same mtime", same_size_same_mtime, dict.fromkeys((*MAKES, "ninja", "doit"), "stale")),
    Story("image removed by hand", lambda folder: (folder / "store/image").unlink(),
          dict.fromkeys(("make with a stamp", "go-task"), "stale"), why="is gone from the store"),
    Story("base tag with new content", lambda folder: (folder.parent / "registry/base").write_text("base 2\n"),
          dict.fromkeys((*MAKES, "ninja", "doit", "go-task"), "stale"), why="elsewhere"),
    Story("killed in the middle", edited, dict.fromkeys(("make", "go-task"), "stale"), during="kill"),
    Story("edited in the middle", edited, dict.fromkeys((*MAKES, "doit"), "stale"), during="edit", open=("ninja",)),
)  # fmt: skip


PLAYED = [(story, peer) for story in STORIES for peer in PEERS if peer.name not in story.open]


@pytest.mark.parametrize(("story", "peer"), PLAYED, ids=str)
def test_a_peer_does_what_is_said_of_it(story: Story, peer: Peer, tmp_path: Path, aac_cache: Path) -> None:
    shop = Shop(peer, tmp_path / "project", program(peer, aac_cache))
    shop.open()
    if story.during == "edit":
        shop.build_and(lambda running: story.edit(shop.folder))
    else:
        shop.build()
        time.sleep(0.05)  # the clock of the file system has moved on
        story.edit(shop.folder)
    if story.during == "kill":
        shop.build_and(kill_all)
    builds, image = shop.builds, shop.image
    said = shop.build()
    assert verdict(shop, again=shop.builds > builds, before=image) == story.verdicts.get(peer.name, "right")
    assert "src/" not in said  # nobody says why


def verdict(shop: Shop, *, again: bool, before: str) -> str:
    seen = shop.image
    Shop(shop.peer, shop.folder, ("sh", "build.sh", "store/image")).build()
    if seen != shop.image:
        return "stale"
    return "for nothing" if again and seen == before else "right"


# -- and we -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [("agent", "build"), ("doit", "image:hello")], ids=" ".join)
@pytest.mark.parametrize("story", [story for story in STORIES if story.why != "elsewhere"], ids=str)
def test_we_are_right_and_say_why(story: Story, door: tuple[str, ...], tmp_path: Path) -> None:
    place = opened(tmp_path / "ours")
    ours = Place(place.folder, place.cache, installed(tmp_path, "paper", "real.paper"))
    if story.during == "edit":
        begun = run(ours, door, at_work(ours, lambda: story.edit(ours.folder)))
        assert "changed while" in begun.said
    else:
        assert run(ours, door).code == 0
        time.sleep(0.05)
        remove_image(ours) if "removed" in story.what else story.edit(ours.folder)
    if story.during == "kill":
        assert run(ours, door, at_work(ours, cut_off)).code < 0
    ended = run(ours, door)
    assert ended.code == 0, ended.said
    assert ("image" in ended.of("✓")) == bool(story.why), ended.said
    why = "no finished run is on record" if story.during else story.why
    if str(story) == "edited in the middle":
        why = "its last run failed: src/main changed while the image was built"
    assert why in ended.said
    assert digest(ours) == digest(built_elsewhere(ours, tmp_path / "elsewhere", door))
    assert not run(ours, door).of("✓")


def test_a_base_tag_with_new_content_is_taken_when_it_is_asked_for_and_then_nothing_is_stale(tmp_path: Path) -> None:
    yard = make_yard(tmp_path, "tagged")
    text = yard.project.read("agent.yaml").replace("dependencies: [greeting==1.0]", "dependencies: []")
    project = yard.project.write({"agent.yaml": text})
    before = project.agent("build").ok()
    assert "✓ image:tagged" in before.output
    make_base(yard, PYTHON.replace("11", "12"))
    assert "– image:tagged  up to date" in project.agent("build").ok().output  # agent.lock pins what the tag was
    project.agent("lock", "--update").ok()
    after = project.agent("build").ok().output
    assert "✓ image:tagged" in after
    assert "agent.lock base.digest sha256:" in after
    assert "✓" not in project.agent("build").ok().output


def opened(top: Path) -> Place:
    """The sources of the peers' project, as an agent's."""
    put(top / "project", Tree())
    Shop(PEERS[0], top / "project", ()).open()
    return Place(top / "project", top / "cache", top)


def at_work(place: Place, what: Callable[[], object]) -> Moment:
    """When the image's layers are written: before the first writing operation below ``blobs``."""
    return Moment(1, what, str(place.cache / "aac/blobs"))


def remove_image(place: Place) -> None:
    for path in place.cache.glob("aac/blobs/sha256/*/*"):
        path.unlink()


def digest(place: Place) -> str:
    text = (place.folder / ".aac/agents/hello/steps/image/stamp").read_text()
    return str(json.loads(text.partition("\n")[2])["result"]["outputs"]["digest"])


def built_elsewhere(place: Place, top: Path, door: tuple[str, ...]) -> Place:
    """By somebody who has the sources and nothing else."""
    kept = shutil.ignore_patterns(".aac", "agent.lock")
    shutil.copytree(place.folder, top / "project", symlinks=True, ignore=kept)
    other = Place(top / "project", top / "cache", place.plugins)
    assert run(other, door).code == 0
    return other


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_mode_that_no_image_keeps_is_no_reason_to_build(mode: int, tmp_path: Path) -> None:
    place = opened(tmp_path / "ours")
    ours = Place(place.folder, place.cache, installed(tmp_path, "paper", "real.paper"))
    assert run(ours, ("agent", "build")).code == 0
    before = digest(ours)
    (ours.folder / "src/main").chmod(mode)
    assert not run(ours, ("agent", "build")).of("✓")
    assert digest(ours) == before
    (ours.folder / "src/main").chmod(0o755)
    assert "file src/main" in run(ours, ("agent", "build")).said
    assert digest(ours) != before
