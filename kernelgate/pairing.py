"""One process of the gate: base, control and head of each row in slices that follow each other in random order.

Run as `python -m kernelgate.pairing`: a job comes in as one line of JSON, a line of JSON goes out for each row. What
differs between processes (hash seed, environment size, order of rows) is up to who starts them.
"""

from __future__ import annotations

import functools
import json
import math
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import chain, groupby
from statistics import median
from typing import Any, TextIO

from . import numba_cache, threads

# Rounds of every arm once, however slow the call; then until the median is known to STEADY, or the job's time is over.
LEAST_ROUNDS = 3
MOST_ROUNDS = 600
# A slowdown of 1 % is what one wants to see; between processes a row varies by 0.3 to 2 % anyway.
STEADY = 0.003
LEAST_STEADY_ROUNDS = 12
# Slices of the arms alternate: a machine that is shared changes within 2 ms. Medians of 0.3 s in slices scattered by
# 0.02 to 0.14 %, in blocks of 2 ms by 0.15 to 0.85 % (NumPy and Numba rows of 6 to 90 us); JAX by 0.3 to 1.3 and 0.7
# to 1.9 %.
SLICE_SECONDS = 0.0001
# In a round, of each arm; fewer where one call takes longer than a slice.
SLICES = 5
WARM_SECONDS = 0.002
# Where each arm's own arrays lie moves a row by 1 to 2 %: what writes to them lies elsewhere so many times a process.
PLACEMENTS = 5
# What is set beside the base.
JUDGED = ("head", "control")


@dataclass(frozen=True)
class Row:
    """One benchmark by the names in its test id."""

    kernel: str
    operation: str
    impl: str
    case: str
    dtype: str
    device: str

    def __str__(self) -> str:
        parts = (self.kernel, self.impl, self.case, self.dtype, self.device)
        return "-".join(parts) if self.operation == "kernel" else f"{self.operation}:{'-'.join(parts)}"


@dataclass(frozen=True)
class Job:
    """What one process measures: rows, the packages of each arm in `folder`, and the seed of its inputs and orders.

    `seconds` is the time for the blocks of a row.
    """

    folder: str
    packages: Mapping[str, tuple[str, ...]]
    rows: tuple[Row, ...]
    seed: int
    threads: int
    seconds: float

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        fields = json.loads(text)
        return cls(**fields | {"rows": tuple(Row(**row) for row in fields["rows"])})


def main() -> None:
    channel = own_channel()
    job = Job.from_json(sys.stdin.readline())
    prepare(job)
    for group in in_order(job):
        inputs = functools.cache(functools.partial(draw, group[0], job))
        for row in group:
            print(json.dumps({"begun": str(row)}), file=channel, flush=True)
            print(json.dumps({"row": str(row), **measure(row, job, inputs())}), file=channel, flush=True)


def own_channel() -> TextIO:
    """Standard output for results alone: whatever the measured code prints goes to standard error."""
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return channel


def prepare(job: Job) -> None:
    """Pin the threads, and make the packages importable."""
    threads.pin(job.threads)
    numba_cache.use()
    sys.path.insert(0, job.folder)


def in_order(job: Job) -> list[list[Row]]:
    """The rows in random order, but those of equal inputs side by side: drawing them takes longer than the blocks."""
    order = random.Random(job.seed)
    rows = order.sample(sorted(job.rows, key=str), len(job.rows))
    groups = [list(group) for _, group in groupby(sorted(rows, key=drawn_alike), key=drawn_alike)]
    return order.sample(groups, len(groups))


def drawn_alike(row: Row) -> tuple[str, ...]:
    """What rows of equal inputs have in common."""
    return row.kernel, row.operation, row.case, row.dtype


def draw(row: Row, job: Job) -> tuple[Any, ...]:
    """The inputs of a row, by head's contract, each array on a cache line of its own."""
    import numpy as np

    from .arrays import aligned, map_arrays
    from .kernel import DTYPES

    kernel = _contract(job.packages["head"][0], row.kernel).operations[row.operation]
    inputs = kernel.inputs(np.random.default_rng(job.seed), DTYPES[row.dtype], **kernel.dims(row.case))
    drawn: tuple[Any, ...] = map_arrays(aligned, inputs)
    return drawn


@functools.cache
def _contract(package: str, kernel: str) -> Any:
    from .kernel import discover

    return discover(package)[kernel]


def measure(row: Row, job: Job, inputs: tuple[Any, ...]) -> dict[str, Any]:
    """The log-ratios of every round, head and control against base; or `problem`, why the row cannot be compared."""
    subjects = [(arm, copy) for arm, copies in arms(row, job.packages).items() for copy in copies]
    order = random.Random(job.seed)
    # What is laid out or bound first may lie in better memory.
    order.shuffle(subjects)
    first = subjects[0][1]
    placements = PLACEMENTS if first.kernel.mutates else 1
    try:
        prepared = prepared_alike(subjects, first.place(inputs))
        # All are bound before any is measured: memory that is given back is where the next one would lie.
        placed = [bound(order.sample(prepared, len(prepared))) for _ in range(placements)]
    except Incomparable as reason:
        return {"problem": str(reason)}
    parts = [interleave(calls, order, job.seconds / placements) for calls in placed]
    ratios = {arm: list(chain.from_iterable(part[arm] for part in parts)) for arm in JUDGED}
    return {"base_seconds": median(part["base_seconds"] for part in parts), **ratios}


