from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plan.dockerfile_text import argv, read, values, words

from aac_tasks.contracts.image import HealthProbe, Platform
from aac_tasks.contracts.lock import LockedBase, LockedDependencies
from aac_tasks.contracts.recipe import (
    Add,
    ApplicationLayer,
    CommandLayer,
    CompiledLayer,
    Context,
    DependencyLayer,
    FileLayer,
    Recipe,
    Run,
    Stage,
    Write,
)
from aac_tasks.errors import PlanError
from aac_tasks.plan.dockerfile import ADDS_PER_STAGE, render, render_ignore

BASE = "docker.io/library/python@sha256:" + "1" * 64
PLAIN = Recipe("hello", Platform(), LockedBase("registry", BASE, Platform()), (ApplicationLayer(),))


HOSTILE = st.one_of(
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=30),
    st.text(alphabet="\\\"'$`{}#<>=EOF \t[],é☃\U0001f600", max_size=30),
)


@given(HOSTILE)
@example("x\\")
@example("${HOME}$(id)")
@example('" \\" RUN evil')
@example("# escape=`")
@example('<<"EOF"')
def test_no_value_of_the_environment_or_a_label_changes_or_adds_an_instruction(value: str) -> None:
    text = render(replace(PLAIN, env={"VALUE": value, "LAST": "end"}, labels={"org.label": value}), lambda _: BASE)
    assert values(text, "ENV") == {"VALUE": value, "LAST": "end"}
    assert values(text, "LABEL") == {"org.label": value}
    assert words(text) == ["FROM", "USER", "ENV", "ENV", "LABEL", "COPY", "USER", "WORKDIR"]


@given(st.lists(HOSTILE, min_size=1, max_size=4))
@example(["a", '" <<EOF'])
@example(["RUN", "<<-EOF"])
def test_no_word_of_a_command_changes_or_adds_an_instruction(given_words: list[str]) -> None:
    probe = HealthProbe("command", command=tuple(given_words))
    text = render(
        replace(PLAIN, entrypoint=tuple(given_words), command=tuple(given_words), probe=probe,
                layers=(CommandLayer((Run(tuple(given_words)),)), ApplicationLayer())), lambda _: BASE,
    )  # fmt: skip
    for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK", "RUN"):
        assert argv(text, word) == given_words
    assert words(text) == ["FROM", "USER", "RUN", "COPY", "USER", "WORKDIR", "HEALTHCHECK", "ENTRYPOINT", "CMD"]


@given(st.text(alphabet=st.sampled_from("EOF_\n \\$\"'#ab<"), max_size=60))
@example("EOF\nEOF_\nRUN evil")
def test_a_written_file_holds_exactly_its_text(text: str) -> None:
    layers = (FileLayer({"/etc/agent/config.json": f"{text}\n"}), ApplicationLayer())
    rendered = render(replace(PLAIN, layers=layers), lambda _: BASE)
    documents = [i.document for i in read(rendered) if i.document is not None]
    assert documents == [f"{text}\n"]


@given(st.text(max_size=40), st.sampled_from(["user", "workdir", "ports", "stop_signal"]))
def test_a_name_that_is_no_name_is_refused_or_harmless(value: str, field: str) -> None:
    changed = replace(PLAIN, **{field: (value,) if field == "ports" else value})  # type: ignore[arg-type]
    try:
        text = render(changed, lambda _: BASE)
    except PlanError:
        return
    assert set(words(text)) <= {"FROM", "USER", "COPY", "WORKDIR", "EXPOSE", "STOPSIGNAL"}
    assert len(read(text)) <= 6


@pytest.mark.parametrize("bad", ["a\nRUN evil", "a\0b", "a\rb", "a\u2028b", "\ud800"])
@pytest.mark.parametrize("field", ["env", "labels"])
def test_a_character_that_can_not_be_written_is_refused_naming_the_field(bad: str, field: str) -> None:
    with pytest.raises(PlanError, match="NAME: the value holds") as caught:
        render(replace(PLAIN, **{field: {"NAME": bad}}), lambda _: BASE)  # type: ignore[arg-type]
    assert ("environment" if field == "env" else "label") in str(caught.value)


