from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from aac_tasks.contracts import spec as nouns
from aac_tasks.errors import PluginError, SpecError
from aac_tasks.spec import read_spec, schema
from aac_tasks.spec.assemble import DERIVED, schema_key
from aac_tasks.spec.definition import resolve
from aac_tasks.spec.reference import render

ROOT = Path(__file__).parents[2]
STEPS = {"lock", "dockerfile", "image", "test", "push", "deploy"}
SCHEMA: dict[str, Any] = dict(schema({}))
HEAD = "apiVersion: agent.dev/v1\nkind: Agent\nmetadata: {name: hello}\n"
HEAD += "spec:\n  runtime: python\n  model: {provider: openai, name: m}\n"


def leaves(node: Any, path: str = "", seen: tuple[int, ...] = ()) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field that is not just a container of fields."""
    known = resolve(SCHEMA, node)
    if id(known) in seen:
        return
    seen = (*seen, id(known))
    if "x-effect" in node or "x-effect" in known:
        yield path, {**known, **node}
        return
    if known.get("type") == "array":
        yield from leaves(known["items"], f"{path}[]", seen)
        return
    for clause in known.get("allOf", ()):
        yield from leaves(clause["then"], f"{path}<{clause['then']['$ref']}>", seen)
    inner = {
        **known.get("properties", {}),
        **{k: v for k, v in known.get("patternProperties", {}).items() if k != "^x-"},
    }
    if not inner and "allOf" not in known and not isinstance(known.get("additionalProperties"), dict):
        yield path, {**known, **node}
    if isinstance(known.get("additionalProperties"), dict):
        inner["<name>"] = known["additionalProperties"]
    for name, field in inner.items():
        yield from leaves(field, f"{path}.{name}", seen)


LEAVES = dict(leaves(SCHEMA))


def test_the_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_there_are_leaves_in_every_block() -> None:
    assert len(LEAVES) > 130
    assert {".metadata.name", ".spec.ports[].container", ".spec.deploy.target"} <= LEAVES.keys()


@pytest.mark.parametrize("path", sorted(LEAVES))
def test_every_leaf_says_what_it_is_what_it_changes_and_an_example(path: str) -> None:
    leaf = LEAVES[path]
    assert leaf["description"].strip()
    assert set(leaf["x-effect"]) <= STEPS
    assert leaf["examples"]
    validator = Draft202012Validator(SCHEMA)
    for example in leaf["examples"]:
        bare = {key: value for key, value in leaf.items() if key not in ("$schema", "$id")}
        assert list(validator.evolve(schema=bare).iter_errors(example)) == []


def objects() -> Iterator[tuple[type, dict[str, Any], set[str]]]:
    """Dataclass, schema object, keys that become something else on purpose."""
    defs, spec = SCHEMA["$defs"], SCHEMA["$defs"]["spec"]["properties"]
    yield nouns.Metadata, defs["metadata"], set()
    yield nouns.AgentSpec, defs["spec"], {"model", "models", "profiles"}
    yield nouns.Model, defs["namedModel"], set()
    yield nouns.EnvVar, defs["environment"], set()
    yield nouns.Port, defs["port"], set()
    yield nouns.Volume, defs["volume"], set()
    yield nouns.HealthCheck, defs["healthCheck"], set()
    yield nouns.Resources, spec["resources"], set()
    yield nouns.Quantities, spec["resources"]["properties"]["limits"], set()
    yield nouns.Build, spec["build"], set()
    yield nouns.SecretFile, defs["buildSecret"], set()
    yield nouns.Image, spec["image"], set()
    yield nouns.Security, spec["security"], set()
    yield nouns.Capabilities, spec["security"]["properties"]["capabilities"], set()
    yield nouns.Network, spec["network"], set()
    yield nouns.Scaling, spec["scaling"], set()
    yield nouns.Deploy, spec["deploy"], set()
    yield nouns.Strategy, spec["deploy"]["properties"]["strategy"], set()
    yield nouns.Secret, defs["secret"], set()
    yield nouns.Service, defs["service"], set()


@pytest.mark.parametrize(
    ("cls", "node", "special"), list(objects()), ids=lambda v: getattr(v, "__name__", "")
)
def test_dataclasses_are_the_schema_in_snake_case(cls: type, node: dict[str, Any], special: set[str]) -> None:
    derived = DERIVED.get(cls, ())
    fields = {schema_key(cls, f.name) for f in dataclasses.fields(cls) if f.name not in derived}
    assert fields == set(node["properties"]) - special


def test_every_dataclass_of_the_spec_is_held_to_the_schema() -> None:
    held = {cls for cls, _, _ in objects()} | {nouns.Test}
    there = {
        c for c in vars(nouns).values() if dataclasses.is_dataclass(c) and c.__module__ == nouns.__name__
    }
    assert there == held


def test_the_reference_page_is_generated_from_the_schema() -> None:
    page = ROOT / "docs" / "reference" / "agent-yaml.md"
    if os.environ.get("UPDATE_GOLDEN"):
        page.write_text(render(SCHEMA), encoding="utf-8")
    assert page.read_text(encoding="utf-8") == render(SCHEMA)


SETTINGS = {
    "deployer:moon": {
        "type": "object",
        "properties": {"crater": {"$ref": "#/$defs/crater"}, "depth": {"type": "integer"}},
        "additionalProperties": False,
        "$defs": {"crater": {"type": "string", "minLength": 3}},
    },
    "registry:shelf": {"type": "object", "properties": {"row": {"type": "string"}}},
    "runtime:python": {"type": "object", "properties": {"optimise": {"type": "boolean"}}},
}


def test_a_plugins_settings_are_checked_at_its_place() -> None:
    text = HEAD + "  deploy: {moon: {crater: ab, deth: 3}}\n  config: {python: {optimise: 3}}\n"
    with pytest.raises(SpecError) as caught:
        read_spec(text.encode(), file="agent.yaml", settings=SETTINGS)
    messages = str(caught.value)
    assert "spec.deploy.moon.crater" in messages
    assert "unknown key 'deth'; did you mean 'depth'?" in messages
    assert "spec.config.python.optimise: 3 is a whole number; expected true or false" in messages


def test_a_plugins_settings_reach_the_spec_with_their_types() -> None:
    text = HEAD + "  deploy: {moon: {crater: 010, depth: 8.0}}\n  image: {shelf: {row: 1.10}}\n"
    spec = read_spec(text.encode(), file="agent.yaml", settings=SETTINGS).spec
    assert spec.deploy.settings == {"moon": {"crater": "010", "depth": 8}}
    assert spec.image.settings == {"shelf": {"row": "1.10"}}


def test_settings_of_a_plugin_that_is_not_installed_are_accepted() -> None:
    text = HEAD + "  deploy: {target: mars, mars: {dust: red}}\n"
    assert read_spec(text.encode(), file="agent.yaml").spec.deploy.settings == {"mars": {"dust": "red"}}


def test_a_settings_schema_that_is_none_names_the_plugin() -> None:
    with pytest.raises(PluginError, match="deployer:moon"):
        read_spec(HEAD.encode(), file="agent.yaml", settings={"deployer:moon": {"type": "nonsense"}})


def test_importing_the_room_loads_neither_yaml_nor_jsonschema() -> None:
    code = "import sys, aac_tasks.spec; print(sorted({'yaml', 'jsonschema'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_schema_is_plain_json_with_a_final_newline() -> None:
    text = (ROOT / "schemas" / "agent.v1.schema.json").read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"