def prepared_alike(subjects: Sequence[tuple[str, Any]], placed: tuple[Any, ...]) -> list[tuple[str, Any, Any]]:
    """Each arm and copy with its arguments; weights that all have made alike are the same arrays for all."""
    from .arrays import shared

    prepared: list[tuple[Any, ...]] = []
    for arm, copy in subjects:
        with blamed(arm):
            prepared.append(copy.prepared_to_time(placed))
    return [(arm, copy, arguments) for (arm, copy), arguments in zip(subjects, shared(prepared), strict=True)]


def bound(prepared: Sequence[tuple[str, Any, Any]]) -> dict[str, list[Callable[[], Any]]]:
    """The calls of each arm, called once; what they write to is each one's own."""
    calls: dict[str, list[Callable[[], Any]]] = {arm: [] for arm, _, _ in prepared}
    for arm, copy, arguments in prepared:
        with blamed(arm):
            calls[arm].append(copy.bind_prepared(arguments))
            calls[arm][-1]()
    return calls


class Incomparable(Exception):
    """Why a row cannot be measured."""


@contextmanager
def blamed(arm: str) -> Iterator[None]:
    """Incomparable, with the arm's name, for whatever somebody's code at some commit raises within."""
    try:
        yield
    except Exception as error:
        raise Incomparable(f"{arm}: {type(error).__name__}: {error}") from None


def arms(row: Row, packages: Mapping[str, tuple[str, ...]]) -> dict[str, list[Any]]:
    """The subjects of each arm: its own implementation under head's contract, so that all get the same inputs.

    Where a contract binds, as that of a model with its loop over tokens, each arm is bound by its own.
    """
    from .kernel import Folder
    from .subject import Subject

    contract = _contract(packages["head"][0], row.kernel)
    kernel = contract.operations[row.operation]

    def operations(package: str) -> dict[str, Any]:
        own = kernel if kernel.bind is None else replace(kernel, bind=functools.partial(_own_bind, package, row))
        return {row.operation: own}

    return {
        arm: [
            Subject(
                Folder(name, row.kernel, operations(name), contract.implementations),
                row.operation,
                row.impl,
                row.dtype,
                row.device,
            )
            for name in names
        ]
        for arm, names in packages.items()
    }


def _own_bind(package: str, row: Row, module: Any, *arguments: Any) -> Callable[[], Any]:
    from .kernel import operations_of

    bind = operations_of(package, row.kernel)[row.operation].bind
    if bind is None:
        raise TypeError(f"{package}/{row.kernel}/spec.py binds no {row.operation}: expected bind, as head has it")
    return bind(module, *arguments)


def interleave(calls: Mapping[str, list[Callable[[], Any]]], order: random.Random, limit: float) -> dict[str, Any]:
    """Slices of the arms in random order, round by round, each slice on one of the copies of its arm."""
    from .timing import calls_in_a_block, seconds, warm_up

    first = calls["base"][0]
    iterations = calls_in_a_block(first, SLICE_SECONDS)
    # Where one call makes a block, the first call has warmed up what a second would.
    for call in (call for copies in calls.values() for call in copies if iterations > 1):
        warm_up(call, WARM_SECONDS)

    def took(arm: str) -> float:
        return seconds(order.choice(calls[arm]), iterations) / iterations

    slices = round(SLICES * SLICE_SECONDS / (iterations * took("base")))
    return rounds(took, sorted(calls), order, limit, min(max(slices, 1), SLICES))


def rounds(
    took: Callable[[str], float], arms: Sequence[str], order: random.Random, limit: float, slices: int = 1
) -> dict[str, Any]:
    """The rounds of a row, for about `limit` seconds at most; `took` gives the seconds of a call in a slice of an arm.

    A round is the median of its slices. When to stop depends on how far the ratios scatter and not on what they are,
    which leaves the median as it is.
    """
    ratios: dict[str, list[float]] = {arm: [] for arm in JUDGED}
    base: list[float] = []
    start = time.perf_counter()
    while len(base) < LEAST_ROUNDS or (
        len(base) < MOST_ROUNDS and time.perf_counter() - start < limit and not all(map(steady, ratios.values()))
    ):
        found = [{arm: took(arm) for arm in order.sample(arms, len(arms))} for _ in range(slices)]
        base.append(median(seconds["base"] for seconds in found))
        for arm in ratios:
            # In as many digits as a clock has, for the journal's sake.
            ratios[arm].append(round(median(math.log(seconds[arm] / seconds["base"]) for seconds in found), 6))
    return {"base_seconds": median(base), **ratios}


def steady(ratios: Sequence[float]) -> bool:
    """Whether the standard error of the median is below STEADY: 1.25 deviations over the root of the number of rounds.

    The deviation is that of a normal distribution with these quartiles, which are 1.35 deviations apart.
    """
    count = len(ratios)
    if count < LEAST_STEADY_ROUNDS:
        return False
    ordered = sorted(ratios)
    quartiles = ordered[3 * count // 4] - ordered[count // 4]
    return 1.25 * quartiles / 1.35 / math.sqrt(count) < STEADY


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    # To take down Numba and JAX takes 0.3 s, of the 2 s of a process that measures one row.
    os._exit(0)
