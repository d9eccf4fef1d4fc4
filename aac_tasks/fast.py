"""The console entry. When nothing changed since the last run of the same command it says so after one stat per file,
before anything else of ours, or anything heavy, is imported (a test looks at sys.modules).

The manifest is written by ``state/manifest.py``; the two must agree on its text.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = ".aac"
ENVIRONMENT = (
    "AAC_ALLOW_HOST",
    "AAC_CACHE_DIR",
    "AAC_PROFILE",
    "AAC_SHARED_CACHE",
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

HEAD = "aac manifest 3"
LINES = 8
"""Of text, before the paths."""

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

MANY = 4000
"""With more paths than this, a second process looks at half of them."""

PORTION = 1 << 13
"""Bytes of paths that are looked at in one go: fresh memory for all of many would cost as much as a tenth of their stats."""

READER_WENT_AWAY = 141
"""128 + SIGPIPE, as a shell reports it."""

SAYS_PER_AGENT = 20
"""With more agents than this, one line speaks for all."""


def line_of(kind: str, agent: str, digest: str) -> str:
    """What is said of an agent that is up to date."""
    return f"\u2013 {kind}:{agent}  up to date  {digest[:19]}".rstrip() + "\n"


def console() -> int:
    """The console script: `main`, but a run without work ends without Python's tidying up, a tenth of all that it does."""
    if not _said_so(sys.argv[1:]):
        return _slow(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError:
        return READER_WENT_AWAY
    os._exit(0)


def main() -> int:
    """Exit code of ``agent ARGUMENTS…``."""
    return 0 if _said_so(sys.argv[1:]) else _slow(sys.argv[1:])


def _slow(arguments: list[str]) -> int:
    slow = __import__("aac_tasks.cli", fromlist=["main"])  # by its name: whoever is below may import this module
    return int(slow.main(arguments))


def _said_so(arguments: list[str]) -> bool:
    """Whether there is nothing to do, which has been said then."""
    if not arguments or arguments[0] not in SAID:
        return False
    look = look_at(arguments)
    if look is None or not look.is_unchanged:
        return False
    sys.stdout.write(look.said)
    return True


class Look:
    """A manifest and what stats say of it. ``changed`` holds the numbers of all paths that are not as they were.

    ``steps`` are groups, each with the agents that have it. ``images`` are [socket, name, id, agent]. ``sections`` and ``agents``
    say what belongs to whom; only ``state/manifest.py`` reads them.
    """

    said = steps = root = folder = sections = agents = ""
    images: "list[list[str]]"
    changed: "list[int]"

    def __init__(self, data: bytes, first: int, end: int, count: int) -> None:
        self._data, self._first, self._end, self._count = data, first, end, count

    @property
    def is_unchanged(self) -> bool:
        """Whether everything is as it was. Engines are asked last: a file that changed spares the question."""
        return not self.changed and all(engine_has(*image[:3]) for image in self.images)

    def entries(self) -> "tuple[list[bytes], list[int]]":
        """Paths, relative to ``root`` where they lie below it, and of each mtime and ctime in nanoseconds, size, inode."""
        return self._part(self._first, self._end, 0)

    def compare(self, many: int = MANY, portion: int = PORTION) -> "list[int]":
        """The numbers of paths that differ. Of many, a second process looks at half."""
        data, first, end = self._data, self._first, self._end
        if self._count <= many or (os.cpu_count() or 1) < 2:
            return self._differing(first, 0, self._count, portion)
        cut = data.index(b"\n", (first + end) // 2)
        half = data.count(b"\n", first, cut) + 1
        try:
            answer, question = os.pipe()
            helper = os.fork()
        except OSError:  # no process to spare
            return self._differing(first, 0, self._count, portion)
        if not helper:
            _answer(question, lambda: self._differing(cut + 1, half, self._count, portion))
        os.close(question)
        found = self._differing(first, 0, half, portion)
        told = b"".join(iter(lambda: os.read(answer, 65536), b""))
        os.close(answer)
        if os.waitpid(helper, 0)[1] != 0:
            return found + self._differing(cut + 1, half, self._count, portion)
        return found + [int(changed) for changed in told.split()]

    def _differing(self, first: int, number: int, stop: int, portion: int) -> "list[int]":
        """Of the paths from ``number`` on, the first one's text at ``first``: in portions, whose memory is used again."""
        found: list[int] = []
        while number < stop:
            cut = self._data.find(b"\n", min(first + portion, self._end), self._end)
            end = self._end if cut < 0 else cut
            paths, numbers = self._part(first, end, number)
            found += _compared(paths[: stop - number], numbers, number)
            first, number = end + 1, number + len(paths)
        return found

    def _part(self, first: int, end: int, number: int) -> "tuple[list[bytes], list[int]]":
        paths = self._data[first:end].split(b"\n") if self._count else []
        start = len(self._data) - 32 * (self._count - number)
        return paths, memoryview(self._data)[start : start + 32 * len(paths)].cast("q").tolist()


LOOKS: "dict[str, Look]" = {}
"""What was looked at in this process, by the manifest's name: whoever goes on need not look again."""


def manifest_name(arguments: list[str]) -> str:
    """The manifest of one command line, "" when it can't have one. How many steps run at once changes no outcome."""
    kept, words = [], iter(arguments)
    for word in words:
        if word in JOBS:
            number = next(words, "")
            if number != "auto" and not (number.isdigit() and number.strip("0")):
                return ""
        elif word not in ALIKE:
            kept.append(word)
    name = " ".join(kept)
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
        here = os.getcwd()  # noqa: PTH109
        os.chdir(look.root)  # names are looked up from there: the way to a file is a fifth of what a stat costs
        try:
            look.changed = look.compare()
        finally:
            os.chdir(here)
        LOOKS[name] = look
    return look


def _answer(question: int, compare: "Callable[[], list[int]]") -> None:
    """In the second process: write the numbers of what differs; exit code 0 when that is all of them."""
    code = 1
    try:
        rest = " ".join(map(str, compare())).encode()
        while rest:
            rest = rest[os.write(question, rest) :]
        code = 0
    finally:
        os._exit(code)


def _compared(paths: "list[bytes]", numbers: "list[int]", first: int) -> "list[int]":
    stat, found, rest = os.stat, [], iter(numbers)
    for number, (path, mtime, ctime, size, inode) in enumerate(zip(paths, rest, rest, rest, rest, strict=False), first):
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
    texts: list[str] = []
    first = 0
    while len(texts) < LINES and (end := data.find(b"\n", first)) >= 0:
        texts.append(data[first:end].decode("utf-8", "surrogateescape"))
        first = end + 1
    if len(texts) < LINES or texts.pop(0) != HEAD:
        return None
    sizes = [int(text) for text in texts[0].split(" ") if text.isascii() and text.isdigit()]
    if len(sizes) != 3 or len(data) != sizes[0] or texts[1] != identity_line():  # torn, or of another place
        return None
    look = Look(data, first, first + sizes[1], sizes[2])
    said, look.steps, images, look.sections, look.agents = texts[2:]
    look.images = [image.split("\0") for image in images.split("\x1e") if image]
    look.folder, look.root, look.said = folder, folder[: -len(FOLDER) - 1] or "/", said.replace("\x1e", "\n")
    return look
