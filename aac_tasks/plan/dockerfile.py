"""Recipe → Dockerfile text. Pure, and the only writer of Dockerfiles.

Every value goes through a writer that knows the place it is written to, so no field of an agent.yaml can become an
instruction or change on the way:

* commands (RUN, ENTRYPOINT, CMD, HEALTHCHECK) are JSON (exec form: no shell, no expansion), with ``<`` escaped because
  BuildKit looks for here-documents before it looks at JSON;
* ENV, ARG and LABEL values are double-quoted, with the three characters that mean something there (``"``, ``\\``, ``$``)
  escaped; a newline can't be written in them at all, so it is refused;
* names, paths, addresses, users and ports are held to a grammar;
* small files are quoted here-documents: nothing in them is expanded, and the end mark is a line they don't have.

Grammar: https://docs.docker.com/reference/dockerfile/ and BuildKit's ``frontend/dockerfile/parser``.
The text needs BuildKit (Docker 24 or later) for ``ADD --checksum`` and here-documents, and no ``# syntax`` line: that
would fetch a frontend from Docker Hub.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from aac_tasks.contracts.dockerfile_text import IMAGE as _IMAGE
from aac_tasks.contracts.dockerfile_text import NAME as _NAME
from aac_tasks.contracts.dockerfile_text import STAGE as _STAGE
from aac_tasks.contracts.dockerfile_text import access_mounts
from aac_tasks.contracts.dockerfile_text import exec_form as _exec
from aac_tasks.contracts.dockerfile_text import held as _held
from aac_tasks.contracts.dockerfile_text import path as _path
from aac_tasks.contracts.dockerfile_text import quoted as _quoted
from aac_tasks.contracts.dockerfile_text import run_lines as _run
from aac_tasks.contracts.image import HealthProbe
from aac_tasks.contracts.lock import LockedBase
from aac_tasks.contracts.recipe import (
    Add,
    ApplicationLayer,
    CommandLayer,
    CompiledLayer,
    Context,
    DependencyLayer,
    DockerfileLayers,
    FileLayer,
    Instruction,
    Recipe,
    RecipeLayer,
    Stage,
    Write,
    follows_context,
)
from aac_tasks.errors import PlanError

ADDS_PER_STAGE = 60
"""An image on overlay storage has at most 125 layers, build stages included; each ADD is one."""

_RELATIVE = re.compile(r"(?!-)[A-Za-z0-9._+@-]+(?:/[A-Za-z0-9._+@-]+)*")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?@!&()*+,;=%-]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?")
_PORT = re.compile(r"[0-9]{1,5}/(?:tcp|udp|sctp)")
_KEY = re.compile(r"[^\s\"'\\$=#`\x00-\x1f\x7f]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIGNAL = re.compile(r"[A-Z0-9+-]+")
_UNWRITABLE = re.compile(r"[\x00\r\ud800-\udfff]")


def render(recipe: Recipe, name_of: Callable[[LockedBase], str]) -> str:
    """The Dockerfile of ``recipe``; ``name_of`` says what a base is called after FROM.

    Raises:
        PlanError: a value can't be written in a Dockerfile; the message names the field.
    """
    mounts = access_mounts(recipe)
    base = _held(name_of(recipe.base), _IMAGE, "base image", "a name with optional tag and digest")
    lines = ["# Rendered from agent.yaml and agent.lock; `agent build` writes it anew."]
    for layer in recipe.layers:
        if isinstance(layer, DependencyLayer | CompiledLayer):
            named = name_of(layer.stage.base) if layer.stage.base else layer.stage.image
            lines += ["", *_stage(layer.stage, named or base, mounts)]
    own = next((layer for layer in recipe.layers if isinstance(layer, DockerfileLayers)), None)
    lines += ["", *(_own(own) if own else (f"FROM {base}", "USER 0:0"))]
    last: list[str] = []
    for layer in recipe.layers:
        # The configuration comes before the files that change most, so that an edit invalidates one layer only.
        (last if follows_context(layer) else lines).extend(_layer(layer, mounts))
    user = [f"USER {_held(recipe.user, _USER, 'user', 'UID:GID')}"] if recipe.user else []
    lines += [*_configuration(recipe), *last, *user]
    lines += list(_start(recipe))
    return "\n".join(lines) + "\n"


def _own(layer: DockerfileLayers) -> Iterator[str]:
    """The author's Dockerfile as it is; what agent.yaml adds follows in its last stage, or in one made of ``target``."""
    for name in layer.args:
        yield f"# needs --build-arg {_held(name, _NAME, 'build argument', 'letters, digits and _')}"
    yield from layer.text.rstrip("\n").split("\n")
    yield ""
    if layer.target:
        yield f"FROM {_held(layer.target, _STAGE, 'build.target', 'the name of a stage')}"


