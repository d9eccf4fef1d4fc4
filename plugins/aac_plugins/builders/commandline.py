"""``docker buildx build`` and ``podman build``: what both are told, what they say, and what their failures mean."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aac_plugins.builders.stages import AUTHORITIES, LENT, SETTINGS, Work
from aac_plugins.oci.engine_context import authorities, context_folder
from aac_tasks.contracts.tools import Process
from aac_tasks.errors import StepError

if TYPE_CHECKING:
    from aac_tasks.contracts.tools import Completed, Tools

TIMEOUT = 3600.0
"""Seconds that a build may take: compilers are silent for long."""

IGNORE = "Dockerfile.dockerignore"

PROXIES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Build arguments that every Dockerfile has, and that are in no history and no cache key
(https://docs.docker.com/reference/dockerfile/#predefined-args); their values are taken from the environment.
"""

_PASSED = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "SSH_AUTH_SOCK",
    "SSL_CERT_FILE", "SSL_CERT_DIR", *PROXIES,
)  # fmt: skip
"""What an engine's command sees of the user's environment, besides its own variables."""


def environment(tools: Tools, names: Sequence[str]) -> dict[str, str]:
    """The variables of that name and those that every engine's command may see."""
    found = ((name, tools.environment(name)) for name in (*_PASSED, *names))
    return {name: value for name, value in found if value is not None}


def lend_context(work: Work, tools: Tools) -> Path:
    """The folder that is the build's main context: the project's own, with our ignore file beside the Dockerfile, or a copy."""
    empty = work.folder / "context"
    empty.mkdir()
    if work.files is None:
        return empty
    rules = tools.state / IGNORE
    if not rules.is_file():
        return context_folder(work.files, work.folder / "no such folder", empty)
    shutil.copyfile(rules, work.folder / IGNORE)
    return context_folder(work.files, work.root, empty)


def arguments(work: Work) -> Iterator[str]:
    """Flags that both engines know by the same names."""
    yield f"--file={work.dockerfile}"
    yield f"--platform={work.platform}"
    for folder in sorted(work.lent.iterdir()):
        yield f"--build-context={LENT}{folder.name}={folder}"
    if work.no_cache:
        yield "--no-cache"
    if work.target:
        yield f"--target={work.target}"
    for name, value in work.args:
        yield f"--build-arg={name}={value}"


def access_arguments(work: Work, tools: Tools) -> tuple[list[str], tuple[str, ...]]:
    """(flags, values): each secret, and the user's settings, as files of our folder that only they can read, gone with it; the
    ssh agent; what the user's network needs. No value may be shown.
    """
    if work.ssh and not tools.environment("SSH_AUTH_SOCK"):
        hint = "start one and add a key: eval $(ssh-agent) && ssh-add"
        raise StepError(f"{work.what}: build.ssh lends your SSH agent, and there is none (SSH_AUTH_SOCK is not set)", hint=hint)
    flags, values = ["--ssh=default"] if work.ssh else [], []
    flags += [f"--build-arg={name}" for name in PROXIES if tools.environment(name)]
    if bundle := authorities(tools):
        flags.append(f"--secret=id={AUTHORITIES},src={bundle}")
    named = [(secret.name, tools.secret(secret.reference)) for secret in work.secrets]
    values += [value for _, value in named]
    values += [str(found[found.lastindex or 0]) for text in work.settings.values() for found in _PASSWORD.finditer(text)]
    named += [(f"{SETTINGS}-{number}", text) for number, text in enumerate(work.settings.values())]
    for number, (name, text) in enumerate(named):
        file = work.folder / f"secret-{number}"
        file.touch(0o600)
        file.write_text(text, encoding="utf-8")
        flags.append(f"--secret=id={name},src={file}")
    return flags, tuple(values)


_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s@]+)@|<password>([^<]+)<|\btoken\s*=\s*\"([^\"]+)\"")


