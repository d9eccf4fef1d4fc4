"""The meaning of .dockerignore, held to the docker SDK's own matcher."""

import pytest
from docker.utils.build import PatternMatcher
from hypothesis import given, settings
from hypothesis import strategies as st

from aac_tasks.plan.context import DEFAULT_IGNORE, ignore_patterns
from aac_tasks.state.ignore import IgnoreRules, parse_ignore_file


@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        (["*.md"], "README.md", True),
        (["*.md"], "docs/README.md", False),
        (["**/*.md"], "docs/deep/README.md", True),
        (["**/*.md"], "README.md", True),
        (["docs"], "docs/a/b", True),
        (["docs/"], "docs/a", True),
        (["/docs"], "docs/a", True),
        (["temp?"], "temp1", True),
        (["temp?"], "temp10", False),
        (["*.md", "!README.md"], "README.md", False),
        (["*.md", "!README*.md", "README-secret.md"], "README-secret.md", True),
        (["docs", "!docs/keep.txt"], "docs/keep.txt", False),
        (["docs", "!docs/keep.txt"], "docs/other.txt", True),
        (["[a-c].txt"], "b.txt", True),
        (["[!a-c].txt"], "b.txt", True),
        (["./src/../docs"], "docs/x", True),
        (["a\\*b"], "a*b", True),
        (["a\\*b"], "axb", False),
        (["*"], "anything/below", True),
        (["*", "!src"], "src/main.py", False),
    ],
)
def test_patterns_mean_what_the_documentation_says(patterns: list[str], path: str, ignored: bool) -> None:
    if patterns == ["[!a-c].txt"]:
        ignored = True  # Go negates with ^; "!" is a plain member of the class, and so is the range
    assert IgnoreRules(patterns).ignores(path) is ignored


NAMES = st.sampled_from(["a", "b", "ab", "src", "x.py", "y.md", "keep"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(
    st.builds(
        lambda neg, parts: ("!" if neg else "") + "/".join(parts),
        st.booleans(),
        st.lists(st.sampled_from(["a", "b", "src", "*", "**", "*.py", "?", "x.*", "keep"]), min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, PATHS)
def test_random_patterns_agree_with_the_docker_sdk(patterns: list[str], path: str) -> None:
    if any("**" in p for p in patterns):
        return  # the SDK does not apply ** to the folders above a path, as the engine does
    assert IgnoreRules(patterns).ignores(path) == PatternMatcher(patterns).matches(path)


@settings(max_examples=200, deadline=None)
@given(PATTERNS, PATHS)
def test_a_pruned_folder_holds_nothing_that_is_wanted(patterns: list[str], path: str) -> None:
    rules = IgnoreRules(patterns)
    parts = path.split("/")
    for i in range(1, len(parts)):
        if rules.prunes("/".join(parts[:i])):
            assert rules.ignores(path)


def test_comments_blank_lines_and_a_byte_order_mark_are_skipped() -> None:
    assert parse_ignore_file("\ufeff# note\n\n  *.log  \n!keep.log\n") == ("*.log", "!keep.log")


@pytest.mark.parametrize(
    "path",
    [
        ".aac/x",
        ".git/HEAD",
        ".env",
        ".env.local",
        "sub/.env",
        ".venv/bin/python",
        "node_modules/a/b",
        "agent.yaml",
        "pkg/__pycache__/m.pyc",
    ],
)
def test_state_secrets_and_environments_never_enter_an_image(path: str) -> None:
    assert IgnoreRules(DEFAULT_IGNORE).ignores(path)


def test_an_exception_takes_a_default_back() -> None:
    assert not IgnoreRules(ignore_patterns(("!.env.example",), ())).ignores(".env.example")


def test_an_oci_layout_that_a_step_writes_is_no_input() -> None:
    assert IgnoreRules(ignore_patterns((), ("dist",))).ignores("dist/blobs/sha256/ab")
