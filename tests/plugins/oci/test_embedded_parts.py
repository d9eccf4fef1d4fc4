"""What the embedded builder makes of a part of the build context, and of none of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from plugins.oci.oci_bench import tree_of
from plugins.oci.tiny_image import RECIPE, Yard, build

from aac_plugins.oci.unpack import unpack
from aac_tasks.contracts.lock import LockedDependencies
from aac_tasks.contracts.recipe import ApplicationLayer, CompiledLayer, Stage
from aac_tasks.errors import StepError


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def test_a_program_of_texts_is_compiled_once_whatever_becomes_of_the_context(yard: Yard) -> None:
    texts, settings = {"main.go": "package main\n"}, {"name": "probe"}
    probe = CompiledLayer("go", "1.26", LockedDependencies(), ("/app/probe",), Stage("probe", ()), settings, texts)
    first = build(yard, replace(RECIPE, layers=(probe, ApplicationLayer())))
    (yard.folder / "context" / "main.py").write_text("print('edited')\n")
    second = build(yard, replace(RECIPE, layers=(probe, ApplicationLayer())))
    assert (first.layers[1].name, first.layers[1], yard.compiled) == ("probe", second.layers[1], 1)
    assert first.layers[2] != second.layers[2]
    build(yard, replace(RECIPE, layers=(replace(probe, texts={"main.go": "package main // two\n"}),)))
    assert yard.compiled == 2


def test_a_part_of_the_context_is_a_layer_that_the_rest_does_not_touch(yard: Yard, tmp_path: Path) -> None:
    some = replace(RECIPE, layers=(ApplicationLayer(only=("lib", "run.sh")),))
    first = build(yard, some)
    unpack(first.layers, yard.blobs, tmp_path / "out")
    inside = {path for path in tree_of(tmp_path / "out") if path.startswith("app/")}
    assert inside == {"app/lib", "app/lib/naïve.py", "app/run.sh"}
    (yard.folder / "context" / "main.py").write_text("print('edited')\n")
    assert build(yard, some).layers[1] == first.layers[1]
    with pytest.raises(StepError, match="libs is not in the build context, and the image shall hold it"):
        build(yard, replace(RECIPE, layers=(ApplicationLayer(only=("libs",)),)))
