"""How the median of each benchmark moved over the stored runs, and where it changed for good."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ..table import duration
from .page import Figure, change, label, layout, library
from .runs import Run

FloatArray = NDArray[np.float64]

# Ranks of fewer runs than this cannot show a change at the chance below.
RUNS_NEEDED = 12
# A change lasts for this many runs at least: one odd run is none.
LEAST_RUNS = 3
# Times log(runs). Of 200 series of 12 to 50 independent runs without a change, 0.5 to 1.5 % show one, heavy tails or
# not; where the machine's mood lasts over runs (autocorrelation 0.4) 5 to 12 % do. With 2 it is 10 %, with 4 under
# 1 % but nothing is found in 12 runs.
PENALTY = 3.0


@dataclass(frozen=True)
class Series:
    """One benchmark on one machine, run by run; `changes` are the positions of the first runs that differ."""

    benchmark: str
    machine: str
    runs: tuple[str, ...]
    medians: tuple[float, ...]
    changes: tuple[int, ...]

    @property
    def levels(self) -> list[tuple[int, int, float]]:
        """First run, the one after the last, and the median, of every stretch without a change."""
        edges = [0, *self.changes, len(self.medians)]
        return [(first, end, median(self.medians[first:end])) for first, end in pairwise(edges)]

    @property
    def last_change(self) -> float | None:
        """The log-ratio of the newest level to the one before."""
        if not self.changes:
            return None
        (*_, before), (*_, now) = self.levels[-2:]
        return math.log(now / before)


def series(runs: Sequence[Run]) -> list[Series]:
    """All benchmarks, the most changed first."""
    found: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for run in runs:
        for result in run.results:
            found.setdefault((result.benchmark, run.machine), []).append((run.label, result.median))
    known = []
    for (benchmark, machine), points in found.items():
        names, medians = zip(*points, strict=True)
        known.append(Series(benchmark, machine, names, medians, tuple(change_points(medians))))
    return sorted(known, key=lambda one: (-abs(one.last_change or 0.0), one.benchmark, one.machine))


def change_points(medians: Sequence[float]) -> list[int]:
    """Positions from which on the medians are at another level; none where there are fewer than RUNS_NEEDED.

    Each stretch between two changes is searched again by itself: ranked among runs of other levels, its own are close.
    """
    edges = [0, *_search(medians), len(medians)]
    if len(edges) == 2:
        return []
    logs = np.log(medians)
    for number, end in enumerate(edges[2:], 1):
        edges[number] = _settle(logs, edges[number - 1], end)
    within = (first + change for first, end in pairwise(edges) for change in change_points(medians[first:end]))
    return sorted({*edges[1:-1], *within})


def _search(medians: Sequence[float]) -> list[int]:
    """PELT (Killick, Fearnhead and Eckley 2012) as in ruptures, on the normal scores of the ranks.

    These have a variance of 1 whatever the noise, and an odd run weighs no more than the next one.
    """
    from scipy.stats import rankdata  # here, since it takes longer to import than a page to draw

    ranks = rankdata(medians)
    if len(medians) < RUNS_NEEDED or np.ptp(ranks) == 0:
        return []
    scores = ndtri((ranks - 0.5) / len(ranks))
    search = library("ruptures").Pelt(model="l2", min_size=LEAST_RUNS, jump=1).fit((scores / scores.std())[:, None])
    return [int(position) for position in search.predict(pen=PENALTY * math.log(len(medians)))[:-1]]


def _settle(logs: FloatArray, first: int, end: int) -> int:
    """The run between two others that parts the medians themselves best: found by ranks, a change may be off."""
    return min(range(first + 1, end), key=lambda position: _spread(logs[first:position]) + _spread(logs[position:end]))


def _spread(logs: FloatArray) -> float:
    return float(np.abs(logs - np.median(logs)).sum())


def figure(one: Series) -> Figure:
    """Medians run by run, the levels between changes, and the changes."""
    unit, factor = _unit(one.medians)
    values = [value * factor for value in one.medians]
    told = [f"{label(run)}<br>{duration(value)}" for run, value in zip(one.runs, one.medians, strict=True)]
    points = {
        "type": "scatter",
        "mode": "lines+markers",
        "x": list(range(1, len(values) + 1)),
        "y": values,
        "hovertext": told,
        "hoverinfo": "text",
        "line": {"color": "var(--control)", "width": 1},
        "marker": {"color": "var(--head)", "size": 7},
    }
    levels = [_level(first, end, value * factor) for first, end, value in one.levels] if one.changes else []
    notes = [_note(one, number) for number in range(len(one.changes))]
    every = math.ceil(len(values) / 8)
    shown = range(0, len(values), every)
    xaxis = {
        "tickvals": [at + 1 for at in shown],
        "ticktext": [label(one.runs[at]).replace(" ", "<br>") for at in shown],
    }
    return {
        "data": [points],
        "layout": layout(
            height=320,
            showlegend=False,
            xaxis={**xaxis, "showgrid": False, "range": [0.5, len(values) + 0.5]},
            yaxis={"title": {"text": f"median, {unit}"}, "zeroline": False},
            shapes=[*levels, *(_mark(position) for position in one.changes)],
            annotations=notes,
        ),
    }


def _unit(medians: Iterable[float]) -> tuple[str, float]:
    typical = median(medians)
    return next(
        ((unit, factor) for unit, factor in (("ns", 1e9), ("us", 1e6), ("ms", 1e3)) if typical * factor < 1e3),
        ("s", 1.0),
    )


def _level(first: int, end: int, value: float) -> dict[str, Any]:
    edges = {"x0": first + 0.6, "x1": end + 0.4, "y0": value, "y1": value}
    return {"type": "line", **edges, "line": {"color": "var(--one)", "width": 2}}


def _mark(position: int) -> dict[str, Any]:
    edges = {"x0": position + 0.5, "x1": position + 0.5, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "line", **edges, "line": {"color": "var(--two)", "width": 1.5, "dash": "dash"}}


def _note(one: Series, number: int) -> dict[str, Any]:
    (*_, before), (*_, after) = one.levels[number : number + 2]
    at = {"x": one.changes[number] + 0.5, "yref": "paper", "y": 1.01, "yanchor": "bottom"}
    return {**at, "text": change(math.log(after / before)), "showarrow": False, "font": {"color": "var(--two)"}}
