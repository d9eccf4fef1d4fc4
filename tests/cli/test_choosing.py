"""`--filter` and `--format`."""

from __future__ import annotations

import re

import pytest
from cli.scene import DIGEST, Stage

from aac_tasks.cli.choosing import chosen, fitting, formatted
from aac_tasks.errors import UsageError

ROW = {"name": "hello", "content_digest": DIGEST, "labels": {"a.b": "c", "n": {"m": 1}}, "layers": [1, 2], "url": None}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{.Name}}", "hello"),
        ("{{ .ContentDigest }}", DIGEST),
        ("{{.content_digest}} is {{.Name}}", f"{DIGEST} is hello"),
        ("{{.Labels.a.b}} {{.Labels.n.m}} {{.Labels.none}}|{{.Url}}", "c 1 |"),
        ("{{json .Labels}}", '{"a.b": "c", "n": {"m": 1}}'),
        ("{{upper .Name}}\\t{{len .Layers}}", "HELLO\t2"),
        ("plain", "plain"),
    ],
)
def test_a_template_is_filled(template: str, text: str) -> None:
    assert formatted(template, [ROW]) == [text]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{.Nmae}}", "no such key; expected name, content_digest"),
        ("{{range .Layers}}", "expected {{.Key}}"),
        ("{{.Name}} {{.Nme", "{{.Nme: a {{ without }}; expected {{.Key}}"),
    ],
)
def test_what_a_template_can_not_do_is_told(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("{", r"\{").replace(".", r"\.")):
        formatted(template, [ROW])


def test_filters_of_different_keys_all_hold_and_of_one_key_any() -> None:
    rows = [{"name": n, "state": s} for n, s in (("a", "running"), ("b", "running"), ("a", "exited"))]
    known = {"name": fitting("name"), "state": fitting("state")}
    assert chosen(rows, [("name", "a"), ("state", "run*")], known) == rows[:1]
    assert chosen(rows, [("name", "a"), ("name", "b")], known) == rows
    with pytest.raises(UsageError, match="--filter colour: nothing to filter by; expected name, state"):
        chosen(rows, [("colour", "red")], known)


def test_a_broken_template_is_told_where_there_is_no_row_too() -> None:
    for template in ("{{.Nme", "{{nme}}"):
        with pytest.raises(UsageError):
            formatted(template, [])
    assert formatted('{"a": {"b": {{json .Name}}}}', [ROW]) == ['{"a": {"b": "hello"}}']


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("images", "--filter", "dangling=maybe"), "--filter dangling=maybe: no such value; expected true, 1, false, 0"),
        (("ps", "--filter", "state=bogus"), "--filter state=bogus: no such value; expected running, exited, unknown"),
        (("ps", "--filter", "status=x*"), "--filter status=x*: no such value"),
        (("ps", "--format", "{{.Nme"), "a {{ without }}"),
        (("rmi",), "agent rmi: say which IMAGE"),
        (("build", "--platform", "windows/amd64"), "no image is made for windows/amd64; expected linux/ and one of 386, amd64"),
        (("build", "--platform", "linux/amd64,linux/bogus"), "no image is made for linux/bogus"),
        (("build", "--platform", "linux/aarch64"), "riscv64, s390x; did you mean 'linux/arm64'?"),
        (("run", "hello", "--env-file", "none"), "--env-file none: no such file"),
        (("ps", "--platform", "linux/amd64"), "unknown flag --platform"),
        (("stats", "--platform", "linux/amd64"), "unknown flag --platform"),
    ],
)
def test_what_can_have_no_effect_is_refused(stage: Stage, words: tuple[str, ...], message: str) -> None:
    said = stage(*words)
    assert (said.code, said.out, said.err.count("\n")) == (3, "", 1), said
    assert message in said.err


def test_keys_that_other_tools_have_are_known_and_the_examples_of_the_help_hold(stage: Stage) -> None:
    stage.images = {"hello": {"digest": DIGEST, "names": ["team/hello:1.0", "b:2"], "labels": {"a": "b"}}}
    stage.instances.listed = [{"name": "hello-run", "agent": "hello", "image": DIGEST, "state": "running", "url": "http://a"}]
    short = DIGEST[7:19]
    template = "{{.Repository}} {{.Tag}} {{.ID}} {{.Name}} {{len .Names}}"
    assert stage("images", "--format", template).out == f"team/hello 1.0 {short} team/hello:1.0 2\n"
    assert stage("ps", "--format", "{{.Names}} {{.Status}}").out == "hello-run running\n"
    for words in (("images",), ("inspect", "hello"), ("ps",)):
        example = re.search("what to print of each: '(.*?)'", " ".join(stage(words[0], "--help").out.split()))
        assert example is not None and stage(*words, "--format", example[1]).code == 0, example
    stage.images = {"hello": {"digest": DIGEST}}
    assert stage("images", "-a", "--format", "{{.Name}} {{.Repository}} {{.Tag}}").out == "<none> <none> <none>\n"


