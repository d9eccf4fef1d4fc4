"""A run is cancelled by a signal handler, which may interrupt its own thread anywhere."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

from aac_tasks.steps.interrupts import Cancellation

AT_EACH_LINE = """
import signal, sys, threading
from types import FrameType
from aac_tasks.steps import interrupts

WATCHED = (interrupts.__file__, threading.__file__)

def at_line(wanted):
    '''One wait in which SIGTERM comes before the line of that number; False when it has fewer.'''
    left = wanted

    def trace(frame, what, argument):
        nonlocal left
        if frame.f_code.co_filename not in WATCHED or frame.f_code.co_name == "interruptible":
            return None
        if what == "line":
            left -= 1
            if left == 0:
                signal.raise_signal(signal.SIGTERM)
        return trace

    cancelled = interrupts.Cancellation()
    try:
        with interrupts.interruptible(cancelled.set):
            sys.settrace(trace)
            try:
                cancelled.wait(0.001)
            finally:
                sys.settrace(None)
    except interrupts.Terminated:
        assert cancelled.is_set() and cancelled.wait()
        for number in interrupts.CODES:
            signal.signal(number, signal.SIG_DFL)
        return True
    assert not cancelled.is_set()
    return False

lines = 0
while at_line(lines + 1):
    lines += 1
print(lines)
"""


STUCK = """
import os, signal, sys, threading
from aac_tasks.steps import interrupts

interrupts.LATEST = 0.3
with interrupts.interruptible(lambda: None, lambda: os.write(1, b"killed")):
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
"""


def test_a_run_that_hangs_after_a_signal_is_ended_and_says_where_it_hung() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (143, "killed")
    assert done.stderr.startswith("error: it did not end within 0.3 s of the signal, so it is ended now; please report")
    assert 'File "<string>", line 12 in <module>' in done.stderr


def test_a_second_signal_ends_at_once_wherever_the_first_one_led() -> None:
    twice = STUCK.replace("0.3", "60").replace("lock = threading", "signal.raise_signal(signal.SIGINT); lock = threading")
    done = subprocess.run([sys.executable, "-c", twice], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "killed", "")


def test_a_signal_at_any_line_of_a_wait_cancels_the_run() -> None:
    done = subprocess.run([sys.executable, "-c", AT_EACH_LINE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 7


def test_whoever_waits_goes_on_when_it_is_set() -> None:
    cancelled = Cancellation()
    ended: list[bool] = []
    waiting = [threading.Thread(target=lambda: ended.append(cancelled.wait(60.0))) for _ in range(8)]
    began = time.monotonic()
    for thread in waiting:
        thread.start()
    cancelled.set()
    cancelled.set()
    for thread in waiting:
        thread.join()
    assert ended == [True] * 8
    assert time.monotonic() - began < 30.0


def test_a_wait_that_nobody_ends_takes_its_time_and_says_so() -> None:
    cancelled = Cancellation()
    began = time.monotonic()
    assert not cancelled.wait(0.05)
    assert not cancelled.wait(-1.0)
    assert time.monotonic() - began >= 0.05
    cancelled.set()
    assert cancelled.is_set() and cancelled.wait()
    cancelled.clear()
    assert not cancelled.is_set() and not cancelled.wait(0.0)
