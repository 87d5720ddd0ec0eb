"""Fresh processes as the gate sees them: what they find, how they die, and that they end in time."""

import json
import math
import sys
import threading
import time
from dataclasses import replace

import pytest
from false_clock import FalseClock
from gated_repository import SPEC

from kernelgate import workers
from kernelgate.pairing import Job, Row
from kernelgate.workers import results, results_apart

ROWS = tuple(Row("double", "kernel", f"numpy_{name}", "large", "f32", "cpu") for name in ("first", "second"))
JOB = Job("", {}, ROWS, seed=1, threads=1, seconds=0.0)
FIRST, SECOND = map(str, ROWS)


def worker(*steps):
    """A process that reads its job and takes steps: lines to print, or code to run."""
    lines = [f"print({json.dumps(step)!r}, flush=True)" if isinstance(step, dict) else step for step in steps]
    return (sys.executable, "-c", "\n".join(["import os, sys, time", "sys.stdin.readline()", *lines]))


def test_what_is_begun_is_no_result():
    found = list(results(JOB, worker({"begun": FIRST}, {"row": FIRST}, {"begun": SECOND}, {"row": SECOND})))
    assert found == [{"row": FIRST}, {"row": SECOND}]


@pytest.mark.parametrize("until", [math.inf, 1e9])
def test_a_row_that_kills_its_process_says_so(until):
    found = list(results(JOB, worker({"begun": FIRST}, {"row": FIRST}, {"begun": SECOND}, "os._exit(3)"), until=until))
    assert found == [{"row": FIRST}, {"row": SECOND, "problem": "the process died with exit status 3"}]


def test_a_process_that_dies_before_any_row_is_no_result():
    with pytest.raises(RuntimeError, match="ended with exit status 3 before any row"):
        list(results(JOB, worker("os._exit(3)")))
    larger_than_a_pipe, no_reader = (
        replace(JOB, folder="x" * 1_000_000),
        (sys.executable, "-c", "import os; os._exit(3)"),
    )
    with pytest.raises(RuntimeError, match="ended with exit status 3 before any row"):
        list(results(larger_than_a_pipe, no_reader))


def test_a_row_that_takes_too_long_is_given_up_and_what_was_found_before_is_not(monkeypatch):
    clock, due = FalseClock(), []

    class Timer(threading.Thread):
        def __init__(self, seconds, function):
            super().__init__()
            due.append((seconds, function))

        cancel = due.clear

    monkeypatch.setattr(workers, "time", clock)
    monkeypatch.setattr(workers.threading, "Timer", Timer)
    found = results(
        JOB, worker({"begun": FIRST}, {"row": FIRST}, {"begun": SECOND}, "time.sleep(5)", {"row": SECOND}), until=60.0
    )
    assert next(found) == {"row": FIRST}
    ((seconds, kill),) = due
    clock.sleep(seconds)
    kill()
    assert list(found) == []
    assert (clock.now, due) == (60.0, [])


def test_what_should_have_ended_ends_at_once():
    assert list(results(JOB, worker("time.sleep(5)", {"row": FIRST}), until=time.monotonic() - 1)) == []


def test_three_processes_end_in_time_too(tmp_path):
    for package in ("b", "h"):
        (tmp_path / package / "double").mkdir(parents=True)
        stuck = "import time\n\n\ndef double(x):\n    time.sleep(1)\n    return x\n"
        files = {"double/spec": SPEC, "double/reference": "", "double/numpy_first": stuck}
        for file, text in {"__init__": "", "double/__init__": "", **files}.items():
            (tmp_path / package / f"{file}.py").write_text(text)
    job = Job(str(tmp_path), {"base": ("b",), "control": ("b",), "head": ("h",)}, ROWS[:1], 1, 1, 0.0)
    assert list(results_apart(job, sys.executable, time.monotonic() + 0.5)) == []
