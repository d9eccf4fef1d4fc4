"""Pipelines of CI services, as text: one job per affected agent, its cache kept, its report handed in. Pure."""

from __future__ import annotations

from aac_tasks.pipelines.circleci import CIRCLECI
from aac_tasks.pipelines.github import GITHUB
from aac_tasks.pipelines.gitlab import GITLAB
from aac_tasks.pipelines.vendor import Vendor, Wish, is_ours, shares

__all__ = ["VENDORS", "Vendor", "Wish", "is_ours", "shares"]

VENDORS: dict[str, Vendor] = {vendor.name: vendor for vendor in (GITHUB, GITLAB, CIRCLECI)}
"""What `agent ci` can write, by its first word."""
