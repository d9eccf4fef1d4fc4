"""For which containers modules are compiled ahead, and who shares the result."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aac_plugins.runners.bytecode import PLACE, Bytecode
from aac_tasks.contracts.actions import InstanceSpec
from aac_tasks.contracts.image import (
    MEDIA_CONFIG,
    MEDIA_LAYER_GZIP,
    MEDIA_MANIFEST,
    Descriptor,
    Digest,
    ImageConfig,
    Layer,
    Platform,
    StoredImage,
)
from aac_tasks.contracts.running import RunRequest

ENV = ("PATH=/usr/bin", "PYTHONUSERBASE=/opt/agent")


def digest(letter: str) -> Digest:
    return Digest(f"sha256:{letter * 64}")


def layer(name: str, letter: str) -> Layer:
    return Layer(Descriptor(MEDIA_LAYER_GZIP, digest(letter), 1), digest(letter), name)


def asked(*layers: Layer, config: ImageConfig = ImageConfig(env=ENV)) -> RunRequest:
    manifest, text = Descriptor(MEDIA_MANIFEST, digest("e"), 1), Descriptor(MEDIA_CONFIG, digest("f"), 1)
    image = StoredImage(manifest, text, layers, Platform(), digest("d"))
    return RunRequest(image, config, InstanceSpec("agent"), {}, Path("/s"), Path("/l"), detach=True)


BASE, DEPENDENCIES, FILES, APPLICATION = (
    layer(*pair) for pair in (("base", "1"), ("dependencies", "2"), ("files", "3"), ("application", "4"))
)
WHOLE = asked(BASE, DEPENDENCIES, FILES, APPLICATION)


def key(request: RunRequest) -> str:
    found = Bytecode.of(request)
    assert found is not None
    return found.key


def test_agents_on_the_same_base_and_dependencies_share_whatever_their_own_files_are() -> None:
    assert key(asked(BASE, DEPENDENCIES, layer("application", "9"))) == key(WHOLE)
    assert Bytecode.of(WHOLE) == Bytecode(key(WHOLE), 2, "/opt/agent")


def test_another_base_other_dependencies_or_another_folder_of_packages_share_nothing() -> None:
    other = ImageConfig(env=("PYTHONUSERBASE=/opt/other",))
    requests = (
        asked(layer("base", "9"), DEPENDENCIES, APPLICATION),
        asked(BASE, layer("dependencies", "9"), APPLICATION),
        asked(BASE, APPLICATION),
        replace(WHOLE, config=other),
    )
    assert len({key(WHOLE), *map(key, requests)}) == 5


def test_nothing_is_compiled_for_a_test_another_language_or_an_author_who_says_where_bytecode_is() -> None:
    assert Bytecode.of(replace(WHOLE, detach=False)) is None
    assert Bytecode.of(replace(WHOLE, config=ImageConfig(env=("PATH=/usr/bin",)))) is None
    assert Bytecode.of(replace(WHOLE, env={"PYTHONPYCACHEPREFIX": "/tmp"})) is None
    assert Bytecode.of(replace(WHOLE, config=ImageConfig(env=(*ENV, "PYTHONPYCACHEPREFIX=/tmp")))) is None
    assert Bytecode.of(asked(layer("", "1"), layer("", "2"))) is None


def test_the_volume_comes_beside_what_an_agent_has_already_and_can_only_be_read() -> None:
    found = Bytecode.of(WHOLE)
    assert found is not None
    body = found.into({"Image": "x", "Env": ["A=1"], "HostConfig": {"Mounts": [{"Target": "/data"}], "Memory": 1}})
    mounted = {"Type": "volume", "Source": found.volume, "Target": PLACE, "ReadOnly": True, "VolumeOptions": {"NoCopy": True}}
    assert body["Env"] == ["A=1", f"PYTHONPYCACHEPREFIX={PLACE}"]
    assert body["HostConfig"] == {"Mounts": [{"Target": "/data"}, mounted], "Memory": 1}
