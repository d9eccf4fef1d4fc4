"""What the author of an agent.yaml said, validated, in canonical spelling, before any decision is taken.

One class per object of ``schemas/agent.v1.schema.json``, fields in snake_case of the schema's camelCase (a test holds
the two together). Text fields keep the scalar's raw text. Quantities (``500m``, ``1Gi``, ``30s``) stay text here: the
compiler reads them. Absent is None, ``""`` or ``()``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from aac_tasks.contracts.canonical import Json, JsonObject


@dataclass(frozen=True)
class Metadata:
    """Who the agent is. ``name`` is a DNS label (RFC 1123)."""

    name: str
    version: str = ""
    description: str = ""
    author: str = ""
    tags: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Model:
    """A model to call. ``config`` is free; ``api_key`` in it is always ``${VAR}``."""

    provider: str
    name: str
    use: str = ""
    config: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class EnvVar:
    """``source`` is the schema's ``from``: "", ``secret``, ``configmap`` or ``env``."""

    name: str
    value: str = ""
    source: str = ""
    secret_name: str = ""
    secret_key: str = ""
    config_map_name: str = ""
    config_map_key: str = ""
    env_key: str = ""
    default_value: str | None = None


@dataclass(frozen=True)
class Port:
    """A port the agent listens on. ``host`` None: not asked for."""

    container: int
    host: int | None = None
    protocol: str = "tcp"


@dataclass(frozen=True)
class Volume:
    """``type``: bind, volume, tmpfs or configmap. ``size`` as in ``64Mi``."""

    target: str
    source: str = ""
    type: str = "volume"
    read_only: bool = False
    size: str = ""


@dataclass(frozen=True)
class HealthCheck:
    """``type``: http, command or tcp; durations as in ``30s``, ``1m30s``, ``500ms`` ("" is the default)."""

    type: str = "http"
    path: str = ""
    port: int | None = None
    command: tuple[str, ...] = ()
    interval: str = ""
    timeout: str = ""
    retries: int | None = None
    start_period: str = ""


@dataclass(frozen=True)
class Quantities:
    """CPU in cores or ``m``, memory and storage with a unit."""

    cpu: str = ""
    memory: str = ""
    ephemeral_storage: str = ""
    gpu: str = ""


@dataclass(frozen=True)
class Resources:
    """requests ≤ limits."""

    limits: Quantities = Quantities()
    requests: Quantities = Quantities()


@dataclass(frozen=True)
class SecretFile:
    """A secret that commands of a build may read: a name of ``spec.secrets`` or of a variable, and the file it is in."""

    name: str
    target: str = ""


@dataclass(frozen=True)
class Build:
    """How the image is made."""

    base_image: str = ""
    platforms: tuple[str, ...] = ()
    system_packages: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    args: Mapping[str, str] = field(default_factory=dict)
    target: str = ""
    dockerfile: str = ""
    context: str = ""
    optimization: JsonObject = field(default_factory=dict)
    builder: str = ""
    secrets: tuple[SecretFile, ...] = ()
    ssh: bool = False


@dataclass(frozen=True)
class Image:
    """Names of the image. ``registry``: a host with optional path, or ``oci:FOLDER``.

    ``settings`` maps a registry plugin's name to its own settings.
    """

    registry: str = ""
    repository: str = ""
    tags: tuple[str, ...] = ()
    settings: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True)
class Test:
    """One check. ``settings`` holds the fields of its type exactly as in the schema (canonical camelCase)."""

    __test__ = False
    type: str
    name: str = ""
    settings: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Capabilities:
    """Linux capabilities without the CAP_ prefix."""

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Security:
    """Who the agent runs as and what it may do."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool = False
    capabilities: Capabilities = Capabilities()


@dataclass(frozen=True)
class Network:
    """``ingress`` and ``egress`` are lists of free rules; ``mode`` and ``dns`` as in Docker."""

    ingress: Json = None
    egress: Json = None
    mode: str = ""
    dns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Scaling:
    """How many."""

    replicas: int | None = None
    min_replicas: int | None = None
    max_replicas: int | None = None
    target_cpu_utilization_percentage: int | None = None
    target_memory_utilization_percentage: int | None = None
    vertical: JsonObject = field(default_factory=dict)


@dataclass(frozen=True)
class Strategy:
    """Rolling update; numbers or percentages as text."""

    max_unavailable: str = ""
    max_surge: str = ""


@dataclass(frozen=True)
class Deploy:
    """Where and how; ``settings`` maps a target's name to its own settings."""

    target: str = ""
    strategy: Strategy = Strategy()
    settings: Mapping[str, JsonObject] = field(default_factory=dict)


@dataclass(frozen=True)
class Secret:
    """A secret by name; ``provider``: env, file, keyring, docker, kubernetes or vault."""

    name: str
    provider: str = "env"
    key: str = ""


@dataclass(frozen=True)
class Service:
    """What the agent needs: an ``agent`` of the workspace, or an ``image``, which the rest is about. ``port`` None: the only one
    that it exposes.
    """

    agent: str = ""
    image: str = ""
    port: int | None = None
    command: tuple[str, ...] = ()
    user: str = ""
    environment: tuple[EnvVar, ...] = ()
    health_check: HealthCheck | None = None


@dataclass(frozen=True)
class AgentSpec:
    """The ``spec`` block and ``metadata`` of one agent.yaml, profile applied.

    ``runtime`` and ``version`` are the two halves of ``runtime: python:3.12``. ``models`` holds the one ``model`` too.
    ``observability`` is kept as JSON in canonical spelling.
    """

    metadata: Metadata
    runtime: str
    version: str = ""
    models: tuple[Model, ...] = ()
    capabilities: tuple[str, ...] = ()
    capability_config: Mapping[str, JsonObject] = field(default_factory=dict)
    dependencies: tuple[str, ...] = ()
    dev_dependencies: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    environment: tuple[EnvVar, ...] = ()
    ports: tuple[Port, ...] = ()
    volumes: tuple[Volume, ...] = ()
    health_check: HealthCheck | None = None
    resources: Resources = Resources()
    config: JsonObject = field(default_factory=dict)
    build: Build = Build()
    image: Image = Image()
    tests: tuple[Test, ...] = ()
    security: Security = Security()
    network: Network = Network()
    scaling: Scaling = Scaling()
    deploy: Deploy = Deploy()
    observability: JsonObject = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    api_version: str = "agent.dev/v1"

    @property
    def name(self) -> str:
        """The agent's name."""
        return self.metadata.name


def variable_of(service: str, what: str = "URL") -> str:
    """What tells an agent where a service is: ``summarizer-2`` → ``SUMMARIZER_2_URL``; an image's ``HOST`` and ``PORT`` too."""
    return f"{re.sub('[^A-Z0-9]', '_', service.upper())}_{what}"
