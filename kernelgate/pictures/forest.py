"""The forest plot: a line for each row of the gate, its ratio and 99 % interval drawn beside its name.

Drawn as a table, so that it can be read, searched, marked and reached by keyboard, also without JavaScript.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..outcome import Outcome
from ..table import duration
from ..verdict import Evidence, Verdict
from .gate_document import Line
from .page import change, escape, opening

WIDTH, HEIGHT = 340, 34
HEAD_Y, CONTROL_Y = 12, 25
SIDE = 22  # room for half a tick label
APART = 40  # between two tick labels
WIDEST = math.log(20)
SLOWER = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 9.0)
FASTER = (-0.001, -0.002, -0.005, -0.01, -0.02, -0.05, -0.1, -0.2, -0.5, -0.8, -0.9)
TALL = 200  # the lines go on through rows of several text lines, which clip them
COLUMNS = 8
SHAPES = {
    Verdict.FAIL: "M-5 -5H5V5H-5Z",
    Verdict.INVALID: "M0 -6.5L6.5 0L0 6.5L-6.5 0Z",
    Verdict.MISSING: "M-6 -5H6L0 6Z",
    Verdict.INCONCLUSIVE: "M-5 0A5 5 0 1 1 5 0A5 5 0 1 1 -5 0Z",
    Verdict.NEW: "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    Verdict.PASS: "M-4.5 0A4.5 4.5 0 1 1 4.5 0A4.5 4.5 0 1 1 -4.5 0Z",
}


@dataclass(frozen=True)
class Axis:
    """Where a log-ratio lies on the picture: linear within about `unit`, logarithmic further out, up to `reach`.

    So a row that takes twice as long and the margin of 1 % are both seen. What is beyond the reach becomes an arrow.
    """

    unit: float
    reach: float

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Axis:
        """Wide enough for all intervals and margins, and symmetric."""
        margins = sorted(math.log1p(outcome.margin) for outcome in outcomes) or [0.01]
        ends = [abs(math.log(end)) for outcome in outcomes for end in _ends(outcome)]
        unit = max(margins[len(margins) // 2], 0.002)
        return cls(unit, max(min(max(ends, default=0.0), WIDEST), 2 * margins[-1], 2 * unit))

    def x(self, log_ratio: float) -> float:
        share = math.asinh(log_ratio / self.unit) / math.asinh(self.reach / self.unit)
        return round(WIDTH / 2 + max(-1.0, min(1.0, share)) * (WIDTH / 2 - SIDE), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Positions and labels, none further out than the axis and none too close to the next."""
        yield self.x(0), "0"
        for changes in (SLOWER, FASTER):
            taken = self.x(0)
            for size in changes:
                x = self.x(math.log1p(size))
                if abs(x - taken) >= APART and abs(math.log1p(size)) <= self.reach:
                    yield x, f"{size * 100:+.3g}%"
                    taken = x


def heading(axis: Axis) -> str:
    """The table's head, with the axis over the column of intervals."""
    ticks = "".join(
        f'<text x="{x}" y="22" text-anchor="middle">{text}</text><path class="zero" d="M{x} 27V31"/>'
        for x, text in axis.ticks()
    )
    words = f'<text x="2" y="9">← faster</text><text x="{WIDTH - 4}" y="9" text-anchor="end">slower →</text>'
    picture = f'<svg width="{WIDTH}" height="31" aria-hidden="true">{words}{ticks}</svg>'
    return (
        f'<thead><tr><th>verdict</th><th>row</th><th class="number">base</th><th class="graph">{picture}</th>'
        '<th class="number">head</th><th class="number">99 % interval</th><th class="number">would see</th>'
        '<th class="number">control</th></tr></thead>'
    )


