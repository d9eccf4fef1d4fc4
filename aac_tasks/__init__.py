"""Agent-as-Code: one agent.yaml becomes a tested, pushed, running container, redoing only what a change touched."""

from __future__ import annotations

__version__ = "0.1.0"
