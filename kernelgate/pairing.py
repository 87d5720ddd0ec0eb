"""One process of the gate: base, control and head of each row in blocks that follow each other in random order.

Run as `python -m kernelgate.pairing`: a job comes in as one line of JSON, a line of JSON goes out for each row. What
differs between processes (hash seed, environment size, order of rows) is up to who starts them.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import numba_cache, threads

ROUNDS = 30
# A round of every arm once, however slow the call, and no longer than this for all rounds of a row.
ROW_SECONDS = 2.0
LEAST_ROUNDS = 5
WARM_SECONDS = 0.01


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

    `structure` names the rows whose exact figures are wanted too.
    """

    folder: str
    packages: Mapping[str, tuple[str, ...]]
    rows: tuple[Row, ...]
    seed: int
    threads: int
    structure: tuple[str, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        fields = json.loads(text)
        return cls(**fields | {"rows": tuple(Row(**row) for row in fields["rows"])})


def main() -> None:
    job = Job.from_json(sys.stdin.readline())
    threads.pin(job.threads)
    numba_cache.separate(Path(job.folder))
    sys.path.insert(0, job.folder)
    rows = list(job.rows)
    random.Random(job.seed).shuffle(rows)
    for row in rows:
        print(json.dumps({"begun": str(row)}), flush=True)
        print(json.dumps({"row": str(row), **measure(row, job)}), flush=True)


def measure(row: Row, job: Job) -> dict[str, Any]:
    """The log-ratios of every round, head and control against base; or `problem`, why the row cannot be compared."""
    import numpy as np

    from .arrays import aligned, map_arrays
    from .kernel import DTYPES

    subjects = arms(row, job.packages)
    head = subjects["head"][0]
    cases = {**head.kernel.cases, **head.kernel.heavy}
    inputs = head.kernel.inputs(np.random.default_rng(job.seed), DTYPES[row.dtype], **cases[row.case])
    placed = head.place(map_arrays(aligned, inputs))
    order = random.Random(job.seed)
    calls: dict[str, list[Callable[[], Any]]] = {}
    # In random order, since what is bound first may lie in better memory.
    for arm in order.sample(sorted(subjects), len(subjects)):
        try:
            calls[arm] = [copy.bind(placed) for copy in subjects[arm]]
            for call in calls[arm]:
                call()
        except Exception as error:  # whatever somebody's code at some commit raises, it is that row's result
            return {"problem": f"{arm}: {type(error).__name__}: {error}"}
    exact = structure(subjects, placed, calls) if str(row) in job.structure else {}
    return {**exact, **interleave(calls, order)}


def structure(
    subjects: Mapping[str, list[Any]],
    placed: tuple[Any, ...],
    calls: Mapping[str, list[Callable[[], Any]]],
) -> dict[str, Any]:
    """The exact figures of base and head. Before the clock: reading them drops what JAX has compiled."""
    from .structure import figures

    return {"structure": {arm: figures(subjects[arm][0], placed, calls[arm][0]) for arm in ("base", "head")}}


def arms(row: Row, packages: Mapping[str, tuple[str, ...]]) -> dict[str, list[Any]]:
    """The subjects of each arm: its own implementation under head's contract, so that all get the same inputs."""
    from .kernel import Folder, discover
    from .subject import Subject

    contract = discover(packages["head"][0])[row.kernel]
    return {
        arm: [
            Subject(
                Folder(name, row.kernel, contract.operations, contract.implementations),
                row.operation,
                row.impl,
                row.dtype,
                row.device,
            )
            for name in names
        ]
        for arm, names in packages.items()
    }


def interleave(calls: Mapping[str, list[Callable[[], Any]]], order: random.Random) -> dict[str, Any]:
    """Blocks of the arms in random order, round by round, each round on one of the copies of each arm."""
    from .timing import calls_in_a_block, seconds, warm_up

    for copies in calls.values():
        for call in copies:
            warm_up(call, WARM_SECONDS)
    iterations = calls_in_a_block(calls["base"][0])
    ratios: dict[str, list[float]] = {"head": [], "control": []}
    base: list[float] = []
    start = time.perf_counter()
    while len(base) < ROUNDS and (len(base) < LEAST_ROUNDS or time.perf_counter() - start < ROW_SECONDS):
        took = {}
        for arm in order.sample(sorted(calls), len(calls)):
            call = order.choice(calls[arm])
            took[arm] = seconds(call, iterations) / iterations
        base.append(took["base"])
        for arm in ratios:
            ratios[arm].append(math.log(took[arm] / took["base"]))
    return {"base_seconds": sorted(base)[len(base) // 2], **ratios}


if __name__ == "__main__":
    main()
