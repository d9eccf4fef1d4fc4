"""What goes wrong with those who build with an engine, played on a real one; what we do then is in test_peers.py.

The verdicts: "right"; "for nothing" (another image id for the same content); "stale" (the image is not what the sources say).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from real.dockerd import Engine
from real.image_peers import IMAGE_PEERS, PROVENANCE, SOURCES, Content, ImagePeer, Shop

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.network, pytest.mark.xdist_group("docker")]


@dataclass(frozen=True)
class Story:
    """What is done between two builds. Who is not named is right."""

    what: str
    edit: Callable[[Shop], object]
    verdicts: Mapping[str, str]

    def __str__(self) -> str:
        return self.what


def remove_images(shop: Shop) -> None:
    for name in shop.engine.docker("images", "--filter=reference=peer", "--format={{.Repository}}:{{.Tag}}").ok().stdout.split():
        shop.engine.docker("rmi", "-f", name).ok()


def renamed(shop: Shop) -> None:
    (shop.folder / "src/prompts").rename(shop.folder / "src/texts")


STORIES = (
    Story("nothing", lambda shop: None, {"docker with provenance": "for nothing"}),
    Story("edited file", lambda shop: shop.write({"project/src/main": "2\n"}), {}),
    Story("touch", lambda shop: (shop.folder / "src/main").touch(), {}),
    Story("another umask", lambda shop: (shop.folder / "src/main").chmod(0o664),
          dict.fromkeys(("docker", "Skaffold", "pack"), "for nothing")),
    Story("folder renamed", renamed, {"Skaffold": "stale"}),
    Story("base tag with new content", lambda shop: shop.new_base("2"), {"Skaffold": "stale"}),
    Story("image removed by hand", remove_images, {}),
)  # fmt: skip
PLAYED = [(story, peer) for peer in IMAGE_PEERS for story in STORIES if peer is not PROVENANCE or story.what == "nothing"]


@pytest.fixture
def shop(peer: ImagePeer, tmp_path: Path, aac_cache: Path, request: pytest.FixtureRequest) -> Shop:
    """With a project that is built."""
    engine: Engine = request.getfixturevalue(peer.store)
    shop = Shop(engine, tmp_path, peer.compiled(aac_cache))
    shop.write({f"project/{name}": text for name, text in SOURCES.items()})
    shop.new_base("1")
    remove_images(shop)
    peer.open(shop)
    peer.build(shop)
    return shop


@pytest.mark.parametrize(("story", "peer"), PLAYED, ids=str)
def test_a_peer_does_what_is_said_of_it(story: Story, peer: ImagePeer, shop: Shop) -> None:
    before = shop.id_of(peer.image(shop))
    content = shop.content(before)
    story.edit(shop)
    said = peer.build(shop)
    assert verdict(peer, shop, before, content) == story.verdicts.get(peer.name, "right"), said
    assert "src/main" not in said  # nobody says why


def verdict(peer: ImagePeer, shop: Shop, before: str, content: Content) -> str:
    after = shop.id_of(peer.image(shop))
    now = shop.content(after) if after else {}
    if now != shop.content(peer.clean(shop)):
        return "stale"
    return "for nothing" if after != before and now == content else "right"