@dataclass(frozen=True)
class Command:
    """``docker buildx build …`` or ``podman build …``: its words, the whole environment, values that must never be shown."""

    argv: Sequence[str]
    env: dict[str, str]
    secrets: tuple[str, ...]


def run_build(work: Work, command: Command, tools: Tools, hear: Callable[[str], None] = lambda line: None) -> Completed:
    """Run it, telling what it does; ``hear`` gets each line. StepError (see `failure`) when it fails."""
    seen = Steps(work.what)

    def watch(line: str) -> None:
        hear(line)
        if told := seen.see(line):
            tools.progress(told)

    argv = tuple(command.argv)
    process = Process(argv, cwd=work.folder, env=command.env, timeout=TIMEOUT, secrets=command.secrets, watch=watch)
    done = tools.run(process)
    if done.exit_code:
        raise failure(work, f"{done.stdout}\n{done.stderr}", argv[0])
    return done


class Steps:
    """Progress out of lines: BuildKit's ``#7 [name 2/3] RUN …``, Podman's ``STEP 2/4: RUN …``, the classic ``Step 2/4 : …``."""

    _LINE = re.compile(r"(?:#\d+ \[(?:\S+ +)?(\d+)/(\d+)\]|(?:\[\d+/\d+\] )?STEP (\d+)/(\d+):|Step (\d+)/(\d+) :) ?(.*)")

    def __init__(self, what: str) -> None:
        self._what = what

    def see(self, line: str) -> str:
        """What is being done, when the line begins a step; "" for any other."""
        found = self._LINE.match(line)
        if not found:
            return ""
        *numbers, doing = found.groups()
        number, total = (n for n in numbers if n is not None)
        return f"{self._what}, {number} of {total}: {doing[:80]}"


_DEAD = re.compile(
    r"cannot connect to the docker daemon|error reading from server|transport is closing|connection reset by peer|"
    r"unexpected EOF|rpc error: code = Unavailable|use of closed network connection",
    re.IGNORECASE,
)
_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_FOREIGN = re.compile(r"exec format error", re.IGNORECASE)
_ABSENT = re.compile(
    r'failed to compute cache key: .*"([^"]+)": not found|excluded by \.dockerignore: stat ([^:]+): file does not exist'
    r'|(?:no items matching glob "[^"]*/|copier: stat: "/?)([^"]+)":? (?:copied|no such file)'
)
_CACHE = re.compile(r"Cache export is not supported for the docker driver")
_BASE = re.compile(
    r"(?:failed to resolve source metadata for |pull access denied for |initializing source docker://)([^\s,]+?)[:,]?(?:\s|$)"
)


def failure(work: Work, said: str, program: str) -> StepError:
    """What went wrong, where, in the tool's own last lines, and what to do."""
    tail = tail_of(said)
    number = _line_number(work, said)
    where = f"{work.own}:{number}" if work.own and number else ""
    if _FULL.search(said):
        hint = f"`{Path(program).name} system prune` frees some"
        return StepError(f"{work.what}: the disk of the engine is full", tail=tail, hint=hint)
    if _DEAD.search(said):
        hint = "start it again; its log says why it ended; what was built is kept"
        return StepError(f"{work.what}: the engine went away during the build", tail=tail, hint=hint)
    if _FOREIGN.search(said):
        hint = "install QEMU's user-mode handlers (Debian: qemu-user-static), or leave that platform out"
        return StepError(f"{work.what}: this machine can't run programs for {work.platform}", tail=tail, hint=hint)
    if _CACHE.search(said):
        hint = "turn on its containerd image store, or leave AAC_BUILD_CACHE_TO out"
        return StepError(f"{work.what}: the image store of this engine can't write a build cache", tail=tail, hint=hint)
    missing = _BASE.search(said)
    if missing and work.own:
        hint = "correct the name after FROM, or log in to its registry"
        return StepError(f"{where or work.what}: base {missing[1]} can't be had", tail=tail, hint=hint)
    absent = _ABSENT.search(said)
    if absent and work.own:
        name = (absent[1] or absent[2] or absent[3]).lstrip("/")
        hint = "correct its name, or the pattern of .dockerignore that leaves it out"
        return StepError(f"{where or work.what}: {name} is not in the build context", tail=tail, hint=hint)
    command = _command(said)
    message = f"{where or work.what}: {command or 'the build failed'}"
    hint = "" if work.own else "the lines above are what its command said"
    return StepError(message, tail=tail, hint=hint, command=_command_at(number, work))


