"""The flags of `agent run`: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.scene import Stage

from aac_tasks.cli import run_flags as flags
from aac_tasks.contracts.actions import EnvValue, Isolation, Limits, Mount, PortMapping


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("8080", PortMapping(8080)),
        ("81:8080", PortMapping(8080, 81)),
        ("10.0.0.1:81:8080", PortMapping(8080, 81, address="10.0.0.1")),
        ("127.0.0.1::8080/udp", PortMapping(8080, 0, "udp", "127.0.0.1")),
        ("[::1]:81:8080", PortMapping(8080, 81, address="::1")),
    ],
)
def test_ports(text: str, port: PortMapping) -> None:
    assert flags.port(text) == port


@pytest.mark.parametrize("text", ["", "x", "81:", "0:8080", "99999", "1:2:3:4", "localhost:8080", "81:8080/sctp"])
def test_what_is_no_port(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        flags.port(text)


@pytest.mark.parametrize(
    ("read", "text", "mount"),
    [
        (flags.volume, "/a:/b", Mount("bind", "/b", "/a", anywhere=True)),
        (flags.volume, "./a:/b:ro", Mount("bind", "/b", str(Path("a").absolute()), True, anywhere=True)),
        (flags.volume, "kept:/b:rw", Mount("volume", "/b", "kept")),
        (flags.volume, "/b", Mount("volume", "/b")),
        (flags.mount, "type=bind,source=/a,target=/b,readonly", Mount("bind", "/b", "/a", True, anywhere=True)),
        (flags.mount, "type=tmpfs,dst=/b,tmpfs-size=64m", Mount("tmpfs", "/b", size=64 << 20)),
        (flags.mount, "src=kept,dst=/b", Mount("volume", "/b", "kept")),
        (flags.tmpfs, "/b:size=1Mi", Mount("tmpfs", "/b", size=1 << 20)),
        (flags.tmpfs, "/b", Mount("tmpfs", "/b")),
    ],
)
def test_mounts(read, text: str, mount: Mount) -> None:  # type: ignore[no-untyped-def]
    assert read(text) == mount


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (flags.volume, "a:b"),
        (flags.volume, "a:/b:rx"),
        (flags.mount, "type=nfs,target=/b"),
        (flags.mount, "type=bind,target=/b"),
        (flags.mount, "type=tmpfs,target=/b,colour=red"),
        (flags.tmpfs, "b"),
        (flags.restart, "sometimes"),
        (flags.gpus, "many"),
        (flags.variable, "1A=2"),
        (flags.label, "Upper"),
        (flags.memory, "much"),
    ],
)
def test_what_is_refused_says_what_would_be_right(read, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=r"expected|takes"):
        read(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NET_BIND_SERVICES", "Linux has no capability 'NET_BIND_SERVICES'; did you mean 'NET_BIND_SERVICE'?"),
        ("cap_sysadmin", "Linux has no capability 'cap_sysadmin'; did you mean 'SYS_ADMIN'?"),
        ("BOGUS", "Linux has no capability 'BOGUS'; capabilities(7) lists them"),
    ],
)
@pytest.mark.parametrize("flag", ["--cap-add", "--cap-drop"])
def test_a_capability_that_linux_does_not_have_is_refused(stage: Stage, flag: str, text: str, said: str) -> None:
    ran = stage("run", "hello", flag, text)
    assert ran.code == 3
    assert said in ran.err


def test_capabilities_are_known_as_engines_know_them() -> None:
    assert [flags.capability(text) for text in ("KILL", "cap_kill", "all")] == ["KILL", "KILL", "ALL"]


def test_everything_that_is_said_reaches_the_instance(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("# c\n\nFILED=a=b c\nALONE\n")
    words = ("-p", "81:8080", "-e", "A=1", "-e", "B", "--env-file", str(tmp_path / "vars"), "-v", "kept:/k", "--tmpfs", "/t")
    more = ("-m", "1Gi", "--cpus", "500m", "--gpus", "all", "--restart", "on-failure:3", "--read-only", "--cap-add", "KILL")
    rest = ("--cap-drop", "ALL", "--network", "host", "--dns", "9.9.9.9", "-u", "5:6", "--name", "second", "--", "-x", "y")
    assert stage("run", "hello", *words, *more, *rest).code == 0
    said, how = stage.instances.asked
    file = str(tmp_path / "vars")
    assert said.env == (EnvValue("FILED", file=file), EnvValue("ALONE", file=file), EnvValue("A", "1"), EnvValue("B", "${B}"))
    assert said.ports == (PortMapping(8080, 81),)
    assert said.mounts == (Mount("volume", "/k", "kept"), Mount("tmpfs", "/t"))
    assert said.limits == Limits(cpu=0.5, memory=1 << 30, gpu=-1)
    assert said.isolation == Isolation(True, ("KILL",), ("ALL",), "host", ("9.9.9.9",), "5:6")
    assert (said.name, said.restart, said.command) == ("second", "on-failure:3", ("-x", "y"))
    assert how == {"interactive": False, "terminal": False, "apart": True}


def test_0_is_no_limit_as_engines_have_it(stage: Stage) -> None:
    assert stage("run", "hello", "--cpus", "0", "-m", "0", "--gpus", "0").code == 0
    said, _ = stage.instances.asked
    assert (said.limits, said.lifted) == (Limits(), ("cpu", "memory", "gpu"))
    stage("run", "hello", "--cpus", "0m", "-m", "0Mi")
    assert stage.instances.asked[0].lifted == ("cpu", "memory")
    stage("run", "hello")
    assert stage.instances.asked[0].lifted == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cpus", "-1"), "argument --cpus: '-1' is not an amount of CPU; expected cores"),
        (("--cpus", "-1m"), "argument --cpus: '-1m' is not an amount of CPU; expected cores"),
        (("--cpus", "nan"), "argument --cpus: 'nan' is not an amount of CPU; expected cores"),
        (("-m", "-5m"), "argument -m/--memory: '-5m' is not an amount of memory; expected a number with a unit"),
        (("--memory", "-5Mi"), "argument -m/--memory: '-5Mi' is not an amount of memory; expected a number with a unit"),
        (("--memory", "lots"), "argument -m/--memory: 'lots' is not an amount of memory; expected a number with a unit"),
        (("--gpus", "-1"), "argument --gpus: '-1' is no number of GPUs; expected a number or all"),
    ],
)
def test_an_amount_that_is_none_is_told_in_one_line(stage: Stage, words: tuple[str, ...], message: str) -> None:
    said = stage("run", "hello", *words)
    assert (said.code, said.err.count("\n")) == (3, 1)
    assert message in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-t",), "agent run: --tty goes with --interactive"),
        (("-i", "-d"), "agent run: --interactive goes with the foreground; leave --detach out"),
        (("-it",), "agent run: --tty needs a terminal; leave it out to use --interactive with a pipe"),
        (("--env-file", "none"), "--env-file none: no such file"),
    ],
)
def test_what_does_not_go_together(stage: Stage, words: tuple[str, ...], message: str) -> None:
    said = stage("run", "hello", *words)
    assert said.code in (1, 3)
    assert message in said.err


def test_a_line_that_is_no_variable_is_named(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "vars").write_text("A=1\nno variable\n")
    assert "vars:2: 'no variable' is no name of a variable" in stage("run", "hello", "--env-file", str(tmp_path / "vars")).err
