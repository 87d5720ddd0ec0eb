"""Fresh processes that measure, as seen by the gate that starts them."""

from __future__ import annotations

import json
import math
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from . import jax_programs
from .against import ARMS
from .environments import paths
from .pairing import Job, Row, in_order, rounds

MEASURING = (sys.executable, "-m", "kernelgate.pairing")


def results(
    job: Job,
    command: Sequence[str] = MEASURING,
    variables: Mapping[str, str] | None = None,
    until: float = math.inf,
) -> Iterator[dict[str, Any]]:
    """A line for each row of the job as it comes, out of one fresh process; of a row that kills it, that it does.

    At `until`, by the monotonic clock, the process is killed, and the row that it is at has no line.
    """
    surrounded = {**os.environ, **(surroundings(job) if variables is None else variables)}
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=surrounded, text=True) as worker,
        _killed_at(until, worker),
    ):
        assert worker.stdin is not None and worker.stdout is not None
        with suppress(BrokenPipeError):  # what has ended says so below
            worker.stdin.write(job.to_json() + "\n")
            worker.stdin.close()
        begun = ""
        try:
            for text in worker.stdout:
                line = json.loads(text)
                begun = line.pop("begun", "")
                if not begun:
                    yield line
        except GeneratorExit:
            worker.kill()
            raise
    if worker.returncode and time.monotonic() < until:
        if not begun:
            raise RuntimeError(f"{' '.join(command[1:])} ended with exit status {worker.returncode} before any row")
        yield {"row": begun, "problem": f"the process died with exit status {worker.returncode}"}


def results_apart(job: Job, base_interpreter: str, until: float = math.inf) -> Iterator[dict[str, Any]]:
    """As `results`, out of three fresh processes: base and control in another environment than head."""
    elsewhere = paths(base_interpreter, Path(job.folder))
    starts = {
        "base": (base_interpreter, elsewhere),
        "control": (base_interpreter, elsewhere),
        "head": (sys.executable, {}),
    }
    order = random.Random(job.seed)
    with ExitStack() as stack:
        processes = {arm: stack.enter_context(Remote(arm, job, *starts[arm])) for arm in order.sample(ARMS, len(ARMS))}
        stack.enter_context(_killed_at(until, *(remote.process for remote in processes.values())))
        for row in (row for group in in_order(job) for row in group):
            try:
                yield {"row": str(row), **_row_apart(row, job, processes, order)}
            except Died as death:
                if time.monotonic() < until:
                    yield {"row": str(row), "problem": f"{death}"}
                return


@contextmanager
def _killed_at(until: float, *workers: subprocess.Popen[str]) -> Iterator[None]:
    """Kill what still runs then, in the middle of a row: one of a model takes up to two minutes."""

    def kill() -> None:
        for worker in workers:
            worker.kill()

    timer = threading.Timer(min(max(until - time.monotonic(), 0.0), threading.TIMEOUT_MAX), kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _row_apart(row: Row, job: Job, processes: Mapping[str, Remote], order: random.Random) -> dict[str, Any]:
    for arm in order.sample(ARMS, len(ARMS)):
        if problem := processes[arm].ask(bind=asdict(row)):
            return problem
    calls = {arm: processes[arm].ask(warm=True)["calls"] for arm in ARMS}["base"]

    def block(arm: str) -> float:
        return float(processes[arm].ask(calls=calls)["seconds"])

    return rounds(block, ARMS, order, job.seconds)


class Died(Exception):
    """A process that ended before it answered."""


class Remote:
    """One arm's process, while within it; killed if what is done within fails."""

    def __init__(self, arm: str, job: Job, interpreter: str, variables: Mapping[str, str]) -> None:
        self.arm, self.job = arm, job
        self.process = subprocess.Popen(
            [interpreter, "-m", "kernelgate.arm", arm],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **surroundings(job), **variables},
            text=True,
        )

    def __enter__(self) -> Remote:
        self._write(self.job.to_json())
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is not None:
            self.process.kill()
        with suppress(BrokenPipeError):
            self.process.communicate()

    def ask(self, **what: Any) -> dict[str, Any]:
        """The answer to one line; Died if there is none."""
        self._write(json.dumps(what))
        assert self.process.stdout is not None
        answer = self.process.stdout.readline()
        if not answer:
            # Head's death is head's fault, and so is told in the words that make it one.
            whose = "the process" if self.arm == "head" else f"{self.arm}: the process"
            raise Died(f"{whose} died with exit status {self.process.wait()}")
        found: dict[str, Any] = json.loads(answer)
        return found

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):  # what has died has no answer either
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()


def surroundings(job: Job) -> Mapping[str, str]:
    """The environment of a process: another hash seed and size for each, and JAX's compiled programs shared by all."""
    own = os.environ.get(jax_programs.SWITCH) == "off"
    return {
        jax_programs.FOLDER: str(Path(job.folder) / "jax-programs" if own else jax_programs.folder()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "PYTHONHASHSEED": str(job.seed),
        "KERNELGATE_PADDING": "x" * (job.seed * 37 % 1024),
    }
