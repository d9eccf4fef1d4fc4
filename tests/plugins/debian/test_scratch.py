from __future__ import annotations

from collections.abc import Callable

import pytest

from aac_plugins.bases.scratch import ScratchBase
from aac_tasks.contracts.image import Platform
from aac_tasks.contracts.lock import BaseRequest
from aac_tasks.errors import StepError
from aac_tasks.steps.tools import StepTools


def test_scratch_is_no_layer_at_all(make_tools: Callable[..., StepTools]) -> None:
    base, tools = ScratchBase(), make_tools()
    locked = base.resolve(BaseRequest("scratch", "scratch"), Platform(), tools)
    assert base.fetch(locked, tools).layers == ()
    assert base.dockerfile_from(locked) == "scratch"
    assert base.accepts("scratch") and not base.accepts("scratch:1")


@pytest.mark.parametrize(
    "request_",
    [BaseRequest("scratch", "scratch", ("git",)), BaseRequest("scratch", "scratch", runtime="python")],
)
def test_nothing_can_not_hold_packages_or_an_interpreter(request_: BaseRequest, make_tools: Callable[..., StepTools]) -> None:
    with pytest.raises(StepError, match="base scratch"):
        ScratchBase().resolve(request_, Platform(), make_tools())
