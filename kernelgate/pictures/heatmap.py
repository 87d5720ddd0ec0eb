"""Implementations beside each other: how many times as fast as the reference, for each kernel and case."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..table import duration
from .page import Figure, label, layout
from .runs import Result

ROW_HEIGHT, COLUMN_WIDTH = 27, 92
# The middle is the reference's own speed; slower is orange, faster is blue, which colour-blind eyes tell apart.
SCALE = [[0, "var(--slower)"], [0.5, "var(--even)"], [1, "var(--faster)"]]
# Beyond a factor of 16 the colour stays as it is: a slow reference must not make all other differences pale.
FURTHEST = 4.0


def figure(results: Sequence[Result]) -> Figure:
    """The heat map, a row for each kernel and case and a column for each implementation; empty where there is none."""
    measured = [result for result in results if result.figures.get("speedup_over_reference", 0.0) > 0.0]
    works = sorted({result.work for result in measured})
    impls = sorted({result.names["impl"] for result in measured}, key=lambda impl: (impl != "reference", impl))
    cells = {(result.work, result.names["impl"]): result for result in measured}
    grid = [[cells.get((work, impl)) for impl in impls] for work in works]
    logs = [[_log(result) for result in row] for row in grid]
    furthest = min(max((abs(log) for row in logs for log in row if log is not None), default=1.0), FURTHEST)
    furthest = max(1.0, furthest)
    ticks = range(-math.floor(furthest), math.floor(furthest) + 1)
    heat = {
        "type": "heatmap",
        "x": [label(impl) for impl in impls],
        "y": [label(work) for work in works],
        "z": logs,
        "text": [[_speedup(result) for result in row] for row in grid],
        "texttemplate": "%{text}",
        "textfont": {"color": "var(--text)"},
        "hovertext": [[_told(result) for result in row] for row in grid],
        "hoverinfo": "text",
        "hoverongaps": False,
        "xgap": 2,
        "ygap": 2,
        "zmin": -furthest,
        "zmax": furthest,
        "zmid": 0,
        "colorscale": SCALE,
        "colorbar": {
            "tickvals": list(ticks),
            "ticktext": [f"{2.0**tick:g} x" if tick >= 0 else f"1/{2**-tick} x" for tick in ticks],
            "thickness": 12,
            "outlinewidth": 0,
            "len": 1,
        },
    }
    axis = {"type": "category", "showgrid": False, "ticklen": 0}
    return {
        "data": [heat],
        "layout": layout(
            height=max(260, 110 + ROW_HEIGHT * len(works)),
            width=430 + COLUMN_WIDTH * len(impls),
            xaxis={**axis, "side": "top", "tickangle": -30},
            yaxis={**axis, "autorange": "reversed"},
            margin={"l": 20, "r": 20, "t": 20, "b": 20},
        ),
    }


def _log(result: Result | None) -> float | None:
    return None if result is None else round(math.log2(result.figures["speedup_over_reference"]), 4)


def _speedup(result: Result | None) -> str:
    if result is None:
        return ""
    speedup = result.figures["speedup_over_reference"]
    return f"{speedup:.0f}" if speedup >= 100 else f"{speedup:.2g}" if speedup < 0.1 else f"{speedup:.3g}"


def _told(result: Result | None) -> str:
    return "" if result is None else told(result)


def told(result: Result) -> str:
    """All that is known of a benchmark, for whoever points at it."""
    figures = result.figures
    lines = [f"<b>{label(result.names['impl'])}</b>", label(result.work), f"median {duration(result.median)}"]
    if "speedup_over_reference" in figures:
        lines.append(f"{figures['speedup_over_reference']:.3g} x the reference's speed")
    if "limit_share" in figures:
        lines.append(f"{figures['limit_share']:.0%} of the machine's limit")
    if {"gflops", "gbps"} <= figures.keys():
        lines.append(f"{figures['gflops']:.3g} GFLOP/s, {figures['gbps']:.3g} GB/s")
    if "error_ulps" in figures:
        lines.append(f"error {figures['error_ulps']:.2g} ulp")
    if "first_call_s" in figures:
        lines.append(f"first call {duration(figures['first_call_s'])}")
    return "<br>".join(lines)
