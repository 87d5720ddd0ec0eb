"""What the gate's own proof came to: one table, and what of it falls short."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

WIDTHS = (36, 40, 22)
HEADINGS = ("what", "gate", "stock median:5%", "a gate run")


def table(results: Mapping[str, Any]) -> list[str]:
    """A line for each kind of run: false alarms, then slowdowns by size, then structural plants by name."""
    rows = [HEADINGS, *_identical(results), *_slowdowns(results), *_structural(results)]
    widths = (*WIDTHS, 0)
    return ["".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def faults(results: Mapping[str, Any], wanted: Mapping[float, float]) -> list[str]:
    """What falls short, a sentence each; `wanted` is the share of rows in which a slowdown of a size must be found."""
    if not any(results[kind] for kind in ("identical", "slowdowns", "structural")):
        return ["nothing was run"]
    return [*_false_alarms(results), *_too_few_found(results, wanted), *_missed(results)]


def _false_alarms(results: Mapping[str, Any]) -> Iterator[str]:
    for number, run in enumerate(results["identical"], 1):
        if failed := run["verdicts"].get("FAIL"):
            yield f"identical code, run {number}: {failed} rows failed"


def _too_few_found(results: Mapping[str, Any], wanted: Mapping[float, float]) -> Iterator[str]:
    for size, share in wanted.items():
        found = _hits(results, size)
        if found and sum(found) < share * len(found):
            yield f"{size:.0%} slower: found in {sum(found)} of {len(found)} rows, expected {share:.0%}"


def _missed(results: Mapping[str, Any]) -> Iterator[str]:
    for plant in results["structural"]:
        if not plant["found"]:
            yield f"{plant['plant']}: not found in {plant['row']}: {plant['reason']}"
        elif not plant["named"]:
            yield f"{plant['plant']}: found and not named: {plant['reason'] or 'no reason'}"


def _hits(results: Mapping[str, Any], size: float) -> list[bool]:
    return [hit for run in results["slowdowns"] if run["size"] == size for hit in run["found"].values()]


def _identical(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for noisy in (False, True):
        runs = [run for run in results["identical"] if run["noisy"] is noisy]
        if runs:
            red = sum("FAIL" in run["verdicts"] for run in runs)
            rows = sum(sum(run["verdicts"].values()) for run in runs)
            alarms = sum(run["control_alarms"] for run in runs)
            stock = results["stock_identical"] if not noisy else []
            yield (
                f"identical, {'two busy neighbours' if noisy else 'quiet'}",
                f"{red} of {len(runs)} runs red ({rows} rows, {alarms} control)",
                f"{sum(stock)} of {len(stock)} runs red" if stock else "",
                _mean_seconds(runs),
            )


def _slowdowns(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for size in dict.fromkeys(run["size"] for run in results["slowdowns"]):
        runs = [run for run in results["slowdowns"] if run["size"] == size]
        found = _hits(results, size)
        red = sum(run["stock_red"] for run in runs)
        yield (
            f"{size:.0%} slower",
            f"{sum(found)} of {len(found)} rows found",
            f"{red} of {len(runs)} runs red",
            _mean_seconds(runs),
        )


def _structural(results: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for plant in results["structural"]:
        gate = "found and named" if plant["found"] and plant["named"] else "found" if plant["found"] else "NOT FOUND"
        yield plant["plant"], gate, "red" if plant["stock_red"] else "green", f"{plant['seconds']:.0f} s"


def _mean_seconds(runs: list[Mapping[str, Any]]) -> str:
    return f"{sum(run['seconds'] for run in runs) / len(runs):.0f} s"
