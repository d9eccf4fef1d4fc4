"""What an image is called where agent.yaml leaves it open, or the command line asks for more names. Pure."""

from __future__ import annotations

from dataclasses import replace

from aac_tasks.contracts.spec import AgentSpec


def named(spec: AgentSpec, registry: str, *, all_tags: bool) -> AgentSpec:
    """The spec with ``registry`` where it names none; ``all_tags`` adds the version and ``latest`` to image.tags."""
    image = spec.image
    version = (spec.metadata.version,) if spec.metadata.version else ()
    tags = tuple(dict.fromkeys((*image.tags, *version, "latest"))) if all_tags else image.tags
    return replace(spec, image=replace(image, registry=image.registry or registry, tags=tags))
