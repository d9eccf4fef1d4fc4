"""How pages are read: the convention itself."""

from __future__ import annotations

import pytest
from docs.pages import Command, Note, Refused, Write, differs, pieces

PAGE = """\
# A page
<!-- needs: curl, skopeo -->
```yaml title="agent.yaml"
kind: Agent
```
<!-- run: mkdir hidden -->
```console
$ agent validate  # exits 3
agent.yaml:1:1 ...
$ cat <<EOF
> hello
> EOF
hello
```
```python
print()
```
```text
a diagram
```
"""


def test_a_page_is_read_in_order() -> None:
    assert list(pieces(PAGE)) == [
        Note(2, "needs", ("curl", "skopeo")),
        Write(3, "agent.yaml", "kind: Agent\n"),
        Command(6, "mkdir hidden", ("...",)),
        Command(8, "agent validate", ("agent.yaml:1:1 ...",), 3),
        Command(10, "cat <<EOF\nhello\nEOF", ("hello",)),
        Refused(15, "python"),
    ]


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        ((), "anything\n"),
        (("a", "b"), "a\nb\n"),
        (("✓ image:x  sha256:... 17.6 MB ...",), "✓ image:x  sha256:0123 17.6 MB (no run)  1.2 s\n"),
        (("...", "b", "..."), "a\nb\nc\n"),
        (("a", "..."), "a\n"),
    ],
)
def test_output_that_is_as_shown_is_accepted(expected: tuple[str, ...], output: str) -> None:
    assert differs(expected, output) == ""


@pytest.mark.parametrize(
    ("expected", "output"),
    [
        (("a", "b"), "b\na\n"),
        (("a",), "a\nand more\n"),
        (("a",), ""),
        (("...", "b"), "a\n"),
        (("✓ image:x ...",), "✗ image:x failed\n"),
    ],
)
def test_output_that_is_not_as_shown_is_refused(expected: tuple[str, ...], output: str) -> None:
    assert differs(expected, output) != ""
