"""The figures of a run as text: a word beside each test, and a table a group of the same work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

HEADINGS = (
    "implementation",
    "median",
    "x reference",
    "x library",
    "GFLOP/s",
    "GB/s",
    "of limit",
    "call",
    "error",
    "first call",
)
WIDTHS = (28, 11, 12, 10, 9, 8, 9, 9, 10, 11)


def duration(seconds: float) -> str:
    """Seconds with three digits and a unit, as `12.3 us`."""
    for unit, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)):
        if seconds * factor < 999.5:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds:.3g} s"


def ratio(value: float) -> str:
    return f"{value:.2f}" if value < 1000 else f"{value:.1e}"


def brief(facts: Mapping[str, Any]) -> str:
    """One benchmark in a few words."""
    return f"{duration(facts['median'])}, {facts['speedup_over_reference']:.3g} x, {facts['limit_share']:.0%} of limit"


def rows(results: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The lines of the table: groups by name, and in each the fastest first."""
    ordered = sorted(results, key=lambda facts: (facts["group"], facts["median"]))
    yield _line(HEADINGS)
    for group, members in groupby(ordered, key=lambda facts: facts["group"]):
        yield group
        for facts in members:
            yield _line(_cells(facts))


def _cells(facts: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        f"  {facts['impl']}",
        duration(facts["median"]),
        ratio(facts["speedup_over_reference"]),
        ratio(facts["speedup_over_library"]) if "speedup_over_library" in facts else "",
        f"{facts['gflops']:.1f}" if facts["flops"] else "",
        f"{facts['gbps']:.3g}",
        f"{facts['limit_share']:.0%}",
        duration(facts["call_s"]) if "call_s" in facts else "",
        f"{facts['error_ulps']:.2g} ulp",
        duration(facts["first_call_s"]),
    )


def _line(cells: tuple[str, ...]) -> str:
    first, *others = (f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return f"{cells[0]:<{len(first)}}" + "".join(others)
