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

HEAD = "aac manifest 2"
SAID = {"build", "test", "lock"}
"""Commands whose outputs are files, so that stats can vouch for them."""

JOBS, ALIKE = ("-n", "--jobs"), ("-k", "--keep-going")
"""Flags that change how a command runs, not what it comes to; a number follows the first two."""

UNKNOWN = "?"
"""Before a step that the run did not judge: the manifest says nothing of it."""

ABSENT, PRESENT = 0, -1
"""In place of an inode: nothing must be there; some regular file must be there."""

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
    if arguments and arguments[0] in SAID and (look := look_at(arguments)) is not None and look.is_unchanged:
        sys.stdout.write(look.said)
        return 0
    slow = __import__("aac_tasks.cli", fromlist=["main"])  # by its name: whoever is below may import this module
    return int(slow.main(arguments))


class Look:
    """A manifest and what stats say of it. ``paths`` are relative to ``root``; of path N the four ``numbers`` from 4 N on are
    mtime and ctime in nanoseconds, size, inode. ``changed`` holds the N of all that are not as they were.

    ``images`` are [socket, name, id, agent]. ``sections`` and ``agents`` say what belongs to whom; only ``state/manifest.py``
    reads them.
    """

    said = steps = root = folder = sections = agents = ""
    images: "list[list[str]]"
    paths: "list[bytes]"
    numbers: "list[int]"
    changed: "list[int]"

    @property
    def is_unchanged(self) -> bool:
        """Whether everything is as it was. Engines are asked last: a file that changed spares the question."""
        return not self.changed and all(engine_has(*image[:3]) for image in self.images)


LOOKS: "dict[str, Look]" = {}
"""What was looked at in this process, by the manifest's name: whoever goes on need not look again."""


def manifest_name(arguments: list[str]) -> str:
    """The manifest of one command line, "" when it can't have one. How many steps run at once changes no outcome."""
    words = iter(arguments)
    name = " ".join(w for w in words if w not in ALIKE and not (w in JOBS and next(words, "")))
    return "" if "/" in name or "\0" in name or "\n" in name or len(name) > 200 else name


def identity_line() -> str:
    """What must be equal beside the files: folder, interpreter, environment."""
    values = [os.environ.get(name, "") for name in ENVIRONMENT]
    return "\0".join([os.getcwd(), sys.prefix, *values]).replace("\n", " ")  # noqa: PTH109  # pathlib is not imported here


def look_at(arguments: list[str]) -> "Look | None":
    """Every recorded file compared with what it was; None when no manifest speaks of this command line here."""
    name = manifest_name(arguments)
    look = _read(name) if name else None
    if look is not None:
        look.changed = _differing(look)
        LOOKS[name] = look
    return look


def _differing(look: Look) -> "list[int]":
    """Names are looked up from the root on: a fifth of what a stat costs is the way to the file."""
    here = os.getcwd()  # noqa: PTH109
    os.chdir(look.root)
    try:
        return _compared(look)
    finally:
        os.chdir(here)


def _compared(look: Look) -> "list[int]":
    stat, found, rest = os.stat, [], iter(look.numbers)
    for number, (path, mtime, ctime, size, inode) in enumerate(zip(look.paths, rest, rest, rest, rest, strict=False)):
        try:
            s = stat(path)
            if (s.st_mtime_ns != mtime or s.st_ctime_ns != ctime or s.st_size != size or s.st_ino != inode) and (
                inode != PRESENT or s.st_mode & 0o170000 != 0o100000
            ):
                found.append(number)
        except OSError:
            if inode != ABSENT:
                found.append(number)
    return found


def engine_has(place: str, name: str, image: str) -> bool:
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


def _read(name: str) -> "Look | None":
    """The manifest of that name in this folder or the nearest above; None when there is none, or of another format."""
    folder = os.getcwd()  # noqa: PTH109
    while True:
        try:
            with open(f"{folder}/{FOLDER}/manifest/{name}", "rb") as file:  # noqa: PTH123
                return _parsed(file.read(), f"{folder}/{FOLDER}")
        except OSError:
            parent = folder.rpartition("/")[0]
            if not parent or parent == folder:
                return None
            folder = parent


def _parsed(data: bytes, folder: str) -> "Look | None":
    """Lines of text, the paths, then the numbers as the machine has them: nothing of them is read digit by digit."""
    lines = data.split(b"\n", 8)
    if len(lines) < 9 or lines[0] != HEAD.encode():
        return None
    texts = [line.decode("utf-8", "surrogateescape") for line in lines[1:8]]
    sizes, identity, said, look = texts[0].split(" "), texts[1], texts[2], Look()
    look.steps, images, look.sections, look.agents = texts[3:]
    look.images = [image.split("\0") for image in images.split("\x1e") if image]
    if len(sizes) != 3 or str(len(data)) != sizes[0] or identity != identity_line():  # torn, or of another place
        return None
    paths, numbers = int(sizes[1]), int(sizes[2])
    look.folder, look.root, look.said = folder, folder[: -len(FOLDER) - 1] or "/", said.replace("\x1e", "\n")
    look.paths = lines[8][:paths].split(b"\n")
    look.numbers = memoryview(data)[len(data) - 8 * numbers :].cast("q").tolist()
    return look
