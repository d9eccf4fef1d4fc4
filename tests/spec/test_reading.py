from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aac_tasks.contracts.canonical import canonical
from aac_tasks.contracts.spec import AgentSpec, Model
from aac_tasks.errors import SpecError
from aac_tasks.spec import ReadSpec, find_agent_file, read_spec

TYPICAL = (Path(__file__).parent / "typical.yaml").read_bytes()
HEAD = """\
apiVersion: agent.dev/v1
kind: Agent
metadata: {name: hello, version: 1.0.0}
spec:
  runtime: python
  model: {provider: openai, name: m}
"""


def read(body: str = "", *, profile: str = "", head: str = HEAD) -> ReadSpec:
    return read_spec((head + body).encode(), file="agent.yaml", profile=profile)


def spec_of(body: str = "", **options: Any) -> AgentSpec:
    return read(body, **options).spec


def warnings_of(body: str, **options: Any) -> list[str]:
    return [f"{w.path}: {w.message}" for w in read(body, **options).warnings]


def test_a_typical_file_is_read_without_a_warning() -> None:
    found = read_spec(TYPICAL, file="agent.yaml")
    assert found.warnings == ()
    assert found.spec.name == "hello"
    assert found.spec.image.registry == "oci:dist"
    assert [t.type for t in found.spec.tests] == ["http", "command", "structure"]
    assert found.spec.tests[0].settings == {
        "request": {"path": "/"},
        "expect": {
            "status": 200,
            "json": {"agent": "hello"},
            "headers": {"content-type": "application/json"},
        },
    }
    assert found.spec.tests[1].settings == {
        "command": ["python3", "-c", "print(1)"],
        "expect": {"exitCode": 0, "stdout": "^1"},
    }


def test_positions_point_at_values_and_at_the_keys_of_blocks() -> None:
    positions = read("  ports:\n    - container: 8080\n").positions
    assert positions["spec.runtime"] == (5, 12)
    assert positions["spec.ports"] == (7, 3)
    assert positions["spec.ports[0].container"] == (8, 18)


@pytest.mark.parametrize("text", ["1.10", "false", "010", "2024-01-01", "yes", "0x1F", "12:30", "1e3", "off"])
def test_a_text_field_keeps_its_raw_text(text: str) -> None:
    found = spec_of(f"  environment: [{{name: A, value: {text}}}]\n", head=HEAD.replace("1.0.0", "1.10"))
    assert found.metadata.version == "1.10"
    assert found.environment[0].value == text


@pytest.mark.parametrize("text", ["8080", "8080.0", "0x1F90", "+8080", "!!int '8080'"])
def test_an_integer_is_read_from_every_unquoted_form(text: str) -> None:
    assert spec_of(f"  ports: [{{container: {text}}}]\n").ports[0].container == 8080


@pytest.mark.parametrize("text", ["null", "~", "", "Null"])
def test_null_is_absent(text: str) -> None:
    assert spec_of(f"  entrypoint: {text}\n  healthCheck: {text}\n  config: {text}\n") == spec_of()


def test_config_keeps_null_and_reads_plain_scalars_without_surprises() -> None:
    config = spec_of(
        "  config: {a: null, b: yes, c: 010, d: 1.5, e: true, f: 2024-01-01, g: '1', h: 7}\n"
    ).config
    assert config == {
        "a": None, "b": "yes", "c": "010", "d": 1.5, "e": True, "f": "2024-01-01", "g": "1", "h": 7,
    }  # fmt: skip


def test_numbers_too_long_to_be_exact_stay_text_so_that_json_can_hold_them() -> None:
    config = read("  config: {a: 123456789012345678901234567890, b: .inf, c: .nan, d: 1e9999}\n").spec.config
    assert config == {"a": "123456789012345678901234567890", "b": ".inf", "c": ".nan", "d": "1e9999"}
    assert canonical(config)


@pytest.mark.parametrize("word", ["true", "yes", "on", "True"])
def test_a_boolean_field_takes_the_words_of_yaml_1_1(word: str) -> None:
    assert spec_of(f"  security: {{readOnlyRootFilesystem: {word}}}\n").security.read_only_root_filesystem


def test_bom_crlf_flow_style_and_json_are_accepted() -> None:
    plain = read_spec(TYPICAL, file="agent.yaml").spec
    assert read_spec(b"\xef\xbb\xbf" + TYPICAL, file="agent.yaml").spec == plain
    assert read_spec(TYPICAL.replace(b"\n", b"\r\n"), file="agent.yaml").spec == plain
    as_json = canonical(read_spec(TYPICAL, file="agent.yaml").canonical)
    assert read_spec(as_json, file="agent.yaml").spec == plain


def test_anchors_and_merge_keys_are_accepted_and_own_keys_win() -> None:
    text = "  x-limits: &l {cpu: 1, memory: 1Gi}\n  resources:\n    limits: {<<: *l, memory: 2Gi}\n"
    limits = spec_of(text).resources.limits
    assert (limits.cpu, limits.memory) == ("1", "2Gi")
    many = "  x-a: &a {cpu: 1}\n  x-b: &b {cpu: 2, memory: 1Gi}\n  resources: {limits: {<<: [*a, *b]}}\n"
    assert spec_of(many).resources.limits.cpu == "1"


