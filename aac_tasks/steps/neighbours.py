"""Agents that need other agents: what they are told of where those are."""

from __future__ import annotations

from collections.abc import Mapping

from aac_tasks.contracts.canonical import JsonObject
from aac_tasks.contracts.spec import variable_of
from aac_tasks.errors import StepError


def place_of(deployed: JsonObject) -> str:
    """Where other agents reach what a deploy, by its outputs, made run; empty when nobody can."""
    return str(deployed.get("inside") or deployed.get("url") or "")


def urls_of(services: Mapping[str, str], places: Mapping[str, str]) -> dict[str, str]:
    """``NAME_URL`` for each service (name → agent); ``places`` maps an agent to the URL that others reach it at.

    Raises:
        StepError: nobody can reach one of them.
    """
    found: dict[str, str] = {}
    for service, agent in services.items():
        url = places.get(agent)
        if not url:
            raise StepError(
                f"agent {agent} has no port that others could reach it at",
                hint=f"give it one in its spec.ports, or take service {service} out of spec.services",
                places={f"spec.services.{service}.agent": f"agent {agent} has no port"},
            )
        found[variable_of(service)] = url
    return found