def _stage(stage: Stage, named: str, mounts: str) -> Iterator[str]:
    """A build stage from ``named``. Many files are spread over stages of their own and copied in one piece."""
    name = _held(stage.name, _STAGE, "stage name", "lower-case letters, digits, '.', '_' and '-'")
    files = _many(stage)
    chunks = [files[i : i + ADDS_PER_STAGE] for i in range(0, len(files), ADDS_PER_STAGE)]
    for number, chunk in enumerate(chunks, 1):
        yield f"FROM scratch AS {name}-files-{number}"
        for file in chunk:
            yield from _instruction(file, mounts)
        yield ""
    yield f"FROM {_held(named, _IMAGE, f'image of stage {name}', 'a name with optional tag and digest')} AS {name}"
    yield "USER 0:0"
    for number in range(1, len(chunks) + 1):
        yield f"COPY --from={name}-files-{number} / /"
    spread = set(map(id, files))
    for instruction in stage.instructions:
        if id(instruction) not in spread:
            yield from _instruction(instruction, mounts)


def _many(stage: Stage) -> Sequence[Instruction]:
    """What is fetched, or else what is written before anything is done, where it is too much for layers of one stage."""
    adds = [i for i in stage.instructions if isinstance(i, Add)]
    writes = list(itertools.takewhile(lambda i: isinstance(i, Write), stage.instructions))
    return next((files for files in (adds, writes) if len(files) > ADDS_PER_STAGE), ())


def _instruction(instruction: Instruction, mounts: str) -> Iterator[str]:
    if isinstance(instruction, Add):
        yield _add(instruction)
    elif isinstance(instruction, Context):
        yield f"COPY --chown=0:0 . {_path(instruction.target).rstrip('/')}/"
    elif isinstance(instruction, Write):
        yield from _write(instruction.target, instruction.text)
    else:
        yield from _run(instruction, mounts)


def _add(add: Add) -> str:
    url = _held(add.url, _URL, "address", "an http or https address")
    digest = _held(add.sha256, _SHA256, f"SHA-256 of {url}", "64 hexadecimal digits")
    mode = f"--chmod={add.mode:o} " if add.mode else ""
    return f"ADD {mode}--checksum=sha256:{digest} {url} {_path(add.target)}"


def _write(target: str, text: str) -> Iterator[str]:
    path = _path(target)
    bad = _UNWRITABLE.search(text)
    if bad or not text.endswith("\n"):
        what = f"holds {bad.group(0)!r}" if bad else "does not end with a newline"
        raise PlanError(f"text of {path} {what}; a Dockerfile can't write that file; change it, or put it in the context")
    mark = "EOF"
    while f"\n{mark}\n" in f"\n{text}":
        mark += "_"
    yield f'COPY --chmod=644 <<"{mark}" {path}\n{text}{mark}'
    yield ""  # hadolint's parser wants an empty line there


def _layer(layer: RecipeLayer, mounts: str) -> Iterator[str]:
    if isinstance(layer, DependencyLayer | CompiledLayer):
        for path in layer.paths:
            yield f"COPY --from={layer.stage.name} {_path(layer.stage.made.get(path, path))} {_path(path)}"
    elif isinstance(layer, FileLayer):
        for target, text in layer.files.items():
            yield from _write(target, text)
    elif isinstance(layer, CommandLayer):
        for command in layer.commands:
            yield from _run(command, mounts)
    elif isinstance(layer, ApplicationLayer):
        yield from _application(layer)