def test_keys_beginning_with_x_are_free_everywhere() -> None:
    body = "  x-own: [1, {a: b}]\n  ports: [{container: 80, x-note: hi}]\n  image: {x-a: 1}\n"
    assert warnings_of(body + "  tests: [{type: command, command: [a], x-b: 1}]\n") == []
    assert "x-note" not in str(spec_of(body))


def test_the_runtime_is_split_from_its_version() -> None:
    found = spec_of(head=HEAD.replace("runtime: python", "runtime: python:3.12"))
    assert (found.runtime, found.version) == ("python", "3.12")


def test_model_and_models_are_both_kept_the_single_one_first() -> None:
    found = spec_of("  models: [{provider: local, name: b, use: chat}]\n")
    assert found.models == (Model("openai", "m"), Model("local", "b", use="chat"))


def test_a_bare_source_means_the_variables_own_name() -> None:
    env = spec_of(
        "  environment:\n    - {name: A, from: secret}\n    - {name: B, from: env, defaultValue: ''}\n"
        "    - {name: C, from: secret, secretName: other}\n"
    ).environment
    assert [(e.source, e.secret_name, e.env_key, e.default_value) for e in env] == [
        ("secret", "A", "", None), ("env", "", "B", ""), ("secret", "other", "", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "kind"), [("{path: /a}", "http"), ("{command: [a]}", "command"), ("{port: 80}", "tcp")]
)
def test_the_type_of_a_health_check_follows_from_its_keys(check: str, kind: str) -> None:
    found = spec_of(f"  ports: [{{container: 80}}]\n  healthCheck: {check}\n").health_check
    assert found is not None
    assert found.type == kind


def test_a_probe_on_a_port_that_is_not_exposed_is_a_warning() -> None:
    (warning,) = read("  ports: [{container: 80}]\n  healthCheck: {port: 81}\n").warnings
    assert (warning.severity, warning.path) == ("warning", "spec.healthCheck.port")


def test_a_missing_entrypoint_is_an_error_only_when_an_image_is_asked_for() -> None:
    (warning,) = read(head=HEAD.replace("runtime: python", "runtime: custom")).warnings
    assert (warning.severity, warning.path) == ("build-error", "spec.entrypoint")


def test_a_block_without_effect_yet_is_one_warning() -> None:
    body = (
        "  observability: {metrics: {path: /m, port: 90}, logging: {level: info}}\n  dev_dependencies: [a]\n"
    )
    assert warnings_of(body) == [
        "spec.observability: accepted, no effect yet",
        "spec.dev_dependencies: accepted, no effect yet",
    ]


def test_a_suite_of_the_language_is_accepted_without_effect_yet() -> None:
    found = read("  tests: [{type: pytest, name: unit, args: [-x]}]\n")
    assert found.spec.tests[0].settings == {"args": ["-x"]}
    assert [w.path for w in found.warnings] == ["spec.tests[0]"]


PROFILES = """\
  environment: [{name: A, value: 1}, {name: B, value: 2}]
  ports: [{container: 80}]
  resources: {limits: {memory: 1Gi, cpu: 1}}
  entrypoint: [a]
  profiles:
    prod:
      environment: [{name: B, value: 3}, {name: C, value: 4}]
      ports: [{container: 81}]
      resources: {limits: {memory: 2Gi}}
      entrypoint: null
    dev: {}
"""


def test_a_profile_merges_mappings_replaces_lists_and_merges_environment_by_name() -> None:
    found = read(PROFILES, profile="prod")
    assert [(e.name, e.value) for e in found.spec.environment] == [("A", "1"), ("B", "3"), ("C", "4")]
    assert [p.container for p in found.spec.ports] == [81]
    assert (found.spec.resources.limits.memory, found.spec.resources.limits.cpu) == ("2Gi", "1")
    assert found.spec.entrypoint == ()
    assert found.profiles == ("prod", "dev")
    assert found.positions["spec.resources.limits.memory"][0] == 15
    assert "profiles" not in str(found.canonical)


def test_without_a_profile_the_overlays_change_nothing() -> None:
    assert read(PROFILES).spec.resources.limits.memory == "1Gi"
    assert read(PROFILES, profile="dev").spec == read(PROFILES).spec


def test_an_unknown_profile_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(
        SpecError, match=r"unknown profile 'prd'; did you mean 'prod'\? \(this file has prod, dev; a registry profile"
    ):
        read(PROFILES, profile="prd")


def test_profiles_do_not_nest() -> None:
    with pytest.raises(SpecError, match=r"profiles\.a\.profiles: a profile can't hold profiles"):
        read("  profiles: {a: {profiles: {b: {}}}}\n")


def test_the_file_is_found_under_each_of_its_names() -> None:
    for name in ("agent.yaml", "agent.yml", "Agent.yaml", "Agent.yml"):
        assert find_agent_file(["main.py", name], "hello") == name
    assert find_agent_file(["AGENT.yaml"], "hello") is None


def test_two_agent_files_in_one_folder_are_refused_naming_both() -> None:
    with pytest.raises(SpecError, match=r"hello: agent\.yaml and agent\.yml stand in one folder"):
        find_agent_file(["agent.yml", "agent.yaml"], "hello")
