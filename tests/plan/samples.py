"""One agent.yaml in which every field of the schema can be changed, and a change of each: what `test_effects` tries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BEFORE: Mapping[str, Any] = {
    "apiVersion": "agent.dev/v1",
    "kind": "Agent",
    "metadata": {"name": "hello", "version": "1.0.0", "description": "says hello"},
    "spec": {
        "runtime": "python",
        "model": {"provider": "openai", "name": "gpt-4o-mini", "config": {"api_key": "${OPENAI_API_KEY}", "temperature": 0.5}},
        "models": [{"provider": "openai", "name": "ada", "use": "embedding", "config": {"api_key": "${OTHER_KEY}"}}],
        "dependencies": ["idna==3.7"],
        "environment": [
            {"name": "MODE", "value": "plain"},
            {"name": "KEY", "from": "secret", "secretName": "openai"},
            {"name": "LEVEL", "from": "configmap", "configMapName": "settings", "configMapKey": "level"},
            {"name": "PLACE", "from": "env", "envKey": "HOME", "defaultValue": "here"},
        ],
        "secrets": [{"name": "openai", "provider": "env", "key": "OPENAI"}],
        "config": {"settings": {"level": "info", "loud": "warning"}, "greeting": "hello"},
        "ports": [{"container": 8080, "host": 8080}, {"container": 9090}],
        "volumes": [{"source": "./data", "target": "/data", "type": "bind"}, {"target": "/cache", "type": "tmpfs"}],
        "healthCheck": {"type": "http", "path": "/health", "port": 8080},
        "image": {"registry": "oci:dist"},
        "tests": [
            {"type": "http", "name": "answers", "request": {"path": "/"}, "expect": {"status": 200}},
            {"type": "command", "name": "runs", "command": ["python3", "-V"], "expect": {"exitCode": 0}},
            {"type": "structure", "name": "files", "files": [{"path": "/app/main.py"}]},
            {"type": "pytest", "name": "unit"},
        ],
        "services": {"redis": {"image": "redis:7", "environment": [{"name": "MODE", "value": "plain"}]}},
        "deploy": {"target": "process"},
    },
}


OWN: Mapping[str, Any] = {
    **BEFORE,
    "spec": {
        "runtime": "custom",
        "model": {"provider": "openai", "name": "gpt-4o-mini"},
        "entrypoint": ["/agent"],
        "image": {"registry": "oci:dist"},
        "build": {"dockerfile": "Dockerfile"},
    },
}
"""An agent with a Dockerfile of its own."""


@dataclass(frozen=True)
class Edit:
    """``at`` (dotted, numbers for items) becomes ``to``; ``steps`` are those that change, None: all that the leaf lists.
    ``own``: in the agent with a Dockerfile of its own.
    """

    at: str
    to: object
    steps: frozenset[str] | None = None
    own: bool = False


def edit(at: str, to: object, *steps: str, own: bool = False) -> Edit:
    """An `Edit` that changes only ``steps`` of what its leaf lists."""
    return Edit(at, to, frozenset(steps) if steps else None, own)


PROBE_TCP = {"type": "tcp", "port": 8080}
PROBE_COMMAND = {"type": "command", "command": ["python3", "check.py"]}

MODEL: Mapping[str, object] = {
    "temperature": 0.7, "max_tokens": 1024, "top_p": 0.9, "top_k": 40, "frequency_penalty": 0.1,
    "presence_penalty": 0.1, "base_url": "http://localhost:11434", "endpoint": "https://example.openai.azure.com",
}  # fmt: skip

CHECKS: Mapping[str, Mapping[str, object]] = {
    "0:http": {
        "name": "other", "timeout": "10s", "request.method": "POST", "request.path": "/chat", "request.port": 9090,
        "request.headers": {"Accept": "text/plain"}, "request.body": "hi", "request.json": {"message": "hi"},
        "expect.status": 204, "expect.headers": {"content-type": "text/plain"}, "expect.json": {"status": "ok"},
        "expect.body": "hello",
    },
    "1:command": {
        "name": "other", "timeout": "10s", "command": ["python3", "-c", "1"], "expect.exitCode": 1, "expect.stdout": "^1",
    },
    "2:structure": {
        "name": "other", "timeout": "10s", "files.0.path": "/app/other.py", "files.0.exists": False, "files.0.mode": "0755",
        "files.0.contains": "def", "user": "10001:10001", "workdir": "/app", "entrypoint": ["python3", "main.py"],
        "command": ["--fast"], "env": {"MODE": "plain"}, "ports": [8080], "labels": {"a": "b"}, "maxSize": "200MB",
    },
    "3:…": {"name": "other", "timeout": "10s"},
}  # fmt: skip
"""Item of ``spec.tests`` and its type → field → another value."""

EDITS: dict[str, tuple[Edit, ...]] = {
    "metadata.name": (edit("metadata.name", "goodbye"),),
    "metadata.version": (edit("metadata.version", "2.0.0"),),
    "metadata.description": (edit("metadata.description", "says good-bye"),),
    "metadata.author": (edit("metadata.author", "Ada"),),
    "metadata.tags": (edit("metadata.tags", ["chat"]),),
    "metadata.labels": (edit("metadata.labels", {"team": "support"}),),
    "metadata.annotations": (edit("metadata.annotations", {"example.org/owner": "team-a"}),),
    "spec.runtime": (edit("spec.runtime", "python:3.12"),),
    "spec.capabilities": (edit("spec.capabilities", ["chat"]),),
    "spec.capability_config": (edit("spec.capability_config", {"chat": {"history": 10}}),),
    "spec.dependencies": (edit("spec.dependencies", ["idna==3.8"]),),
    "spec.dev_dependencies": (edit("spec.dev_dependencies", ["pytest"]),),
    "spec.entrypoint": (edit("spec.entrypoint", ["python3", "app.py"]),),
    "spec.command": (edit("spec.command", ["python3", "app.py"]),),
    "spec.args": (edit("spec.args", ["--verbose"]),),
    "spec.environment[].name": (
        edit("spec.environment.0.name", "OTHER", "dockerfile", "image"),
        edit("spec.environment.1.name", "OTHER", "test", "deploy"),
    ),
    "spec.environment[].value": (
        edit("spec.environment.0.value", "fancy", "dockerfile", "image"),
        edit("spec.environment.0.value", "${MODE}"),
    ),
    "spec.environment[].from": (edit("spec.environment.1", {"name": "KEY", "from": "env", "envKey": "KEY"}),),
    "spec.environment[].secretName": (edit("spec.environment.1.secretName", "other"),),
    "spec.environment[].secretKey": (edit("spec.environment.1.secretKey", "other"),),
    "spec.environment[].configMapName": (edit("spec.environment.2.configMapName", "other"),),
    "spec.environment[].configMapKey": (edit("spec.environment.2.configMapKey", "loud"),),
    "spec.environment[].envKey": (edit("spec.environment.3.envKey", "PWD"),),
    "spec.environment[].defaultValue": (edit("spec.environment.3.defaultValue", "there"),),
    "spec.ports[].container": (edit("spec.ports.1.container", 9091),),
    "spec.ports[].host": (edit("spec.ports.0.host", 8081),),
    "spec.ports[].protocol": (edit("spec.ports.1.protocol", "udp"),),
    "spec.volumes[].source": (edit("spec.volumes.0.source", "./other"),),
    "spec.volumes[].target": (edit("spec.volumes.0.target", "/other", "deploy"), edit("spec.volumes.1.target", "/other")),
    "spec.volumes[].type": (
        edit("spec.volumes.0.type", "volume", "deploy"),
        edit("spec.volumes.1", {"source": "x", "target": "/cache", "type": "volume"}),
    ),
    "spec.volumes[].readOnly": (edit("spec.volumes.0.readOnly", True, "deploy"), edit("spec.volumes.1.readOnly", True)),
    "spec.volumes[].size": (edit("spec.volumes.1.size", "64Mi"),),
    "spec.healthCheck.type": (edit("spec.healthCheck", PROBE_TCP),),
    "spec.healthCheck.path": (edit("spec.healthCheck.path", "/ready"),),
    "spec.healthCheck.port": (edit("spec.healthCheck.port", 9090),),
    "spec.healthCheck.command": (edit("spec.healthCheck", PROBE_COMMAND),),
    "spec.healthCheck.interval": (edit("spec.healthCheck.interval", "5s"),),
    "spec.healthCheck.timeout": (edit("spec.healthCheck.timeout", "5s"),),
    "spec.healthCheck.retries": (edit("spec.healthCheck.retries", 5),),
    "spec.healthCheck.startPeriod": (edit("spec.healthCheck.startPeriod", "5s"),),
    "spec.config": (
        edit("spec.config.greeting", "good-bye", "dockerfile", "image"),
        edit("spec.config.settings.level", "debug"),
    ),
    "spec.build.baseImage": (
        edit("spec.build.baseImage", "debian:bookworm", "lock", "dockerfile", "image"),
        edit("spec.build.baseImage", "python:3.12-slim"),
    ),
    "spec.build.platforms": (edit("spec.build.platforms", ["linux/amd64", "linux/arm64"]),),
    "spec.build.systemPackages": (edit("spec.build.systemPackages", ["libpq5"]),),
    "spec.build.commands": (edit("spec.build.commands", ["useradd agent"]),),
    "spec.build.args": (edit("spec.build.args", {"MODE": "release"}, own=True),),
    "spec.build.target": (edit("spec.build.target", "runtime", own=True),),
    "spec.build.dockerfile": (
        edit("spec.build.dockerfile", "docker/Dockerfile", "dockerfile", "image", own=True),
        edit("spec.build.dockerfile", None, own=True),
    ),
    "spec.build.secrets[].name": (edit("spec.build.secrets", [{"name": "TOKEN"}]),),
    "spec.build.secrets[].target": (edit("spec.build.secrets", [{"name": "TOKEN", "target": "/root/.npmrc"}]),),
    "spec.build.ssh": (edit("spec.build.ssh", True),),
    "spec.build.context": (edit("spec.build.context", "src"),),
    "spec.build.optimization": (edit("spec.build.optimization", {"multiStage": True}),),
    "spec.build.builder": (edit("spec.build.builder", "embedded", "lock"), edit("spec.build.builder", "other")),
    "spec.image.registry": (
        edit("spec.image.registry", "oci:other"),
        edit("spec.image.registry", "ghcr.io/example"),
    ),
    "spec.image.repository": (edit("spec.image.repository", "team/hello"),),
    "spec.image.tags": (edit("spec.image.tags", ["latest"]),),
    "spec.image.<registry>": (edit("spec.image.layout", {"insecure": True}),),
    "spec.security.runAsUser": (edit("spec.security.runAsUser", 1000),),
    "spec.security.runAsGroup": (edit("spec.security.runAsGroup", 1000),),
    "spec.security.runAsNonRoot": (edit("spec.security.runAsNonRoot", True),),
    "spec.security.readOnlyRootFilesystem": (edit("spec.security.readOnlyRootFilesystem", True),),
    "spec.security.capabilities.add": (edit("spec.security.capabilities.add", ["NET_BIND_SERVICE"]),),
    "spec.security.capabilities.drop": (edit("spec.security.capabilities.drop", ["ALL"]),),
    "spec.network.ingress": (edit("spec.network.ingress", [{"from": "frontend"}]),),
    "spec.network.egress": (edit("spec.network.egress", [{"to": "api.openai.com"}]),),
    "spec.network.mode": (edit("spec.network.mode", "none"),),
    "spec.network.dns": (edit("spec.network.dns", ["1.1.1.1"]),),
    "spec.scaling.replicas": (edit("spec.scaling.replicas", 2),),
    "spec.scaling.minReplicas": (edit("spec.scaling.minReplicas", 1),),
    "spec.scaling.maxReplicas": (edit("spec.scaling.maxReplicas", 10),),
    "spec.scaling.targetCPUUtilizationPercentage": (edit("spec.scaling.targetCPUUtilizationPercentage", 70),),
    "spec.scaling.targetMemoryUtilizationPercentage": (edit("spec.scaling.targetMemoryUtilizationPercentage", 80),),
    "spec.scaling.vertical": (edit("spec.scaling.vertical", {"mode": "auto"}),),
    "spec.deploy.target": (edit("spec.deploy.target", "elsewhere"),),
    "spec.deploy.strategy.maxUnavailable": (edit("spec.deploy.strategy.maxUnavailable", "25%"),),
    "spec.deploy.strategy.maxSurge": (edit("spec.deploy.strategy.maxSurge", "25%"),),
    "spec.deploy.<deployer>": (edit("spec.deploy.process", {"folder": "run"}),),
    "spec.observability.metrics.path": (edit("spec.observability.metrics.path", "/metrics"),),
    "spec.observability.metrics.port": (edit("spec.observability.metrics.port", 9090),),
    "spec.observability.logging.level": (edit("spec.observability.logging.level", "info"),),
    "spec.observability.logging.format": (edit("spec.observability.logging.format", "json"),),
    "spec.observability.logging.destination": (edit("spec.observability.logging.destination", "stdout"),),
    "spec.observability.tracing.endpoint": (edit("spec.observability.tracing.endpoint", "http://collector:4317"),),
    "spec.observability.tracing.sampling": (edit("spec.observability.tracing.sampling", 0.1),),
    "spec.observability.tracing.provider": (edit("spec.observability.tracing.provider", "jaeger"),),
    **{
        f"spec.observability.alerts[].{key}": (
            edit("spec.observability.alerts", [{"name": "slow", "condition": "late > 2s", "for": "5m", "severity": "warning"}]),
        )
        for key in ("name", "condition", "for", "severity")
    },
    "spec.secrets[].name": (edit("spec.secrets.0.name", "other"),),
    "spec.secrets[].provider": (edit("spec.secrets.0.provider", "file"),),
    "spec.secrets[].key": (edit("spec.secrets.0.key", "OTHER"),),
    "spec.services.<name>.agent": (edit("spec.services.helper", {"agent": "helper"}),),
    "spec.services.<name>.image": (edit("spec.services.redis.image", "redis:8"), edit("spec.services.other", {"image": "x"})),
    "spec.services.<name>.port": (edit("spec.services.redis.port", 6380),),
    "spec.services.<name>.command": (edit("spec.services.redis.command", ["redis-server", "--save", ""]),),
    "spec.services.<name>.user": (edit("spec.services.redis.user", "redis"),),
    "spec.services.<name>.environment[]": (
        edit("spec.services.redis.environment.0.value", "other"),
        edit("spec.services.redis.environment.0", {"name": "TOKEN", "from": "secret"}),
    ),
    "spec.services.<name>.healthCheck": (edit("spec.services.redis.healthCheck", {"command": ["redis-cli", "ping"]}),),
}  # fmt: skip
"""Leaf of the schema → edits of it; together they change exactly what its ``x-effect`` lists."""

for _leaf, _at in (("spec.model", "spec.model"), ("spec.models[]", "spec.models.0")):
    EDITS[f"{_leaf}.provider"] = (edit(f"{_at}.provider", "anthropic"),)
    EDITS[f"{_leaf}.name"] = (edit(f"{_at}.name", "another"),)
    EDITS[f"{_leaf}.config"] = (edit(f"{_at}.config.own", "free", "dockerfile", "image"), edit(f"{_at}.config", {}))
    EDITS[f"{_leaf}.config.api_key"] = (edit(f"{_at}.config.api_key", "${ANOTHER_KEY}"),)
    EDITS.update({f"{_leaf}.config.{key}": (edit(f"{_at}.config.{key}", value),) for key, value in MODEL.items()})
for _kind in ("limits", "requests"):
    _amounts = {"cpu": "500m", "memory": "512Mi", "ephemeral-storage": "1Gi", "gpu": "1"}
    EDITS.update({f"spec.resources.{_kind}.{k}": (edit(f"spec.resources.{_kind}.{k}", v),) for k, v in _amounts.items()})
EDITS["spec.models[].use"] = (edit("spec.models.0.use", "chat"),)

for _item, _fields in CHECKS.items():
    _number, _, _kind = _item.partition(":")
    _base = f"spec.tests[]<{_kind}>"
    for _field, _value in _fields.items():
        EDITS[f"{_base}.{_field.replace('.0.', '[].')}"] = (edit(f"spec.tests.{_number}.{_field}", _value),)
    _other = {"type": "structure"} if _kind == "command" else {"type": "npm" if _kind == "…" else "command", "command": ["x"]}
    EDITS[f"{_base}.type"] = (edit(f"spec.tests.{_number}", _other),)
EDITS["spec.tests[]<…>"] = (edit("spec.tests.3.free", "text"),)
