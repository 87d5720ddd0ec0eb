"""What Numba has to compile for a gate run, compiled before anything is measured, as many at a time as there are cores.

Run as `python -m kernelgate.compiling`: a job comes in as one line of JSON. What is compiled stays in Numba's cache.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from . import numba_cache
from .kernel import BACKENDS, backend_of
from .pairing import Job, Row, arms, draw, own_channel, prepare

ARMS = ("base", "head")


def uncompiled(job: Job) -> list[Row]:
    """A row of each implementation and dtype whose machine code is not in the cache, of base or of head."""
    chosen = {
        (row.kernel, row.impl, row.dtype): row
        for row in reversed(job.rows)
        if "numba" in BACKENDS[backend_of(row.impl)].requires and not all(_holds(job, row, arm) for arm in ARMS)
    }
    return list(chosen.values())


def compiled(job: Job) -> Iterator[int]:
    """Compile for the rows of the job, each in a process of its own; gives how many are done, as they are."""
    with ThreadPoolExecutor(job.threads) as pool:
        started = [pool.submit(_compile, replace(job, rows=(row,))) for row in job.rows]
        try:
            for done, _ in enumerate(as_completed(started), 1):
                yield done
        finally:
            pool.shutdown(cancel_futures=True)


def _holds(job: Job, row: Row, arm: str) -> bool:
    package = Path(job.folder) / job.packages[arm][0]
    return numba_cache.holds(package, package / row.kernel / f"{row.impl}.py")


def _compile(job: Job) -> None:
    # What goes wrong here goes wrong again where the row is measured, and is told there.
    command = [sys.executable, "-m", "kernelgate.compiling"]
    subprocess.run(command, input=job.to_json() + "\n", text=True, capture_output=True, env=os.environ, check=False)


def _call(row: Row, job: Job, names: Sequence[str]) -> None:
    from .arrays import aligned, map_arrays

    inputs = map_arrays(aligned, draw(row, job))
    subjects = arms(row, job.packages)
    for name in names:
        with suppress(Exception):  # as above: this is the code of somebody's commit
            subject = subjects[name][0]
            subject.bind(subject.place(inputs))()


def main() -> None:
    own_channel()
    job = Job.from_json(sys.stdin.readline())
    prepare(job)
    for row in job.rows:
        _call(row, job, ARMS)


if __name__ == "__main__":
    main()
