"""Rounds of blocks in random order, and what comes of them: times, and ratios of neighbours in time."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..timing import calls_in_a_block, seconds, warm_up

LEAST_ROUNDS, MOST_ROUNDS = 5, 200
# As a text is generated, calls follow each other: they find their own threads awake, and in the caches what fits there.
BLOCK_SECONDS = 0.1
# Of the bandwidth probe, which takes as long as many blocks, one in so many rounds.
PROBED = 8

# How long others' threads may go on, how long one looks whether they do, and how much of it counts as rest.
LONGEST_WAIT, LOOK, RESTING = 0.5, 0.004, 0.1

Call = Callable[[], object]


def interleaved(
    calls: Mapping[str, Call], order: random.Random, limit: float, probe: Callable[[], float] | None = None
) -> tuple[dict[str, list[float]], list[float]]:
    """Seconds a call of each row in every round, for about `limit` seconds; and what `probe` gave between rounds.

    Neighbours in time share the machine's mood, which separate measurements do not.
    """
    iterations = {}
    for row, call in calls.items():
        warm_up(call)
        iterations[row] = calls_in_a_block(call, BLOCK_SECONDS)
    took: dict[str, list[float]] = {row: [] for row in calls}
    probed: list[float] = []
    rows, spent, count = sorted(calls), 0.0, 0
    while count < LEAST_ROUNDS or (count < MOST_ROUNDS and spent < limit):
        if probe is not None and count % PROBED == 0:
            probed.append(probe())
        start = time.perf_counter()
        for row in order.sample(rows, len(rows)):
            at_rest()
            warm_up(calls[row], BLOCK_SECONDS / 4)
            took[row].append(seconds(calls[row], iterations[row]) / iterations[row])
        spent += time.perf_counter() - start
        count += 1
    return took, probed


def at_rest() -> None:
    """Wait until no thread of this process computes.

    Idle workers spin in case there is more to do, those of llama.cpp for tens of milliseconds: beside them, on a
    processor for each thread, the next row would be measured at half its speed.
    """
    end = time.perf_counter() + LONGEST_WAIT
    while time.perf_counter() < end:
        before, start = time.process_time(), time.perf_counter()
        time.sleep(LOOK)
        if time.process_time() - before < RESTING * (time.perf_counter() - start):
            return


def log_ratio(took: Mapping[str, Sequence[float]], row: str, other: str) -> float:
    """Logarithm of how many times faster `row` is than `other`: the median over the rounds."""
    return statistics.median(math.log(b / a) for a, b in zip(took[row], took[other], strict=True))


def summary(
    took: Mapping[str, Sequence[float]], llamacpp: Sequence[str], transformers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """For each row its median seconds, and the log-ratios to llama.cpp and to the quickest row of transformers."""
    medians = {row: statistics.median(times) for row, times in took.items()}
    found: dict[str, dict[str, Any]] = {row: {"seconds": median} for row, median in medians.items()}
    for key, others in (("llamacpp", llamacpp), ("transformers", transformers)):
        if others:
            best = min(others, key=medians.__getitem__)
            for row, figures in found.items():
                figures[key] = log_ratio(took, row, best)
    return found


def merged(processes: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Rows of several processes as one: medians of figures, and ratios as the geometric mean over the processes.

    A row that failed in one of them has failed: it carries its `problem` and no figures.
    """
    rows = list(dict.fromkeys(row for process in processes for row in process))
    return {row: _merged([process[row] for process in processes if row in process]) for row in rows}


def add_rates(row: dict[str, Any], tokens: int, read: float, bandwidth: float | None) -> None:
    """What follows from the seconds of a call: tokens a second, and for a step its share of the bandwidth."""
    if "seconds" in row:
        row["tokens_per_second"] = tokens / row["seconds"]
        if bandwidth is not None:
            row["bytes_per_second"] = read / row["seconds"]
            row["of_bandwidth"] = row["bytes_per_second"] / bandwidth


def _merged(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    problems = [row["problem"] for row in rows if "problem" in row]
    if problems:
        return {"problem": problems[0]}
    result: dict[str, Any] = {"processes": len(rows)}
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row[key] for row in rows if row.get(key) is not None]
        if not values:
            result[key] = None
        elif key in ("llamacpp", "transformers"):
            result[key] = math.exp(statistics.fmean(values))
            result[f"{key}_range"] = [math.exp(min(values)), math.exp(max(values))]
        else:
            result[key] = statistics.median(values)
    return result
