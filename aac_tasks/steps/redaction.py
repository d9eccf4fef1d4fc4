"""Take secrets out of text that people or files will see; rather too much than too little."""

from __future__ import annotations

import re
from collections.abc import Iterable

MASK = "***"

_SHORTEST = 4
"""A shorter value ("1", "on") is no secret and would mask half of every line."""

_SHAPES = re.compile(
    r"""
    \b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}            # OpenAI, Anthropic, Stripe
    | \b(?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,}
    | \bglpat-[A-Za-z0-9_-]{16,}
    | \b(?:hf|npm|pypi|dckr_pat|xox[abprs]|tvly|gsk|hvs)[-_.][A-Za-z0-9_.-]{16,}
    | \bAKIA[0-9A-Z]{16}\b
    | \bAIza[0-9A-Za-z_-]{35}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*   # a JSON web token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z ]*PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_NAMED = re.compile(
    r"(?i)\b([\w.-]*(?:api[_-]?key|secret|password|passwd|access[_-]?token|auth[_-]?token)[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"',;&}]{6,})"
)
_FIELD = re.compile(r"(?:^|\s)spec[.\[][\w.\[\]-]*: $")
_BEARER = re.compile(r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?\s*(?:bearer|basic|token)\s+|bearer\s+)([A-Za-z0-9+/=._~-]{8,})")
_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^/\s:@]*:)([^/\s@]+)(@)")


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """``text`` with each of ``secrets`` (whole, and line by line) replaced by ``***``."""
    for value in sorted(_pieces(secrets), key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def redact_keys(text: str, secrets: Iterable[str] = ()) -> str:
    """As `redact`, and whatever has the shape of a key, a token, or a password in a URL or an assignment."""
    text = redact(text, secrets)
    text = _SHAPES.sub(MASK, text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    text = _URL.sub(rf"\1{MASK}\3", text)
    return _NAMED.sub(_masked, text)


def _masked(found: re.Match[str]) -> str:
    """Our own messages name fields: what follows ``spec.environment[0].secret: `` is what we say of it, not its value."""
    before = found.string[max(0, found.start() - 200) : found.end(1)]
    return found[0] if _FIELD.search(before) else f"{found[1]}{MASK}"


def _pieces(secrets: Iterable[str]) -> set[str]:
    lines = {line.strip() for value in secrets for line in (value, *value.splitlines())}
    return {line for line in lines if len(line) >= _SHORTEST}
