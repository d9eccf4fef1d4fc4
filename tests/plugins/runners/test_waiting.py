"""The program that waits until it is told to become another: as it is, compiled here, and on an emulated arm64 processor."""

from __future__ import annotations

import platform
import re
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from aac_plugins.runners import waiting
from aac_plugins.runners.simple import sleeps
from aac_plugins.runners.waiting import GO, program
from aac_tasks.contracts.image import Platform
from aac_tasks.testing import need

SOURCE = Path(waiting.__file__).with_name("waiting.c")
PATHS = {"PATH": "/nowhere::/usr/bin:/bin"}


def compiled(folder: Path) -> Path:
    """The source, compiled as it says."""
    flags = re.search(r"gcc (.*?) waiting\.c", SOURCE.read_text().replace("\n *", " "), re.DOTALL)
    assert flags
    need(shutil.which("gcc"), "gcc is not installed")
    subprocess.run(["gcc", *flags[1].split(), SOURCE, "-o", folder / "wait"], check=True)
    return folder / "wait"


@pytest.fixture(params=["as it is", "compiled here"])
def wait(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    if request.param == "compiled here":
        place = compiled(tmp_path)
    else:
        place = tmp_path / "wait"
        place.write_bytes(program({"aarch64": "arm64"}.get(platform.machine(), "amd64")))
        place.chmod(0o755)

    def started(*words: str, env: Mapping[str, str] = PATHS) -> subprocess.Popen[str]:
        process = subprocess.Popen([place, *words], env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        while not sleeps(process.pid, "wait"):
            assert process.poll() is None
        return process

    return started


@pytest.fixture
def told(wait: Callable[..., subprocess.Popen[str]]) -> Callable[..., tuple[int, str]]:
    def tell(*words: str, number: int = GO, env: Mapping[str, str] = PATHS) -> tuple[int, str]:
        process = wait(*words, env=env)
        process.send_signal(number)
        said = process.communicate(timeout=20)[0]
        return process.returncode, said

    return tell


def test_it_becomes_what_its_arguments_say(told: Callable[..., tuple[int, str]]) -> None:
    show = 'echo "$0" "$1" "$PATH"; grep SigBlk /proc/self/status'
    assert told("sh", "-c", show, "zero", "with a space") == (
        0,
        "zero with a space /nowhere::/usr/bin:/bin\nSigBlk:\t0000000000000000\n",
    )
    assert told("/bin/sh", "-c", "exit 7", env={}) == (7, "")


@pytest.mark.parametrize(
    ("words", "env"),
    [
        (("no-such-program",), PATHS),
        (("usr/bin/env",), PATHS),
        (("sh",), {}),
        (("sh",), {"PATH": ""}),
        (("env",), {"PATH": "/" + "usr/" * 2000 + ":/nowhere"}),
        (("a" * 5000,), PATHS),
        ((), PATHS),
    ],
)
def test_what_is_not_there_ends_it_as_a_shell_would(
    told: Callable[..., tuple[int, str]], words: tuple[str, ...], env: Mapping[str, str]
) -> None:
    assert told(*words, env=env) == (127, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_asked_to(told: Callable[..., tuple[int, str]], number: int) -> None:
    assert told("sh", number=number) == (0, "")


def test_it_goes_on_to_wait_after_a_stop(wait: Callable[..., subprocess.Popen[str]]) -> None:
    process = wait("echo", "now")
    for number in (signal.SIGSTOP, signal.SIGCONT, signal.SIGCHLD):
        process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.2)
    process.send_signal(GO)
    assert process.communicate(timeout=20) == ("now\n", None)


def test_there_is_one_for_common_machines_and_none_for_others() -> None:
    assert waiting.runs_on(Platform("linux", "amd64"))
    assert waiting.runs_on(Platform("linux", "arm64", "v8"))
    assert not waiting.runs_on(Platform("linux", "riscv64"))


@dataclass
class Arm:
    """An arm64 processor with a little memory and no kernel: it tells each system call, and ``answers`` is what they return."""

    words: tuple[str, ...]
    env: tuple[str, ...]
    answers: Mapping[int, list[int]]
    calls: list[tuple[int, object]] = field(default_factory=list)

    TOP = 0x800000

    def run(self) -> list[tuple[int, object]]:
        """System calls until it ends: the number, and what was asked."""
        import unicorn
        from unicorn import arm64_const as arm

        image, start = program("arm64"), 0x400000
        (entry,) = struct.unpack_from("<Q", image, 24)
        machine = unicorn.Uc(unicorn.UC_ARCH_ARM64, unicorn.UC_MODE_ARM)
        machine.mem_map(start, 0x1000)
        machine.mem_write(start, image)
        machine.mem_map(self.TOP - 0x40000, 0x40000)
        self.registers = [arm.UC_ARM64_REG_X0, arm.UC_ARM64_REG_X1, arm.UC_ARM64_REG_X2]
        machine.reg_write(arm.UC_ARM64_REG_SP, self._stack(machine))
        machine.hook_add(unicorn.UC_HOOK_INTR, lambda uc, *_: self._call(uc, arm.UC_ARM64_REG_X8))
        machine.emu_start(entry, 0, count=1_000_000)
        return self.calls

    def _stack(self, machine: Any) -> int:
        """What a kernel gives a program: how many arguments, pointers to them and to the environment."""
        at, places = self.TOP - 0x20000, []
        for text in (*self.words, "", *self.env, ""):
            places.append(at if text else 0)
            machine.mem_write(at, text.encode() + b"\0")
            at += len(text) + 1
        stack = self.TOP - 0x30000
        machine.mem_write(stack, struct.pack(f"<{len(places) + 1}Q", len(self.words), *places))
        return stack

    def _call(self, machine: Any, which: int) -> None:
        number = machine.reg_read(which)
        first, second, third = (machine.reg_read(register) for register in self.registers)
        asked: object = first
        if number == EXECVE:
            asked = (self._text(machine, first), self._list(machine, second), self._list(machine, third))
        elif number == SIGPROCMASK:
            asked = (first, struct.unpack("<Q", machine.mem_read(second, 8))[0])
        self.calls.append((number, asked))
        answers = self.answers.get(number, [])
        machine.reg_write(self.registers[0], answers.pop(0) if answers else 0)
        if number == EXIT:
            machine.emu_stop()

    def _text(self, machine: Any, at: int) -> str:
        return bytes(machine.mem_read(at, 200)).partition(b"\0")[0].decode()

    def _list(self, machine: Any, at: int) -> list[str]:
        return list(self._texts(machine, at))

    def _texts(self, machine: Any, at: int) -> Iterator[str]:
        while place := struct.unpack("<Q", machine.mem_read(at, 8))[0]:
            yield self._text(machine, place)
            at += 8


EXIT, SIGPROCMASK, SIGTIMEDWAIT, EXECVE = 93, 135, 137, 221
"""Their numbers on arm64: https://github.com/torvalds/linux/blob/master/include/uapi/asm-generic/unistd.h."""

ENOENT, EINTR = -2, -4
HEARD = 1 << (GO - 1) | 1 << 14 | 1 << 1


def test_an_arm_processor_waits_and_becomes_it_too() -> None:
    env = ("WORD=x", "PATH=/one::/two:/three:")
    arm = Arm(("wait", "agent", "a b"), env, {SIGTIMEDWAIT: [EINTR, GO], EXECVE: [ENOENT, ENOENT, ENOENT]})
    become = [(EXECVE, (f"/{place}/agent", ["agent", "a b"], list(env))) for place in ("one", "two", "three")]
    assert [call for call in arm.run() if call[0] != SIGTIMEDWAIT] == [
        (SIGPROCMASK, (0, HEARD)),
        (SIGPROCMASK, (2, 0)),
        *become,
        (EXIT, 127),
    ]
    assert [number for number, _ in arm.calls].count(SIGTIMEDWAIT) == 2


def test_an_arm_processor_takes_a_path_as_it_is_and_ends_when_asked() -> None:
    arm = Arm(("wait", "/app/agent"), ("PATH=/one",), {SIGTIMEDWAIT: [GO], EXECVE: [ENOENT]})
    assert [asked for number, asked in arm.run() if number == EXECVE] == [("/app/agent", ["/app/agent"], ["PATH=/one"])]
    arm = Arm(("wait", "/app/agent"), ("PATH=/one",), {SIGTIMEDWAIT: [15]})
    assert arm.run()[-1] == (EXIT, 0)
    assert EXECVE not in [number for number, _ in arm.calls]