@pytest.mark.parametrize("bad", ["a\nb", "a\0b"])
def test_a_newline_in_a_command_is_refused_naming_the_command(bad: str) -> None:
    with pytest.raises(PlanError, match="entrypoint"):
        render(replace(PLAIN, entrypoint=("python3", bad)), lambda _: BASE)


@pytest.mark.parametrize("key", ["a b", "a=b", 'a"b', "a\nb", "$a", "a\\", ""])
def test_a_label_whose_name_would_be_read_otherwise_is_refused(key: str) -> None:
    with pytest.raises(PlanError, match="label"):
        render(replace(PLAIN, labels={key: "x"}), lambda _: BASE)


@pytest.mark.parametrize("base", ["", "--platform=x y", "a b", "a\nRUN x", "$BASE", "-x"])
def test_a_base_that_is_no_image_is_refused(base: str) -> None:
    with pytest.raises(PlanError, match="base image"):
        render(PLAIN, lambda _: base)


@pytest.mark.parametrize("url", ["https://x/a b", "file:///etc/passwd", "https://x/$HOME", "https://x/'", "git@x:y"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(PlanError, match="address"):
        render(replace(PLAIN, layers=(dependencies(Add(url, "0" * 64, "/wheels/x")),)), lambda _: BASE)


def test_a_file_without_final_newline_is_refused_because_it_would_gain_one() -> None:
    with pytest.raises(PlanError, match="does not end with a newline"):
        render(replace(PLAIN, layers=(FileLayer({"/x": "text"}),)), lambda _: BASE)


def dependencies(*instructions: Add | Write | Run) -> DependencyLayer:
    return DependencyLayer("python", "3.13", LockedDependencies(), ("/opt/agent",), Stage("dependencies", instructions))


def test_layers_go_from_least_to_most_often_changed() -> None:
    layers = (
        CommandLayer((Run(("apt-get", "update"), {"DEBIAN_FRONTEND": "noninteractive"}, ("/var/cache/apt",)),)),
        dependencies(Add("https://x/y.whl", "0" * 64, "/wheels/y.whl"), Run(("python3", "/install.py"))),
        FileLayer({"/etc/agent/config.json": "{}\n"}),
        ApplicationLayer(),
    )
    probe = HealthProbe("http", "/health", 8080, ("python3", "-c", "x"), interval=0.5, timeout=90.0, start_period=2.0)
    recipe = replace(
        PLAIN, layers=layers, env={"A": "1"}, labels={"l": "v"}, ports=("8080/tcp",), probe=probe,
        entrypoint=("python3", "main.py"), command=("--fast",), stop_signal="SIGINT",
    )  # fmt: skip
    assert render(recipe, lambda _: BASE).splitlines() == [
        "# Rendered from agent.yaml and agent.lock; `agent build` writes it anew.",
        "",
        f"FROM {BASE} AS dependencies",
        "USER 0:0",
        f"ADD --checksum=sha256:{'0' * 64} https://x/y.whl /wheels/y.whl",
        'RUN ["python3", "/install.py"]',
        "",
        f"FROM {BASE}",
        "USER 0:0",
        'ARG DEBIAN_FRONTEND="noninteractive"',
        'RUN --mount=type=cache,sharing=locked,target=/var/cache/apt ["apt-get", "update"]',
        "COPY --from=dependencies /opt/agent /opt/agent",
        'COPY --chmod=644 <<"EOF" /etc/agent/config.json',
        "{}",
        "EOF",
        "",
        'ENV A="1"',
        'LABEL "l"="v"',
        "EXPOSE 8080/tcp",
        "COPY --chown=0:0 . /app/",
        "USER 10001:10001",
        "WORKDIR /app",
        "STOPSIGNAL SIGINT",
        'HEALTHCHECK --interval=500ms --timeout=90s --start-period=2s --retries=3 CMD ["python3", "-c", "x"]',
        'ENTRYPOINT ["python3", "main.py"]',
        'CMD ["--fast"]',
    ]


def test_what_is_compiled_comes_from_a_stage_of_its_toolchain_and_after_the_configuration() -> None:
    toolchain = LockedBase("registry", "golang", Platform(), digest="sha256:" + "2" * 64)
    fetch, compile_ = Run(("go", "mod", "download"), cache=("/go/pkg/mod",)), Run(("go", "build"))
    stage = Stage("build", (Write("/src/go.mod", "module x\n"), fetch, Context("/src"), compile_), base=toolchain)
    layer = CompiledLayer("go", "1.26", LockedDependencies(), ("/app/agent",), stage)
    recipe = replace(PLAIN, layers=(layer,), env={"A": "1"}, entrypoint=("/app/agent",))
    assert render(recipe, lambda base: f"{base.reference.partition('@')[0]}@here").splitlines()[1:] == [
        "",
        "FROM golang@here AS build",
        "USER 0:0",
        'COPY --chmod=644 <<"EOF" /src/go.mod',
        "module x",
        "EOF",
        "",
        'RUN --mount=type=cache,sharing=locked,target=/go/pkg/mod ["go", "mod", "download"]',
        "COPY --chown=0:0 . /src/",
        'RUN ["go", "build"]',
        "",
        "FROM docker.io/library/python@here",
        "USER 0:0",
        'ENV A="1"',
        "COPY --from=build /app/agent /app/agent",
        "USER 10001:10001",
        "WORKDIR /app",
        'ENTRYPOINT ["/app/agent"]',
    ]


def test_many_files_never_make_more_layers_than_a_storage_driver_takes() -> None:
    adds = [Add(f"https://x/{i}.whl", "0" * 64, f"/wheels/{i}.whl") for i in range(2 * ADDS_PER_STAGE + 1)]
    text = render(replace(PLAIN, layers=(dependencies(*adds, Run(("true",))),)), lambda _: BASE)
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert max(s.count("\nADD ") for s in stages) == ADDS_PER_STAGE
    assert text.count("\nADD ") == len(adds)
    copied = [i.rest for i in read(text) if i.word == "COPY" and "files-" in i.rest]
    assert copied == [f"--from=dependencies-files-{n} / /" for n in (1, 2, 3)]


def test_many_files_that_are_written_first_are_spread_too_and_those_behind_the_context_stay_behind_it() -> None:
    first = [Write(f"/crates/{i}/Cargo.toml", f"# {i}\n") for i in range(ADDS_PER_STAGE + 1)]
    last = Write("/src/Cargo.toml", "# last\n")
    text = render(replace(PLAIN, layers=(dependencies(*first, Context("/src"), last, Run(("true",))),)), lambda _: BASE)
    *files, stage, _ = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    assert [part.count("\nCOPY ") for part in files] == [ADDS_PER_STAGE, 1]
    assert [i.rest.partition("\n")[0] for i in read(f"FROM {stage}") if i.word == "COPY"] == [
        "--from=dependencies-files-1 / /", "--from=dependencies-files-2 / /", "--chown=0:0 . /src/",
        '--chmod=644 <<"EOF" /src/Cargo.toml',
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("patterns", "lines"),
    [
        (("**/.git", "!.git/keep"), ["**/.git", "!.git/keep"]),
        (("#notes", "!#kept"), ["./#notes", "!./#kept"]),
        ((" x", "x "), ["[ ]x", "x[ ]"]),
        ((), []),
    ],
)
def test_an_ignore_file_says_each_pattern_on_a_line(patterns: tuple[str, ...], lines: list[str]) -> None:
    assert render_ignore(patterns).splitlines() == lines


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12), max_size=5))
def test_docker_reads_back_the_patterns_that_were_meant(patterns: list[str]) -> None:
    """Docker's reader (moby/patternmatcher, ignorefile): drops comments, trims, cleans the path, trims, reads classes."""
    import posixpath

    read_back = []
    for line in render_ignore(patterns).splitlines():
        assert not line.startswith("#")
        bare = line.strip()
        negated, bare = bare.startswith("!"), bare.removeprefix("!").strip()
        cleaned = re.sub(r"\A\[(\s)\]|\[(\s)\]\Z", lambda m: m.group(1) or m.group(2), posixpath.normpath(bare).strip())
        read_back.append(("!" if negated else "") + cleaned)
    meant = [("!" if p.startswith("!") else "") + posixpath.normpath(p.removeprefix("!")) for p in patterns]
    assert read_back == meant


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_an_ignore_pattern_of_two_lines_is_refused(bad: str) -> None:
    with pytest.raises(PlanError, match="ignore pattern"):
        render_ignore((bad,))
