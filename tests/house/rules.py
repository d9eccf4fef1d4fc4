"""The house rules as functions: a text of a file in, the lines that break the rule out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

MODULE_LINES = 300
FUNCTION_LINES = 40
NESTING = 3
DUMPING_GROUNDS = ("utils", "util", "helpers", "helper", "common", "misc")

_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_OWN_FOLDER = "|".join(("root", "work", "home", "Users"))
_NOBODYS = "agent|app|me|nonroot|user|you"  # homes in images and in examples
_MACHINE_PATH = re.compile(rf"(?<![\w$}}\]>./~*-])/(?:{_OWN_FOLDER})/(?!(?:{_NOBODYS})\b)\w[\w.-]*")
_PRIVATE_HOST = re.compile(r"\b(?:[\w-]+\.)+(?:corp|intranet|lan|internal)\b(?!\.)")
_PUBLIC_CONVENTIONS = ("host.docker.internal", "host.containers.internal", "metadata.google.internal")

_PATCHED = re.compile(r"(^|\.)mock(\.|$)|(monkeypatch|mocker)\.(setattr|delattr|patch)")

NETWORK = (
    "socket",
    "socketserver",
    "ssl",
    "http.client",
    "urllib.request",
    "ftplib",
    "smtplib",
    "xmlrpc.client",
)
PROCESSES = ("subprocess", "pty", "multiprocessing")
_PROCESS_CALLS = re.compile(r"os\.(system|popen|fork|forkpty|spawn\w+|posix_spawnp?|exec[lv]\w*)$")


def long_module(text: str) -> Iterator[str]:
    """A module that can't be read in one sitting."""
    count = len(text.splitlines())
    if count > MODULE_LINES:
        yield f"1: {count} lines, at most {MODULE_LINES}"


def long_functions(text: str) -> Iterator[str]:
    """Functions whose body, without its docstring, is too long."""
    for function in _functions(text):
        body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > FUNCTION_LINES:
            yield f"{function.lineno}: {function.name} has {lines} lines, at most {FUNCTION_LINES}"


def deep_nesting(text: str) -> Iterator[str]:
    """Functions with blocks in blocks in blocks in blocks."""
    for function in _functions(text):
        depth = max((_depth(statement) for statement in function.body), default=0)
        if depth > NESTING:
            yield f"{function.lineno}: {function.name} is nested {depth} deep, at most {NESTING}"


def dumping_ground(path: str) -> Iterator[str]:
    """A file or folder that says nothing of what is in it."""
    for part in path.split("/"):
        if part.removesuffix(".py").strip("_") in DUMPING_GROUNDS:
            yield f"1: {part} names no concept"


def patching(text: str) -> Iterator[str]:
    """Effects replaced by patching instead of by a plugin or a local real server."""
    for node in ast.walk(ast.parse(text)):
        dotted = _dotted(node)
        if _PATCHED.search(dotted):
            yield f"{getattr(node, 'lineno', 1)}: {dotted}; replace the effect by a plugin or a real server"


def machine_texts(text: str, own_names: Iterable[str] = ()) -> Iterator[str]:
    """Paths and host names that exist on one machine only. ``own_names`` are this machine's."""
    for number, line in enumerate(text.splitlines(), 1):
        found = _MACHINE_PATH.findall(line)
        found += [host for host in _PRIVATE_HOST.findall(line) if host not in _PUBLIC_CONVENTIONS]
        found += [name for name in own_names if name in line]
        for what in found:
            yield f"{number}: {what} is of one machine"


def any_types(text: str) -> Iterator[str]:
    """Types given up."""
    for node in ast.walk(ast.parse(text)):
        if "typing.Any" in (*_imported(node), _dotted(node)):
            yield f"{getattr(node, 'lineno', 1)}: Any"


def effects(text: str, modules: Iterable[str]) -> Iterator[str]:
    """Imports of ``modules`` (exact dotted names or below), and calls of `os` that start processes."""
    forbidden = tuple(modules)
    for node in ast.walk(ast.parse(text)):
        for name in _imported(node):
            if name.startswith(forbidden) and any(name == m or name.startswith(f"{m}.") for m in forbidden):
                yield f"{getattr(node, 'lineno', 1)}: imports {name}"
        if forbidden == PROCESSES and isinstance(node, ast.Call) and _PROCESS_CALLS.match(_dotted(node.func)):
            yield f"{node.lineno}: calls {_dotted(node.func)}"


def todos(text: str) -> Iterator[str]:
    """Work that was left behind."""
    for number, line in enumerate(text.splitlines(), 1):
        if re.search(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b", line):
            yield f"{number}: {line.strip()}"


def _functions(text: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, _FUNCTIONS))


def _depth(node: ast.AST) -> int:
    """Blocks within blocks; an ``elif`` is no deeper than its ``if``, a nested function is judged alone."""
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef, ast.Lambda)):
        return 0
    below = 0
    for child in ast.iter_child_nodes(node):
        depth = _depth(child)
        is_elif = isinstance(node, ast.If) and node.orelse == [child] and isinstance(child, ast.If)
        below = max(below, depth - 1 if is_elif else depth)
    return below + isinstance(node, _BLOCKS)


def _imported(node: ast.AST) -> tuple[str, ...]:
    if isinstance(node, ast.Import):
        return tuple(alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    return ()


def _dotted(node: ast.AST) -> str:
    """``a.b.c`` of an attribute or of an import, "" of anything else."""
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}".lstrip(".")
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return _imported(node)[-1] if _imported(node) else ""
    return ""