def row(line: Line, number: int, axis: Axis) -> str:
    """One row of the table, without its detail."""
    outcome = line.outcome
    worse = sum(difference.worse for difference in line.outcome.structure or ())
    note = f'<br><span class="worse">{worse} figures of the program worse</span>' if worse else ""
    cells = [
        f"<td>{badge(outcome.verdict)}</td>",
        f'<td class="wrap name">{opening(outcome.row, number)}{note}</td>',
        f'<td class="number">{"" if outcome.base_seconds is None else escape(duration(outcome.base_seconds))}</td>',
        *_measured(outcome, axis),
    ]
    return f'<tr class="row tag-{outcome.verdict}" data-tag="{outcome.verdict}">{"".join(cells)}</tr>'


def badge(verdict: Verdict) -> str:
    """A verdict told three times: by its word, its shape and its colour."""
    mark = f'<svg width="15" height="15" viewBox="-7.5 -7.5 15 15" aria-hidden="true">{_mark(verdict)}</svg>'
    return f'<span class="verdict tag-{verdict}">{mark}{verdict}</span>'


def picture(outcome: Outcome, axis: Axis) -> str:
    """Head's interval, control's below it, and the lines of no change and of the margin."""
    zero, margin = axis.x(0), axis.x(math.log1p(outcome.margin))
    parts = [f'<path class="zero" d="M{zero} {-TALL}V{TALL}"/>', f'<path class="margin" d="M{margin} {-TALL}V{TALL}"/>']
    if outcome.control is not None:
        parts += _interval(outcome.control, axis, CONTROL_Y, "control", '<circle class="control dot" r="3"/>')
    if outcome.head is not None:
        parts += _interval(outcome.head, axis, HEAD_Y, "head", _mark(outcome.verdict))
    told = escape(_words(outcome))
    return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{told}">{"".join(parts)}</svg>'


def _measured(outcome: Outcome, axis: Axis) -> Iterator[str]:
    if outcome.head is None:
        yield f'<td class="wrap dim" colspan="{COLUMNS - 3}">{escape(outcome.reason)}</td>'
        return
    low, high = map(math.log, outcome.head.interval())
    yield f'<td class="graph">{picture(outcome, axis)}</td>'
    yield f'<td class="number"><b>{change(math.log(outcome.head.ratio))}</b></td>'
    yield f'<td class="number">{change(low)} to {change(high)}</td>'
    yield f'<td class="number">{change(math.log1p(outcome.head.detectable(outcome.margin)))}</td>'
    control = "" if outcome.control is None else change(math.log(outcome.control.ratio))
    yield f'<td class="number dim">{control}</td>'


def _interval(evidence: Evidence, axis: Axis, y: int, kind: str, mark: str) -> Iterator[str]:
    low, high = map(math.log, evidence.interval())
    yield f'<path class="{kind}" d="M{axis.x(low)} {y}H{axis.x(high)}"/>'
    # An arrowhead says that the interval goes on.
    if low < -axis.reach:
        yield f'<path class="{kind} beyond" d="M{axis.x(low) - 7} {y}l8 -4v8Z"/>'
    if high > axis.reach:
        yield f'<path class="{kind} beyond" d="M{axis.x(high) + 7} {y}l-8 -4v8Z"/>'
    middle = math.log(evidence.ratio)
    if abs(middle) <= axis.reach:
        yield f'<g transform="translate({axis.x(middle)} {y})">{mark}</g>'


def _mark(verdict: Verdict) -> str:
    hollow = " hollow" if verdict is Verdict.INCONCLUSIVE else ""
    return f'<path class="mark{hollow}" d="{SHAPES[verdict]}"/>'


def _words(outcome: Outcome) -> str:
    told = [
        f"{name} {change(math.log(evidence.ratio))}, "
        f"{' to '.join(change(math.log(end)) for end in evidence.interval())}"
        for name, evidence in (("head", outcome.head), ("control", outcome.control))
        if evidence is not None
    ]
    return "; ".join(told)


def _ends(outcome: Outcome) -> tuple[float, ...]:
    return sum((evidence.interval() for evidence in (outcome.head, outcome.control) if evidence is not None), ())