def test_a_table_template_has_heads_and_columns_and_table_alone_is_the_usual_one(stage: Stage) -> None:
    stage.images = {
        "hello": {"digest": DIGEST, "names": ["team/hello:1.0"], "content_digest": "c"},
        "hi": {"digest": DIGEST, "names": ["hi:1"], "content_digest": "d"},
    }
    stage.instances.listed = [{"name": "hello-run", "agent": "hello", "image": DIGEST, "state": "running", "url": "http://a"}]
    shown = stage("images", "--format", r"table {{.Repository}}\t{{upper .Tag}} {{json .ContentDigest}}\t{{.Labels.a.b}}").out
    assert shown == 'REPOSITORY  TAG CONTENT DIGEST  LABELS.A.B\nteam/hello  1.0 "c"\nhi          1 "d"\n'
    assert stage("ps", "--format", "table {{.Name}}\t{{.State}}").out == "NAME       STATE\nhello-run  running\n"
    assert stage("ps", "--format", "table {{.Name}}", "--filter", "name=none").out == "NAME\n"
    for command in ("images", "ps"):
        assert stage(command, "--format", "table").out == stage(command).out
        assert stage(command, "--format", "table", "-q").out == stage(command, "-q").out
    assert "no such key" in stage("ps", "--format", "table {{.Nmae}}").err


def test_that_nothing_fits_is_not_that_nothing_runs(stage: Stage) -> None:
    assert stage("ps", "--filter", "name=zzz").out == "nothing runs; `agent run AGENT` or `agent deploy` starts something\n"
    stage.instances.listed = [{"name": "hello-run", "agent": "hello", "image": DIGEST, "state": "unknown: gone away"}]
    assert stage("ps", "--filter", "name=zzz").out == "nothing that runs fits\n"
    assert stage("ps", "--filter", "state=unknown", "-q").out == "hello-run\n"


def test_images_are_filtered_and_formatted(stage: Stage) -> None:
    image = {"digest": DIGEST, "size": 5, "labels": {"team": "red"}}
    stage.images = {"hello": {**image, "names": ["hello:1.0"]}, "greeter": {**image, "digest": "sha256:" + "f" * 64}}
    assert stage("images", "-q").out == f"{DIGEST}\n"
    assert stage("images", "--filter", "name=hello", "--format", "{{.Agent}}").out == "hello\n"
    assert stage("images", "--filter", "dangling=true", "--format", "{{.Agent}}").out == "greeter\n"
    assert stage("images", "-a", "--filter", "label=team=red", "--format", "{{.Agent}}").out == "hello\ngreeter\n"
    assert stage("images", "--filter", "label=team=blue", "-q").out == ""
    assert stage("images", "--filter", f"digest={'f' * 8}", "--format", "{{.Agent}}").out == "greeter\n"
    assert "did you mean --filter?" in stage("images", "--filtre", "x=y").err


def test_an_image_that_something_runs_from_stays_unless_forced(stage: Stage) -> None:
    stage.images = {"hello": {"digest": DIGEST, "names": ["hello:1.0"]}}
    stage.instances.listed = [{"name": "hello-run", "agent": "hello", "image": DIGEST, "state": "running"}]
    said = stage("rmi", "hello")
    assert (said.code, stage.removed) == (1, [])
    assert said.err == "error: hello is what hello-run runs from\n  → `agent stop hello-run`, or say --force\n"
    assert stage("rmi", "-f", "hello").out == (
        "removed hello, 1.0 kB freed; what other images share stays\nremoved hello:1.0 from docker\n"
    )
    assert stage.removed == [("remove", "hello")]


def test_inspect_shows_what_is_in_the_image(stage: Stage) -> None:
    stage.images = {"hello": {"digest": DIGEST, "names": ["hello:1.0"], "layers": []}}
    assert stage("inspect", "hello", "--format", "{{.Digest}} {{.User}} {{json .Spec}}").out == (
        f'{DIGEST} 10001:10001 {{"name": "hello"}}\n'
    )
