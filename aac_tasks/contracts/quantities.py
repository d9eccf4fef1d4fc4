"""Texts of agent.yaml that stand for amounts → numbers; each raises ValueError with what would be accepted.

Units of memory are those of Kubernetes (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/)
with an optional ``B`` behind, as people write them: ``Mi`` counts in 1024, ``M`` and ``MB`` in 1000.
"""

from __future__ import annotations

import re

_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|m|h))+")
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:B|([kKMGTP])(i?)B?)")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_CPU = re.compile(r"([0-9]+)m|([0-9]+(?:\.[0-9]+)?|\.[0-9]+)")
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4, "P": 5}


def seconds(text: str) -> float:
    """Read a duration: ``500ms``, ``30s``, ``1m30s``, ``2h``."""
    if _DURATION.fullmatch(text):
        return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text))
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} has no unit; write {text}s for seconds, {text}ms for milliseconds")
    raise ValueError(f"{text!r} is not a duration; expected numbers with ms, s, m or h, as in 30s or 1m30s")


def memory_bytes(text: str) -> int:
    """Read an amount of memory or disk: ``512Mi``, ``1Gi``, ``2GB``; whole bytes, rounded down."""
    match = _MEMORY.fullmatch(text)
    if match:
        power = _POWERS[match[2].upper()] if match[2] else 0
        number, scale = match[1], (1024 if match[3] else 1000) ** power
        return int(number) * scale if number.isdigit() else int(float(number) * scale)
    if _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} has no unit; write {text}Mi for mebibytes, {text}Gi for gibibytes")
    lower = re.fullmatch(r"([0-9.]+)([mgtp])(i?)b?", text, re.IGNORECASE)
    if lower and _MEMORY.fullmatch(meant := f"{lower[1]}{lower[2].upper()}i"):
        raise ValueError(f"{text!r} has an unknown unit; write {meant} (units are B, K, M, G, T and Ki, Mi, Gi, Ti)")
    raise ValueError(f"{text!r} is not an amount of memory; expected a number with a unit, as in 512Mi, 1Gi or 2GB")


def cores(text: str) -> float:
    """Read CPU time: ``1``, ``0.5``, or thousandths of a core, ``500m``."""
    match = _CPU.fullmatch(text)
    if match:
        return int(match[1]) / 1000 if match[1] else float(match[2])
    raise ValueError(
        f"{text!r} is not an amount of CPU; expected cores or thousandths of one with m, as in 1, 0.5 or 500m"
    )