def spoken(said: str) -> str:
    """What commands said, without BuildKit's number and time before each line."""
    return re.sub(r"^#\d+ \d+\.\d+ ", "", said, flags=re.MULTILINE)


def _line_number(work: Work, said: str) -> int:
    """The line of the Dockerfile that failed, 0 when it can't be told."""
    found = re.search(rf"^{re.escape(work.dockerfile.name)}:(\d+)$", said, re.MULTILINE)
    if found:
        return int(found[1])
    # Podman and the classic endpoint name the instruction, not its line
    steps = re.findall(r"building at STEP \"(.*?)\":|^Step \d+/\d+ : (.*)$", said, re.MULTILINE)
    return _number_of(steps[-1][0] or steps[-1][1], work.dockerfile) if steps else 0


def _number_of(instruction: str, dockerfile: Path) -> int:
    words = _bare(instruction)
    lines = dockerfile.read_text(encoding="utf-8").splitlines()
    return next((number for number, line in enumerate(lines, 1) if words and _bare(line) == words), 0)


def _bare(instruction: str) -> list[str]:
    """Its words without mounts, those of exec form as Podman has them: joined."""
    words = [word for word in instruction.split() if not word.startswith("--mount=")]
    try:
        command = json.loads(" ".join(words[1:]))
    except ValueError:
        return words
    return [*words[:1], *" ".join(map(str, command)).split()] if isinstance(command, list) else words


def _command_at(number: int, work: Work) -> tuple[str, ...]:
    """The command behind a line of a Dockerfile whose commands are known."""
    above = work.dockerfile.read_text(encoding="utf-8").splitlines()[:number] if work.commands else []
    runs = sum(1 for line in above if line.startswith("RUN "))
    return work.commands[runs - 1] if runs and above[-1].startswith("RUN ") else ()


def _command(said: str) -> str:
    """The command that failed and its exit code, in few words."""
    ended = r"process \"(.*)\" did not complete successfully: (?:exit code: )?(.*)"
    found = re.search(ended, said) or re.search(r"The command '(.*)' returned a non-zero code: (\d+)", said)
    if found:
        return f"`{found[1][:120]}` ended with {found[2]}"
    found = re.search(r'building at STEP "(.*)": (.*)', said) or re.search(r"failed to solve: ()(.*)", said)
    if not found:
        errors = re.findall(r"^ERROR: (.+)$", said, re.MULTILINE)
        return errors[-1][:300] if errors else ""
    if not found[1]:
        return found[2][:300]
    return f"`{re.sub('--mount=[^ ]* ', '', found[1])[:120]}` failed: {found[2][:200]}"


def tail_of(said: str) -> str:
    """The last 20 lines of what the failing command said. BuildKit repeats ten of them between two rulers."""
    failed = re.findall(r"^#(\d+) ERROR: ", said, re.MULTILINE)
    if failed and (own := re.findall(rf"^#{failed[-1]} \d+\.\d+ ?(.*)$", said, re.MULTILINE)):
        return "\n".join(own[-20:])
    lines = said.strip().splitlines()
    rulers = [i for i, line in enumerate(lines) if re.fullmatch(r"-{4,8}", line)]
    if len(rulers) >= 2:
        lines = [re.sub(r"^\d+\.\d+ ", "", line) for line in lines[rulers[-2] + 2 : rulers[-1]]]
    return "\n".join(lines[-20:])
