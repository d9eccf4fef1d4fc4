"""What command lines mean, and what is said of those that mean nothing."""

from __future__ import annotations

import pytest
from cli.scene import Stage, agent_plan


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (("buidl",), "unknown command 'buidl'; did you mean `agent build`?"),
        (("up",), "unknown command 'up'; did you mean `agent deploy`?"),
        (("ls",), "unknown command 'ls'; did you mean `agent images`?"),
        (("qqqq",), "unknown command 'qqqq'; see `agent --help`"),
        (("--dry-run",), "--dry-run: a command is missing; see `agent --help`"),
        (("build", "--dryrun"), "agent build: unknown flag --dryrun; did you mean --dry-run?"),
        (("build", "--platfrom=linux/amd64"), "agent build: unknown flag --platfrom; did you mean --platform?"),
        (("build", "-X"), "agent build: unknown flag -X; see `agent build --help`"),
        (("build", "--plat", "linux/amd64"), "agent build: unknown flag --plat; did you mean --platform?"),
        (
            ("build", "-n", "0"),
            "agent build: argument -n/--jobs: '0' is not a number of 1 or more; see `agent build --help`",
        ),
        (
            ("build", "--platform", "amd64"),
            "agent build: argument --platform: 'amd64' is not a platform; expected os/architecture, as in linux/amd64; "
            "see `agent build --help`",
        ),
        (("build", "--profile"), "agent build: argument --profile: expected one argument; see `agent build --help`"),
        (("why",), "agent why: the following arguments are required: STEP; see `agent why --help`"),
        (("ps", "extra"), "agent ps: unexpected argument 'extra'; it takes no arguments"),
        (("build", "-C", "nowhere"), "-C nowhere: no such folder"),
        (("build", "helo"), "no agent 'helo' here; did you mean 'hello'? (there are: greeter, hello)"),
        (("build", "qq*"), "no agent 'qq*' here (there are: greeter, hello)"),
        (("why", "imge:hello"), "no step 'imge:hello' here; did you mean 'image:hello'?"),
        (("stop",), "agent stop: name what to stop, or say --all; `agent ps` lists what runs"),
        (("stop", "hello", "--all"), "agent stop: name what to stop, or say --all; `agent ps` lists what runs"),
        (("logs", "hello"), "nothing called 'hello' runs; `agent ps` lists what runs"),
        (("cache", "purge"), "agent cache: 'purge' is nothing it can do; expected stats, prune or verify"),
        (("inspect",), "inspect shows one image; name one of hello, greeter"),
        (("run", "*"), "agent run starts one agent; name one of hello, greeter"),
        (("run", "hello", "--json"), "agent run: --json goes with --detach, because a log is no JSON document"),
    ],
)
def test_a_wrong_command_line_is_answered_with_what_would_be_right(stage: Stage, argv: tuple[str, ...], message: str) -> None:
    said = stage(*argv)
    assert said.code == 3
    if "--json" in argv:
        assert said.json["error"] == {"type": "UsageError", "message": message, "exit": 3}
    else:
        assert (said.out, said.err) == ("", f"error: {message}\n")


@pytest.mark.parametrize(
    ("argv", "selection"),
    [
        (("build",), ("image",)),
        (("test",), ("test",)),
        (("push",), ("push",)),
        (("deploy",), ("deploy",)),
        (("lock",), ("lock",)),
        (("build", "greeter", "hello", "greeter"), ("image:greeter", "image:hello")),
        (("build", "gr*"), ("image:greeter",)),
        (("build", "."), ("image:hello", "image:greeter")),
        (("build", "agents/hello"), ("image:hello",)),
        (("build", "agents/hello/agent.yaml"), ("image:hello",)),
        (("build", "-k", "hello", "-n", "2", "greeter"), ("image:hello", "image:greeter")),
    ],
)
def test_words_choose_steps(stage: Stage, argv: tuple[str, ...], selection: tuple[str, ...]) -> None:
    said = stage(*argv)
    assert said.code == 0, said.err
    assert said.driven[0][0] == selection


def test_flags_reach_the_session_and_the_run(stage: Stage) -> None:
    said = stage(
        *("build", "--profile", "prod", "--platform", "linux/amd64", "--platform", "linux/arm64/v8", "--offline"),
        *("--locked", "--builder", "docker", "--runner", "crun", "--allow-host", "-n", "3", "-k", "--dry-run"),
    )
    options = said.options
    assert (options.profile, options.platforms) == ("prod", ("linux/amd64", "linux/arm64/v8"))
    assert (options.offline, options.locked, options.allow_host) == (True, True, True)
    assert (options.builder, options.runner) == ("docker", "crun")
    assert said.driven == [(("image",), {"jobs": 3, "keep_going": True, "dry_run": True})]


def test_the_folder_may_be_said_before_the_command(stage: Stage) -> None:
    (stage.folder / "sub").mkdir()
    for argv in (("-C", "sub", "build"), ("build", "-C", "sub"), ("--directory", "sub", "build")):
        assert stage(*argv).options.cwd == stage.folder / "sub"


def test_ci_locks_but_saying_lock_allows_the_change(stage: Stage) -> None:
    stage.environment["CI"] = "true"
    assert stage("build").options.locked
    said = stage("lock", "--update", "--builder", "podman")
    assert (said.options.locked, said.options.update, said.options.builder) == (False, True, "podman")


def test_a_bare_kind_will_do_where_there_is_one_agent(stage: Stage) -> None:
    stage.agents = (agent_plan("hello"),)
    stage.answers["image:hello"] = {"step": "image:hello", "fresh": True, "reason": "since 12:01"}
    for word in ("image", "image:hello", "hello:image"):
        assert stage("why", word).out == "image:hello: up to date (since 12:01)\n"
