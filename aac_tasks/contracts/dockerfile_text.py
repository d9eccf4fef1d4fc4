"""Typed writers of a Dockerfile's words: each knows the place it writes to, so no value can become an instruction.

`plan/dockerfile.py` writes whole files with them, builders with an engine the stages that they run. Each raises PlanError,
naming the field, for a value that a Dockerfile can't say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from aac_tasks.contracts.recipe import BuildSecret, Recipe, Run
from aac_tasks.errors import PlanError

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
PATH = re.compile(r"/(?:[A-Za-z0-9._+@-]+/?)*")
IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
STAGE = re.compile(r"[a-z][a-z0-9_.-]*")


def run_lines(run: Run, mounts: str = "") -> Iterator[str]:
    """``ARG``, not ENV: a variable for this command, absent from the image's configuration. ``mounts`` end in a space."""
    for name, value in run.env.items():
        yield f"ARG {held(name, NAME, 'variable of a command', 'letters, digits and _')}={quoted(value, f'variable {name}')}"
    caches = "".join(f"--mount=type=cache,sharing=locked,target={path(c)} " for c in run.cache)
    yield f"RUN {caches}{mounts}{exec_form(run.argv, 'command')}"


def access_mounts(recipe: Recipe) -> str:
    """What a command may see of the author's: secrets as files, the ssh agent; "" for most recipes."""
    return "".join(_secret(s) for s in recipe.secrets) + ("--mount=type=ssh " if recipe.ssh else "")


def _secret(secret: BuildSecret) -> str:
    name = held(secret.name, NAME, "build secret", "letters, digits, '_', '.' and '-'")
    return f"--mount=type=secret,id={name},required=true{f',target={path(secret.target)}' if secret.target else ''} "


def exec_form(argv: Iterable[str], field: str) -> str:
    """A command in exec form; ``<`` is escaped because BuildKit looks for here-documents before it looks at JSON."""
    words = list(argv)
    for word in words:
        bad = re.search(r"[\x00\ud800-\udfff]", word)
        if bad or "\n" in word:
            what = "a newline" if not bad else repr(bad.group(0))
            raise PlanError(f"{field} {word!r} holds {what}, which a Dockerfile can't say; put the text into a file and run that")
    return json.dumps(words, ensure_ascii=True).replace("<", "\\u003c")


def quoted(value: str, field: str) -> str:
    """A value of ENV, ARG or LABEL in double quotes, with the three characters that mean something there escaped."""
    bad = _CONTROL.search(value)
    if bad:
        what = {"\n": "a newline", "\0": "NUL"}.get(bad.group(0), repr(bad.group(0)))
        raise PlanError(f"{field}: the value holds {what}, which a Dockerfile can't say; put the text into a file, or encode it")
    return '"' + re.sub(r'(["\\$])', r"\\\1", value) + '"'


def path(text: str) -> str:
    """A path in an image, held to a grammar that needs no quotes."""
    return held(text, PATH, "path", "an absolute path of letters, digits and . _ + @ -")


def held(value: str, grammar: re.Pattern[str], field: str, accepted: str) -> str:
    """``value`` when all of it is in ``grammar``."""
    if not grammar.fullmatch(value) or "\n" in value:
        raise PlanError(f"{field} {value!r} can't be written in a Dockerfile; expected {accepted}")
    return value
