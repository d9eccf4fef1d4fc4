"""A blob of the store whose bytes were changed by a disk, or by hand: nobody gets it."""

from __future__ import annotations

import pytest
from plugins.oci.oci_bench import Shop
from plugins.oci.test_layout import image_of

from aac_plugins.oci.unpack import unpack
from aac_plugins.registries.archive import ArchiveRegistry
from aac_plugins.registries.layout import LayoutRegistry
from aac_tasks.contracts.roles import Registry
from aac_tasks.errors import StepError


@pytest.mark.parametrize(
    ("registry", "ref"), [(LayoutRegistry(), "oci:dist:hello:1"), (ArchiveRegistry(), "archive:hello.tar:hello:1")]
)
def test_what_is_damaged_in_the_store_is_not_handed_on(shop: Shop, registry: Registry, ref: str) -> None:
    image = image_of(shop)
    path = shop.blobs.path(image.layers[1].blob.digest)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()
    path.write_bytes(data)
    with pytest.raises(StepError, match="in the store is damaged") as caught:
        registry.push(image, ref, shop.tools)
    assert "agent cache verify" in caught.value.hint
    assert registry.resolve(ref, shop.tools) is None
    with pytest.raises(StepError, match="in the store is damaged"):
        unpack(image.layers, shop.blobs, shop.root / "root")