def _application(layer: ApplicationLayer) -> Iterator[str]:
    """The context is copied as it comes; no ``--chmod``.

    A number would make every file executable or none, and the symbolic form (``a+rX``) needs Dockerfile 1.14, which
    Docker 26 lacks. So whoever lends the context sees to its modes: a builder with an engine lends a folder that has the
    embedded builder's, 0644 and 0755. By hand, ``docker build -f`` takes those of the working tree: the same under umask
    022, and where they are not, they are all that differs (tests/real/test_docker_judge.py). A path of ``only`` may be a
    file or a folder: without a slash behind it, COPY's target has the name in both cases.
    """
    target = _path(layer.target).rstrip("/")
    if not layer.only:
        yield f"COPY --chown=0:0 . {target}/"
    for path in layer.only:
        source = _held(path, _RELATIVE, "path", "a relative path of letters, digits and . _ + @ -")
        yield f"COPY --chown=0:0 {source} {target}/{source}"


def _configuration(recipe: Recipe) -> Iterator[str]:
    for name, value in sorted(recipe.env.items()):
        yield f"ENV {_held(name, _NAME, 'environment variable', 'letters, digits and _')}={_quoted(value, f'environment {name}')}"
    for key, value in sorted(recipe.labels.items()):
        held = _held(key, _KEY, "label", "a name without spaces, quotes, '=', '$', '#' and backslash")
        yield f'LABEL "{held}"={_quoted(value, f"label {key}")}'
    for port in recipe.ports:
        yield f"EXPOSE {_held(port, _PORT, 'port', 'as in 8080/tcp')}"


def _start(recipe: Recipe) -> Iterator[str]:
    if recipe.workdir:
        yield f"WORKDIR {_path(recipe.workdir)}"
    if recipe.stop_signal:
        yield f"STOPSIGNAL {_held(recipe.stop_signal, _SIGNAL, 'stop signal', 'as in SIGTERM')}"
    if recipe.probe is not None and recipe.probe.command:
        yield _healthcheck(recipe.probe)
    if recipe.entrypoint:
        yield f"ENTRYPOINT {_exec(recipe.entrypoint, 'entrypoint')}"
    if recipe.command:  # without it, ENTRYPOINT resets what the base has
        yield f"CMD {_exec(recipe.command, 'command')}"


def _healthcheck(probe: HealthProbe) -> str:
    options = [f"--interval={_duration(probe.interval)}", f"--timeout={_duration(probe.timeout)}"]
    options += [f"--start-period={_duration(probe.start_period)}"] if probe.start_period else []
    return f"HEALTHCHECK {' '.join(options)} --retries={int(probe.retries)} CMD {_exec(probe.command, 'health check')}"


def _duration(seconds: float) -> str:
    return f"{int(seconds)}s" if seconds == int(seconds) else f"{max(1, round(seconds * 1000))}ms"


def render_ignore(patterns: Iterable[str]) -> str:
    """A .dockerignore file with exactly these patterns, in order.

    Docker takes a leading ``#`` for a comment and trims every pattern. Where those characters are meant, ``./`` goes
    before the first (it vanishes when Docker cleans the path), and white space at an end becomes a class of its own.

    Raises:
        PlanError: a pattern holds a newline, a carriage return or NUL.
    """
    return "".join(map(_ignored, patterns))


@functools.lru_cache(maxsize=1024)  # agents of one workspace have nearly all patterns in common
def _ignored(pattern: str) -> str:
    bad = re.search(r"[\n\r\0]", pattern)
    if bad:
        raise PlanError(f"ignore pattern {pattern!r} holds {bad.group(0)!r}; one pattern is one line")
    negated, bare = (pattern.startswith("!"), pattern.removeprefix("!"))
    bare = re.sub(r"\A\s|\s\Z", lambda space: f"[{space.group(0)}]", bare)
    if bare.startswith("#"):
        bare = f"./{bare}"
    return f"{'!' if negated else ''}{bare}\n"

