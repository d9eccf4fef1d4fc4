"""Which place of agent.yaml fed which value of an action: what `agent why` translates back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

INSTANCE: Mapping[str, str] = {
    "instance.name": "metadata.name",
    "instance.env": "spec.environment",
    "instance.ports": "spec.ports",
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
    "instance.probe": "spec.healthCheck",
    "runner": "the runner taken on this machine",
}

ORIGINS: Mapping[str, Mapping[str, str]] = {
    "parse": {"spec": "agent.yaml"},
    "lock": {
        "runtime": "spec.runtime",
        "base": "spec.runtime or spec.build.baseImage",
        "base.reference": "spec.build.baseImage",
        "base.version": "spec.runtime",
        "base.packages": "spec.build.systemPackages",
        "dependencies.requirements": "spec.dependencies",
        "dependencies.files": "dependency files",
        "platforms": "spec.build.platforms",
        "builder": "spec.build.builder or --builder",
        "services": "spec.services",
        "needs": "spec.build.dockerfile or spec.build.commands",
    },
    "image": {
        "name": "metadata.name",
        "recipes": "spec.build.platforms",
        "recipes[0]": "the recipe",
        "recipes[0].name": "metadata.name",
        "recipes[0].base": "agent.lock base",
        "recipes[0].env": "spec.environment",
        "recipes[0].entrypoint": "spec.entrypoint",
        "recipes[0].command": "spec.command",
        "recipes[0].ports": "spec.ports",
        "recipes[0].probe": "spec.healthCheck",
        "recipes[0].user": "spec.security.runAsUser",
        "recipes[0].labels.org.opencontainers.image.description": "metadata.description",
        "recipes[0].labels.org.opencontainers.image.version": "metadata.version",
        "recipes[0].labels.org.opencontainers.image.authors": "metadata.author",
        "recipes[0].labels": "metadata.labels",
        "recipes[0].labels.dev.agent.name": "metadata.name",
        "recipes[0].labels.dev.agent.runtime": "spec.runtime",
        "recipes[0].labels.dev.agent.models": "spec.model",
        "recipes[0].labels.dev.agent.capabilities": "spec.capabilities",
        "recipes[0].labels.dev.agent.tags": "metadata.tags",
        "recipes[0].labels.org.opencontainers.image.title": "metadata.name",
        "recipes[0].annotations": "metadata.annotations",
        "recipes[0].annotations.org.opencontainers.image.title": "metadata.name",
        "recipes[0].annotations.org.opencontainers.image.description": "metadata.description",
        "recipes[0].annotations.org.opencontainers.image.version": "metadata.version",
        "recipes[0].annotations.org.opencontainers.image.authors": "metadata.author",
        "recipes[0].layers": "agent.lock dependencies, spec.build, spec.config, or files",
        "recipes[0].secrets": "spec.build.secrets",
        "recipes[0].ssh": "spec.build.ssh",
        "recipes[0].workdir": "spec.runtime",
        "builder": "agent.lock builder",
    },
    "dockerfile": {"files": "the recipe"},
    "test": {
        **INSTANCE,
        "checks": "spec.tests",
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
"""Step kind → action path (a prefix) → place in agent.yaml."""


def service_origins(name: str) -> Iterator[tuple[str, str]]:
    """The same for an image that a test starts for that service."""
    here, place = f"images.{name}", f"spec.services.{name}"
    yield f"{here}.image", f"agent.lock, {place}.image"
    parts = {"env": "environment", "ports": "port", "command": "command", "isolation": "user", "probe": "healthCheck"}
    yield from ((f"{here}.instance.{part}", f"{place}.{field}") for part, field in parts.items())
    yield here, place
