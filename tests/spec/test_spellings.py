from __future__ import annotations

import pytest

from aac_tasks.errors import SpecError
from aac_tasks.spec import ReadSpec, read_spec

HEAD = "apiVersion: agent.dev/v1\nkind: Agent\nmetadata: {name: hello}\n"
HEAD += "spec:\n  runtime: python\n  model: {provider: a, name: b}\n"


def read(body: str, head: str = HEAD) -> ReadSpec:
    return read_spec((head + body).encode(), file="agent.yaml")


PORT = "  ports: [{container: 80}]\n"
SAME = [
    (PORT + "  healthcheck: {path: /a}\n", PORT + "  healthCheck: {path: /a}\n"),
    ("  replicas: 3\n", "  scaling: {replicas: 3}\n"),
    ("  autoscaling: {enabled: true, maxReplicas: 3}\n", "  scaling: {maxReplicas: 3}\n"),
    ("  scaling: {min: 1}\n", "  scaling: {minReplicas: 1}\n"),
    ("  scaling: {max: 4}\n", "  scaling: {maxReplicas: 4}\n"),
    ("  deployment: {maxSurge: 1}\n", "  deploy: {strategy: {maxSurge: 1}}\n"),
    (
        "  deployment: {replicas: 2, strategy: {maxSurge: 1}}\n",
        "  deploy: {strategy: {maxSurge: 1}}\n  scaling: {replicas: 2}\n",
    ),
    ("  build: {base_image: debian}\n", "  build: {baseImage: debian}\n"),
    ("  monitoring: {metrics: {port: 90}}\n", "  observability: {metrics: {port: 90}}\n"),
    ("  observability: {prometheus: true}\n", "  observability: {metrics: {}}\n"),
    ("  logging: {level: info}\n", "  observability: {logging: {level: info}}\n"),
    ("  tracing: {enabled: true, provider: jaeger}\n", "  observability: {tracing: {provider: jaeger}}\n"),
    (
        "  observability: {tracing: {sampling_rate: 0.5}}\n",
        "  observability: {tracing: {sampling: 0.5}}\n",
    ),
    ("  alerts: [{condition: a}]\n", "  observability: {alerts: [{condition: a}]}\n"),
    (
        "  environment: [{name: A, from: config}]\n",
        "  environment: [{name: A, from: configmap}]\n",
    ),
    (
        PORT + "  healthCheck: {command: [curl, -f, 'http://localhost:80/health']}\n",
        PORT + "  healthCheck: {type: http, path: /health, port: 80}\n",
    ),
    (
        PORT + "  healthCheck: {command: [CMD-SHELL, 'curl -fsS http://127.0.0.1/ || exit 1']}\n",
        PORT + "  healthCheck: {type: http, path: /, port: 80}\n",
    ),
]


@pytest.mark.parametrize(("wild", "canonical"), SAME)
def test_a_spelling_found_in_the_wild_is_read_as_the_canonical_one_with_one_warning(
    wild: str, canonical: str
) -> None:
    other, usual = read(wild), read(canonical)
    assert other.spec == usual.spec
    assert other.canonical == usual.canonical
    assert len(other.warnings) == len(usual.warnings) + 1


def test_the_older_name_of_the_format_is_read_with_one_warning() -> None:
    found = read("", HEAD.replace("agent.dev/v1", "agent.as.code/v1"))
    assert found.spec.api_version == "agent.dev/v1"
    assert len(found.warnings) == 1


def test_spellings_in_a_profile_count_too() -> None:
    data = (HEAD + "  profiles: {prod: {replicas: 3}}\n").encode()
    assert read_spec(data, file="agent.yaml", profile="prod").spec.scaling.replicas == 3


def test_a_block_that_is_switched_off_is_absent() -> None:
    off = "  monitoring: {prometheus: false}\n  autoscaling: {enabled: false}\n"
    off += "  tracing: {enabled: false, provider: jaeger}\n"
    assert read(off).spec == read("").spec


def test_the_outer_spelling_keeps_what_stands_in_the_canonical_block() -> None:
    found = read("  observability: {metrics: {port: 90}}\n  monitoring: {logging: {level: info}}\n")
    assert found.spec.observability == {"metrics": {"port": 90}, "logging": {"level": "info"}}


@pytest.mark.parametrize(
    "command",
    [
        "[curl, -f, 'http://example.org/health']",
        "[curl, -X, POST, 'http://localhost/health']",
        "[sh, -c, 'curl -f http://localhost/ && touch /tmp/ok']",
        "[wget, 'http://localhost/']",
    ],
)
def test_a_command_that_does_more_than_probe_stays_a_command(command: str) -> None:
    check = read(PORT + f"  healthCheck: {{command: {command}}}\n").spec.health_check
    assert check is not None
    assert check.type == "command"


def test_two_spellings_of_one_scalar_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"spec\.scaling\.replicas: said here and, in another spelling, at line 7"
    ):
        read("  scaling: {replicas: 1}\n  replicas: 2\n")
