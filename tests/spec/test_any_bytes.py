"""Whatever stands in the file: a spec, or a SpecError; never anything else, never a value JSON can't hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aac_tasks.contracts.canonical import canonical
from aac_tasks.errors import SpecError
from aac_tasks.spec import read_spec
from aac_tasks.spec import schema as spec_schema

TYPICAL = (Path(__file__).parent / "typical.yaml").read_text(encoding="utf-8")
KEYS = sorted(
    {*spec_schema({})["$defs"]["spec"]["properties"], "healthcheck", "monitoring", "replicas", "<<", "x-a"}
)
PIECES = st.sampled_from(
    [
        "&a ",
        "*a",
        "? ",
        "- ",
        ": ",
        "[",
        "]",
        "{",
        "}",
        "!!int ",
        "|",
        ">",
        "%",
        "\t",
        "\n",
        "---\n",
        '"',
        "'",
        "#",
    ]
)
LEAF = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8))
TREE = st.recursive(
    LEAF,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=12,
)
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_or_refuse(data: bytes, profile: str = "") -> None:
    try:
        found = read_spec(data, file="agent.yaml", profile=profile)
    except SpecError as error:
        assert error.problems
        assert all(p.severity == "error" for p in error.problems)
    else:
        canonical(found.canonical)


@quick
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read_or_refuse(data)


@quick
@given(st.integers(0, len(TYPICAL)), st.integers(0, 40), st.lists(PIECES | st.text(max_size=5), max_size=4))
def test_any_damage_to_a_typical_file_is_read_or_refused(at: int, length: int, pieces: list[str]) -> None:
    damaged = TYPICAL[:at] + "".join(pieces) + TYPICAL[at + length :]
    read_or_refuse(damaged.encode("utf-8", "surrogatepass"))


@quick
@given(st.dictionaries(st.sampled_from(KEYS), TREE, max_size=5), TREE)
def test_any_tree_below_spec_is_read_or_refused(spec: dict[str, Any], overlay: Any) -> None:
    import yaml

    document = {
        "apiVersion": "agent.dev/v1",
        "kind": "Agent",
        "metadata": {"name": "a"},
        "spec": {
            "runtime": "python",
            "model": {"provider": "a", "name": "b"},
            **spec,
            "profiles": {"p": overlay},
        },
    }
    data = yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")
    read_or_refuse(data)
    read_or_refuse(data, profile="p")
