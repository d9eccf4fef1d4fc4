"""What BuildKit says about a Dockerfile without building it.

Its rules (https://docs.docker.com/reference/build-checks/) came with Docker 27. An older one can at least be asked for the
build's outline, for which it reads every line and looks for every base. What is read is the author's own Dockerfile, as it
would be built; of a rendered one the bases are left out, because engines are lent them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from aac_plugins.builders.commandline import arguments, failure
from aac_plugins.builders.stages import LENT, Work
from aac_tasks.contracts.engines import Checked, Remark
from aac_tasks.contracts.recipe import DockerfileLayers
from aac_tasks.contracts.tools import Process

if TYPE_CHECKING:
    from aac_tasks.contracts.canonical import Json
    from aac_tasks.contracts.recipe import Recipe
    from aac_tasks.contracts.tools import Completed, Tools

NOT_CHECKED = Checked("this docker has no BuildKit, which would check the Dockerfile: install the buildx plugin")

_RULES = "--call=check,format=json"
_OUTLINES = ("--call=outline", "--print=outline")
"""buildx 0.15 and its elders."""

_UNKNOWN = re.compile(r"unknown flag: --(?:call|print)|unsupported request frontend\.lint|invalid call type")
_FROM = re.compile(r"^FROM (?!scratch\b)\S+", re.MULTILINE)
_AT_LINE = re.compile(r"dockerfile parse error on line (\d+): (.*)")


def check(recipe: Recipe, dockerfile: str, env: Mapping[str, str], tools: Tools) -> Checked:
    """The first of the questions that this engine and its command understand; ``env`` is the command's."""
    own = next((layer for layer in recipe.layers if isinstance(layer, DockerfileLayers)), None)
    with tools.scratch() as folder:
        (folder / LENT).mkdir()
        what = f"{own.file if own else 'Dockerfile'} of {recipe.name}"
        work = Work(what, folder, recipe.platform)
        if own:
            work = Work(what, folder, recipe.platform, target=own.target, args=tuple(sorted(own.args.items())), own=own.file)
        work.dockerfile.write_text(own.text if own else _FROM.sub("FROM scratch", dockerfile), encoding="utf-8")
        named = own.file if own else "the rendered Dockerfile, its bases left out"
        done = _asked(work, _RULES, env, tools)
        if not _UNKNOWN.search(done.stderr):
            return Checked(f"BuildKit checked {named}", tuple(_remarks(done, work)))
        for question in _OUTLINES:
            done = _asked(work, question, env, tools)
            if not _UNKNOWN.search(done.stderr):
                break
        how = f"BuildKit read {named}; that of Docker 27 or later would check it by its rules, too"
        return Checked(how, (_wrong(done, work),) if done.exit_code else ())


def _asked(work: Work, question: str, env: Mapping[str, str], tools: Tools) -> Completed:
    words = ("docker", "buildx", "build", "--progress=plain", "--output=type=cacheonly", question, *arguments(work))
    asking = {**env, "BUILDX_EXPERIMENTAL": "1"}  # --print was an experiment
    return tools.run(Process((*words, str(work.lent)), cwd=work.folder, env=asking, timeout=120.0))


def _remarks(done: Completed, work: Work) -> Iterator[Remark]:
    try:
        said = json.loads(done.stdout)
    except ValueError:
        yield _wrong(done, work)
        return
    for one in _tables(said.get("warnings")):
        yield Remark(f"{one.get('detail') or one.get('description')} ({one.get('ruleName')})", _line(one))
    error = said.get("buildError")
    if isinstance(error, Mapping):
        text = _AT_LINE.sub(r"\2", str(error.get("message")))
        yield Remark(text, _line(error), wrong=True)
    elif done.exit_code and not said.get("warnings"):
        yield _wrong(done, work)


def _line(said: Mapping[str, Json]) -> int:
    location = said.get("location")
    ranges = _tables(location.get("ranges")) if isinstance(location, Mapping) else ()
    start = ranges[0].get("start") if ranges else None
    line = start.get("line") if isinstance(start, Mapping) else 0
    return line if isinstance(line, int) else 0


def _tables(value: Json) -> Sequence[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


def _wrong(done: Completed, work: Work) -> Remark:
    """As a build that fails says it; the place is told apart."""
    said = f"{done.stdout}\n{done.stderr}"
    if found := _AT_LINE.search(said):
        return Remark(found[2], int(found[1]), wrong=True)
    message = failure(work, said, "docker").message.removeprefix(f"{work.what}: ")
    place = re.match(rf"{re.escape(work.own)}:(\d+): ", message) if work.own else None
    return Remark(message[place.end() :] if place else message, int(place[1]) if place else 0, wrong=True)
