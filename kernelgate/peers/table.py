"""The side-by-side table as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..table import duration

HEADINGS = ("row", "time", "tokens/s", "x llama.cpp", "x transformers", "error", "GB/s", "of probe")
WIDTHS = (34, 11, 11, 13, 16, 10, 8, 10)


def lines(document: Mapping[str, Any]) -> Iterator[str]:
    """All of it: a heading, the rows of each model, operation and format, and what could not run here."""
    yield heading()
    for group in document["groups"]:
        yield from of_group(group)
    for backend in document["absent"]:
        yield f"absent: {backend}"


def heading() -> str:
    return _line(HEADINGS)


def of_group(group: Mapping[str, Any]) -> Iterator[str]:
    """The rows of one model, operation and format, the quickest first."""
    probe = f", reading at {group['bandwidth'] / 1e9:.3g} GB/s" if group["bandwidth"] else ""
    yield f"{group['model']} {group['operation']} {group['weights']}{probe}"
    rows = group["rows"]
    if not any(row.get("error") for row in rows.values()):
        yield "  (without errors: a model of this size is not computed in float64)"
    for row in sorted(rows, key=lambda row: rows[row].get("seconds", float("inf"))):
        if "problem" in rows[row]:
            yield f"  {row:<{WIDTHS[0] - 2}} {rows[row]['problem']}"
        else:
            yield _line(_cells(row, rows[row]))


def _cells(row: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    error, rate = figures.get("error"), figures.get("bytes_per_second")
    return (
        f"  {row}",
        duration(figures["seconds"]),
        f"{figures['tokens_per_second']:.4g}",
        _ratio(figures, "llamacpp"),
        _ratio(figures, "transformers"),
        "" if error is None else f"{error:.2g}",
        "" if rate is None else f"{rate / 1e9:.3g}",
        "" if rate is None else f"{figures['of_bandwidth']:.0%}",
    )


def _ratio(figures: Mapping[str, Any], key: str) -> str:
    return f"{figures[key]:.2f}" if key in figures else "-"


def _line(cells: tuple[str, ...]) -> str:
    first, *others = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"{cells[0]:<{len(first)}}" + "".join(others)
