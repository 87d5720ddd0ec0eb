"""The exact figures of a gate run's rows, on as many processors as there are: what has no noise needs no quiet.

Run as `python -m kernelgate.reading base`: a job comes in as one line of JSON, a line of JSON goes out for each row. It
comes before anything is measured, so that what Numba compiles on the way is found by the processes that measure.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from .pairing import Job, Row, arms, draw, own_channel, prepare
from .structure.kept import Kept
from .workers import results

ARMS = ("base", "head")
# What is read of a program that comes from JAX's cache on disk is not all exact.
COMPILING = {"JAX_ENABLE_COMPILATION_CACHE": "false"}


@dataclass(frozen=True)
class Side:
    """One arm: its interpreter and variables if they are not ours, and then nothing of it is kept on disk."""

    arm: str
    interpreter: str = sys.executable
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def ours(self) -> bool:
        return self.interpreter == sys.executable


def read_all(job: Job, sides: Mapping[str, Side], until: float = math.inf) -> Iterator[dict[str, Any]]:
    """`{"row": ..., "arm": ..., "figures": ...}` of each row and side as they come, those that are on disk first.

    `problem` takes the place of figures that cannot be had. What is not read at `until`, by the monotonic clock, has no
    line.
    """
    todo: list[tuple[Side, list[Row]]] = []
    keeps = {name: Kept(Path(job.folder) / job.packages[name][0], (job.seed, job.threads)) for name in sides}
    for name, side in sides.items():
        left = []
        for row in job.rows:
            kept = keeps[name].read(row.kernel, row.impl, str(row)) if side.ours else None
            if kept is None:
                left.append(row)
            else:
                yield {"row": str(row), "arm": name, "figures": kept}
        todo.append((side, left))
    by_name = {str(row): row for row in job.rows}
    chunks = [(side, replace(job, rows=rows)) for side, rows in _chunks(todo, job.threads)]
    for line in _at_once(chunks, job.threads, until):
        row = by_name[line["row"]]
        if "figures" in line and sides[line["arm"]].ours:
            keeps[line["arm"]].write(row.kernel, row.impl, str(row), line["figures"])
        yield line


def _chunks(todo: list[tuple[Side, list[Row]]], threads: int) -> list[tuple[Side, tuple[Row, ...]]]:
    """What each process reads: a kernel's rows, or where that would leave processors idle, an implementation's.

    All sides of the same rows follow each other: what is read of one side alone tells nothing, should time end.
    """
    for alike in (lambda row: row.kernel), (lambda row: (row.kernel, row.impl)):
        chunks = [
            (group, side, tuple(alike_rows))
            for side, rows in todo
            for group, alike_rows in groupby(sorted(rows, key=alike), key=alike)
        ]
        if len(chunks) >= threads:
            break
    return [(side, rows) for _, side, rows in sorted(chunks, key=itemgetter(0))]


def _at_once(chunks: list[tuple[Side, Job]], threads: int, until: float) -> Iterator[dict[str, Any]]:
    """The lines of so many chunks at a time, each as it comes: some rows take minutes."""
    lines: SimpleQueue[dict[str, Any] | Future[None]] = SimpleQueue()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for chunk in chunks:
                pool.submit(_read, *chunk, lines.put, until).add_done_callback(lines.put)
            left = len(chunks)
            while left:
                if isinstance(line := lines.get(), Future):
                    line.result()
                    left -= 1
                else:
                    yield line
        finally:
            pool.shutdown(cancel_futures=True)


def _read(side: Side, job: Job, tell: Callable[[dict[str, Any]], None], until: float) -> None:
    """All rows of the job, in another process after one has killed its own."""
    left = {str(row): row for row in job.rows}
    command, variables = (side.interpreter, "-m", "kernelgate.reading", side.arm), {**side.variables, **COMPILING}
    while left and time.monotonic() < until:
        for line in results(replace(job, rows=tuple(left.values())), command, variables, until):
            left.pop(line["row"])
            tell({"arm": side.arm, **line})


def main() -> None:
    channel = own_channel()
    job = Job.from_json(sys.stdin.readline())
    prepare(job)
    for row in job.rows:
        print(json.dumps({"begun": str(row)}), file=channel, flush=True)
        print(json.dumps({"row": str(row), **_figures(row, job, sys.argv[1])}), file=channel, flush=True)


def _figures(row: Row, job: Job, arm: str) -> dict[str, Any]:
    """The figures of a row; its listing without the name of its package, which is no difference."""
    from .structure import LISTING, figures

    inputs = draw(row, job)
    subject = arms(row, job.packages)[arm][0]
    try:
        placed = subject.place(inputs)
        found = figures(subject, placed, subject.bind(placed))
    except Exception as error:  # whatever somebody's code at some commit raises, or reading it: the gate tells
        return {"problem": f"{type(error).__name__}: {error}"}
    return {"figures": found | {LISTING: found.get(LISTING, "").replace(subject.folder.package, "kernels")}}


if __name__ == "__main__":
    main()
