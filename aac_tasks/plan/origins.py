"""Which place of agent.yaml fed which value of an action: what `agent why` translates back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.plan.recipe import CONFIG_FILE

INSTANCE: Mapping[str, str] = {
    "instance.name": "metadata.name",
    "instance.env": "spec.environment*",
    "instance.ports": "spec.ports*",
    "instance.mounts": "spec.volumes",
    "instance.limits.cpu": "spec.resources.limits.cpu",
    "instance.limits.memory": "spec.resources.limits.memory",
    "instance.limits.ephemeral_storage": "spec.resources.limits.ephemeral-storage",
    "instance.limits.gpu": "spec.resources.limits.gpu",
    "instance.isolation.read_only_root": "spec.security.readOnlyRootFilesystem",
    "instance.isolation.non_root": "spec.security.runAsNonRoot",
    "instance.isolation.cap_add": "spec.security.capabilities.add",
    "instance.isolation.cap_drop": "spec.security.capabilities.drop",
    "instance.isolation.network": "spec.network.mode",
    "instance.isolation.dns": "spec.network.dns",
    "instance.probe": "spec.healthCheck*",
    "instance.probe.command": "spec.healthCheck",
    "instance.probe.port": "spec.healthCheck.port or spec.ports",
    "instance.probe.start_period": "spec.healthCheck.startPeriod",
    "runner": "the runner taken on this machine",
}

CONFIG = f".layers[].files.{CONFIG_FILE}"
"""The file that tells an agent what it is; a JSON file is compared value by value."""

RECIPE: Mapping[str, str] = {
    "": "spec.build.platforms",
    ".created": "SOURCE_DATE_EPOCH",
    ".stop_signal": "spec.runtime",
    ".name": "metadata.name",
    ".base": "agent.lock base*",
    ".env": "spec.environment*",
    ".env.AGENT_NAME": "metadata.name",
    ".entrypoint": "spec.entrypoint",
    ".command": "spec.command",
    ".ports": "spec.ports",
    ".probe": "spec.healthCheck*",
    ".probe.command": "spec.healthCheck",
    ".probe.port": "spec.healthCheck.port or spec.ports",
    ".probe.start_period": "spec.healthCheck.startPeriod",
    ".user": "spec.security.runAsUser",
    ".labels": "metadata.labels*",
    ".labels.dev.agent.name": "metadata.name",
    ".labels.dev.agent.runtime": "spec.runtime",
    ".labels.dev.agent.models": "spec.model",
    ".labels.dev.agent.capabilities": "spec.capabilities",
    ".labels.dev.agent.tags": "metadata.tags",
    ".annotations": "metadata.annotations*",
    **{
        f".{kind}.org.opencontainers.image.{name}": f"metadata.{field}"
        for kind in ("labels", "annotations")
        for name, field in (
            ("title", "name"), ("description", "description"), ("version", "version"), ("authors", "author"),
        )
    },
    CONFIG: "spec.model, spec.capabilities or spec.config",
    f"{CONFIG}.name": "metadata.name",
    f"{CONFIG}.models": "spec.model",
    f"{CONFIG}.capabilities": "spec.capabilities",
    f"{CONFIG}.capabilityConfig": "spec.capability_config*",
    f"{CONFIG}.config": "spec.config*",
    ".layers": "agent.lock dependencies, spec.build, or files",
    ".layers[].locked": "agent.lock dependencies*",
    ".layers[].locked.files[]": "agent.lock dependencies {}*",
    ".layers[].stage": "agent.lock dependencies or spec.build",
    ".layers[].runtime_version": "agent.lock base",
    ".layers[].commands": "spec.build.commands or spec.build.systemPackages",
    ".layers[].text": "spec.build.dockerfile",
    ".layers[].rest": "spec.build.dockerfile",
    ".layers[].copies": "spec.build.dockerfile",
    ".layers[].reads": "spec.build.dockerfile",
    ".layers[].file": "spec.build.dockerfile",
    ".layers[].target": "spec.build.target",
    ".layers[].args": "spec.build.args*",
    ".secrets": "spec.build.secrets*",
    ".ssh": "spec.build.ssh",
    ".workdir": "spec.runtime",
}  # fmt: skip
"""The same within the recipe of any platform."""

ORIGINS: Mapping[str, Mapping[str, str]] = {
    "parse": {"spec": "*"},
    "lock": {
        "runtime": "spec.runtime",
        "base": "spec.runtime, spec.build.baseImage or spec.build.systemPackages",
        "base.reference": "spec.build.baseImage",
        "base.version": "spec.runtime",
        "base.packages": "spec.build.systemPackages",
        "toolchain": "spec.runtime",
        "images": "spec.build.dockerfile",
        "dependencies": "spec.dependencies or dependency files",
        "dependencies.requirements": "spec.dependencies",
        "dependencies.files": "*",
        "platforms": "spec.build.platforms",
        "builder": "spec.build.builder or --builder",
        "services": "spec.services",
        "needs": "spec.build.dockerfile or spec.build.commands",
    },
    "image": {
        "name": "metadata.name",
        "recipes": "spec.build.platforms",
        **{f"recipes[]{path}": place for path, place in RECIPE.items()},
        "builder": "agent.lock builder",
    },
    "dockerfile": {"files": "rendered *"},
    "test": {
        **INSTANCE,
        "checks": "spec.tests*",
        "checks[].settings": "spec.tests[{}]*",
        "services": "spec.services",
        "images": "spec.services",
        "neighbours": "spec.services",
        "upstream": "the image's content",
    },
    "push": {
        "refs": "spec.image",
        "registry": "spec.image.registry",
        "settings": "spec.image",
        "upstream": "the image's digest",
    },
    "deploy": {
        **INSTANCE,
        "target": "spec.deploy.target",
        "settings": "spec.deploy",
        "replicas": "spec.scaling.replicas",
        "services": "spec.services",
        "upstream": "the image's digest",
    },
}
"""Step kind → action path (a prefix) → place in agent.yaml, in the notation of `spec_path`."""


def model_origins(spec: JsonObject) -> Iterator[tuple[str, str]]:
    """The same for models, which agent.yaml has in one place or two."""
    here = f"recipes[]{CONFIG}.models"
    if "models" not in spec:
        yield f"{here}[]", "spec.model*"
    elif "model" not in spec:
        yield here, "spec.models*"
        yield "recipes[].labels.dev.agent.models", "spec.models"
    else:
        yield here, "spec.model or spec.models"
        yield "recipes[].labels.dev.agent.models", "spec.model or spec.models"


def service_origins(name: str) -> Iterator[tuple[str, str]]:
    """The same for an image that a test starts for that service."""
    here, place = f"images.{name}", f"spec.services.{name}"
    yield f"{here}.image", f"agent.lock, {place}.image"
    parts = {"env": "environment*", "ports": "port", "command": "command", "isolation": "user", "probe": "healthCheck*"}
    yield from ((f"{here}.instance.{part}", f"{place}.{field}") for part, field in parts.items())
    yield here, place
