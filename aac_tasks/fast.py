"""The console entry. When nothing changed since the last run of the same command it says so after one stat per file,
before anything else of ours, or anything heavy, is imported (a test looks at sys.modules).

The manifest is written by ``state/manifest.py``; the two must agree on its text.
"""

import os
import sys

FOLDER = ".aac"
ENVIRONMENT = (
    "AAC_ALLOW_HOST",
    "AAC_CACHE_DIR",
    "AAC_PROFILE",
    "AGENT_REGISTRY_PROFILE",
    "AGENT_REGISTRY_URL",
    "CI",
    "DOCKER_HOST",
    "HOME",
    "SOURCE_DATE_EPOCH",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
)
"""Variables that change what a run would do."""

HEAD = "aac manifest 1"
SAID = {"build", "test", "lock"}
"""Commands whose outputs are files, so that stats can vouch for them."""

UNKNOWN = "?"
"""Before a step that the run did not judge: the manifest says nothing of it."""

IN_ENGINE = "!"
"""Before the name and id of an image in a container engine; its line begins with the engine's socket instead of a file."""

ENGINE_SECONDS = 0.2
"""How long an engine may take to answer; a silent one counts as one that lacks the image."""

SAYS_PER_AGENT = 20
"""With more agents than this, one line speaks for all."""


def line_of(kind: str, agent: str, digest: str) -> str:
    """What is said of an agent that is up to date."""
    return f"\u2013 {kind}:{agent}  up to date  {digest[:19]}".rstrip() + "\n"



def main() -> int:
    """Exit code of ``agent ARGUMENTS…``."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in SAID and (known := unchanged(arguments)) is not None:
        sys.stdout.write(known[0])
        return 0
    from aac_tasks.cli import main as run  # the slow path begins here

    return run(arguments)


def manifest_name(arguments: list[str]) -> str:
    """The manifest of one command line, "" when it can't have one."""
    name = " ".join(arguments)
    return "" if "/" in name or "\0" in name or "\n" in name or len(name) > 200 else name


def identity_line() -> str:
    """What must be equal beside the files: folder, interpreter, environment."""
    values = [os.environ.get(name, "") for name in ENVIRONMENT]
    return "\0".join([os.getcwd(), sys.prefix, *values])  # noqa: PTH109  # pathlib is not imported here


def unchanged(arguments: list[str]) -> "tuple[str, str, str] | None":
    """(what to print, the second line for other doors, the state folder) when every recorded file is as it was, else None."""
    name = manifest_name(arguments)
    folder, lines = _read(name) if name else ("", [])
    if not lines or lines[0] != HEAD or lines[-1] != "end" or lines[1] != identity_line().replace("\n", " "):
        return None
    stat = os.stat
    images = []
    for line in lines[4:-1]:
        path, _, ident = line.partition("\0")
        if ident[:1] == IN_ENGINE:
            images.append((path, *ident[1:].split(" ")))
            continue
        try:
            s = stat(path)
        except OSError:
            if ident != "-":
                return None
            continue
        if ident == "+" and s.st_mode & 0o170000 == 0o100000:
            continue
        if f"{s.st_mtime_ns}:{s.st_ctime_ns}:{s.st_size}:{s.st_ino}" != ident:
            return None
    if not all(_engine_has(*image) for image in images):  # last: a file that changed spares the question
        return None
    return lines[2].replace("\x1e", "\n"), lines[3], folder


def _engine_has(place: str, name: str, image: str) -> bool:
    """Whether the engine behind a unix socket knows ``name`` as ``image``: one inspect by reference, never a list.

    Asked by hand, for `http.client` and even `socket` take longer to import than the engine takes to answer. With
    HTTP/1.0 it closes the connection behind its answer.
    """
    from _socket import AF_UNIX, SOCK_STREAM, socket  # lazy: most images are in no engine

    engine = socket(AF_UNIX, SOCK_STREAM)
    engine.settimeout(ENGINE_SECONDS)
    answer = b""
    try:
        engine.connect(place)
        engine.sendall(f"GET /images/{name}/json HTTP/1.0\r\nHost: engine\r\n\r\n".encode())
        while piece := engine.recv(65536):
            answer += piece
    except OSError:
        return False
    finally:
        engine.close()
    return answer[9:12] == b"200" and f'"Id":"{image}"'.encode() in answer


def _read(name: str) -> "tuple[str, list[str]]":
    """The state folder and the manifest's lines, none when there is no manifest."""
    folder = os.getcwd()  # noqa: PTH109
    while True:
        try:
            with open(f"{folder}/{FOLDER}/manifest/{name}", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
                return f"{folder}/{FOLDER}", file.read().split("\n")
        except OSError:
            parent = folder.rpartition("/")[0]
            if not parent or parent == folder:
                return "", []
            folder = parent
