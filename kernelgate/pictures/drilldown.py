"""What is under one row of the forest plot: rounds in the order they came, processes, exact figures, the program."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from statistics import median
from typing import Any

from ..outcome import Outcome
from ..structure import Difference
from ..verdict import Evidence
from .gate_document import Line, Rounds
from .page import Figure, change, escape, label, layout, place, table

STAGES = {"screen": "screening", "confirm": "confirming"}
# A browser stays quick up to here; what is left out is counted.
MOST_DIFF_LINES = 3000
HEAD = {"color": "var(--head)", "symbol": "circle", "size": 7}
CONTROL = {"color": "var(--control)", "symbol": "circle-open", "size": 7}


def figures(line: Line, number: int) -> dict[str, Figure]:
    """The figures under row `number`, by the names that `detail` gives them."""
    drawn = {}
    if line.rounds:
        drawn[f"rounds-{number}"] = rounds_figure(line.rounds, line.outcome.margin)
    if line.outcome.head is not None:
        drawn[f"processes-{number}"] = processes_figure(line)
    return drawn


def detail(line: Line, number: int, columns: int) -> str:
    """The detail row, closed, as HTML."""
    titles = {"rounds": "Paired ratios of every round, in time", "processes": "Medians of the processes"}
    drawn = "".join(
        f"<div><h3>{title}</h3>{place(f'{name}-{number}', title)}</div>"
        for name, title in titles.items()
        if f"{name}-{number}" in figures(line, number)
    )
    body = "".join([_sentence(line.outcome), f'<div class="figures">{drawn}</div>', *_structure(line), *_listing(line)])
    return f'<tr class="detail" id="detail-{number}" hidden><td colspan="{columns}">{body}</td></tr>'


def rounds_figure(rounds: Sequence[Rounds], margin: float) -> Figure:
    """Every round of every process; the processes one after another on bands of two shades."""
    points: dict[str, list[tuple[int, float, str]]] = {"head": [], "control": []}
    shapes, marks, first, stage = [], [], 0, ""
    for position, process in enumerate(rounds):
        last = first + len(process.head)
        if position % 2:
            shapes.append(_band(first, last))
        if process.stage != stage:
            stage = process.stage
            marks.append(_note(first, label(STAGES.get(stage, stage))))
        for name, ratios in (("head", process.head), ("control", process.control)):
            for number, ratio in enumerate(ratios):
                told = f"{label(stage)} process {process.process + 1}, round {number + 1}<br>{name} {change(ratio)}"
                points[name].append((first + number, _per_cent(ratio), told))
        first = last
    traces = [_points("control", points["control"], CONTROL, 0.55), _points("head", points["head"], HEAD, 0.75)]
    for trace in traces:
        trace["marker"] = trace["marker"] | {"size": 5}
    xaxis = {"title": {"text": "round"}, "range": [-1, first], "showgrid": False, "zeroline": False}
    figure = _ratio_figure(traces, margin, xaxis, shapes, marks)
    _leave_out_odd_rounds(figure, [y for trace in traces for y in trace["y"]], margin)
    return figure


def _leave_out_odd_rounds(figure: Figure, values: Sequence[float], margin: float) -> None:
    """Show 98 of 100 rounds at first where the others would flatten them; a double click shows all."""
    ordered = sorted(values)
    trimmed = ordered[len(ordered) // 100], ordered[-1 - len(ordered) // 100]
    low, high = min(trimmed[0], 0.0), max(trimmed[1], margin * 100)
    reach = 0.15 * (high - low)
    beyond = sum(not low - reach <= value <= high + reach for value in values)
    if beyond and ordered[-1] - ordered[0] > 2 * (high - low):
        figure["layout"]["yaxis"]["range"] = [low - reach, high + reach]
        said = _note(1, f"{beyond} beyond, a double click shows all") | {"xref": "paper", "xanchor": "right"}
        figure["layout"]["annotations"].append(said)


def processes_figure(line: Line) -> Figure:
    """Head's and control's median in each process; the band is head's 99 % interval, which the verdict rests on."""
    points: dict[str, list[tuple[int, float, str]]] = {"head": [], "control": []}
    marks, stage = [], ""
    medians = list(_medians(line))
    for position, (name, number, *ratios) in enumerate(medians):
        if name != stage:
            stage = name
            marks.append(_note(position + 0.5, label(STAGES.get(stage, stage))))
        for side, ratio in zip(("head", "control"), ratios, strict=True):
            if ratio is not None:
                told = f"{label(stage)} process {number}<br>{side} {change(ratio)}"
                points[side].append((position + 1, _per_cent(ratio), told))
    shapes = [_interval(line.outcome.head)] if line.outcome.head is not None else []
    traces = [_points("control", points["control"], CONTROL, 1), _points("head", points["head"], HEAD, 1)]
    xaxis = {"title": {"text": "process"}, "range": [0.5, len(medians) + 0.5], "showgrid": False, "zeroline": False}
    if len(medians) <= 12:
        xaxis["dtick"] = 1
    return _ratio_figure(traces, line.outcome.margin, xaxis, shapes, marks)


def _medians(line: Line) -> Iterator[tuple[str, int, float | None, float | None]]:
    """Stage, number and the two medians of each process; without a journal, those that the verdict rests on."""
    for rounds in line.rounds:
        yield rounds.stage, rounds.process + 1, median(rounds.head), median(rounds.control)
    if not line.rounds:
        sides = [evidence.ratios if evidence else () for evidence in (line.outcome.head, line.outcome.control)]
        for number, (head, control) in enumerate(zip_longest(*sides), 1):
            yield "", number, head, control


def _points(name: str, points: Sequence[tuple[int, float, str]], marker: Figure, opacity: float) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x for x, _, _ in points],
        "y": [y for _, y, _ in points],
        "hovertext": [told for _, _, told in points],
        "hoverinfo": "text",
        "marker": {**marker, "opacity": opacity},
    }


def _ratio_figure(
    traces: list[Figure], margin: float, xaxis: Figure, shapes: list[Figure], marks: list[Figure]
) -> Figure:
    limit = round(margin * 100, 4)
    line = {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": limit, "y1": limit}
    shapes = [*shapes, {**line, "line": {"color": "var(--fail)", "dash": "dash", "width": 1.2}}]
    yaxis = {"title": {"text": "against base"}, "ticksuffix": " %", "zeroline": True, "rangemode": "tozero"}
    said = {"text": "margin", "xref": "paper", "x": 1, "y": limit, "xanchor": "right", "yanchor": "bottom"}
    return {
        "data": traces,
        "layout": layout(
            height=330,
            margin={"l": 60, "r": 20, "t": 52, "b": 45},
            xaxis=xaxis,
            yaxis=yaxis,
            shapes=shapes,
            annotations=[*marks, {**said, "showarrow": False, "font": {"color": "var(--fail)"}}],
            legend={"orientation": "h", "x": 1, "xanchor": "right", "y": -0.12, "yanchor": "top"},
        ),
    }


def _band(first: float, last: float) -> Figure:
    edges = {"x0": first - 0.5, "x1": last - 0.5, "yref": "paper", "y0": 0, "y1": 1}
    return {"type": "rect", **edges, "layer": "below", "line": {"width": 0}, "fillcolor": "var(--band)"}


def _interval(evidence: Evidence) -> Figure:
    low, high = (_per_cent(math.log(end)) for end in evidence.interval())
    edges = {"xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high}
    return {"type": "rect", **edges, "layer": "below", "line": {"width": 0}, "fillcolor": "var(--band)"}


def _note(x: float, text: str) -> Figure:
    place = {"x": x, "xanchor": "left", "yref": "paper", "y": 1.01, "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"color": "var(--dim)"}}


def _per_cent(log_ratio: float) -> float:
    return round(math.expm1(log_ratio) * 100, 4)


def _sentence(outcome: Outcome) -> str:
    told = [outcome.reason] if outcome.reason else []
    if outcome.head is not None:
        low, high = map(math.log, outcome.head.interval())
        told.append(
            f"head {change(math.log(outcome.head.ratio))} against base, 99 % interval {change(low)} to {change(high)} "
            f"from {len(outcome.head.ratios)} processes; margin {outcome.margin:.1%}"
        )
        told.append(f"a slowdown of {change(math.log1p(outcome.head.detectable(outcome.margin)))} would have been seen")
    if outcome.control is not None:
        told.append(f"the same code against itself {change(math.log(outcome.control.ratio))}")
    return f"<p>{escape('; '.join(told) or 'nothing was measured')}.</p>"


def _structure(line: Line) -> Iterator[str]:
    if not line.outcome.structure:
        return
    ordered = sorted(line.outcome.structure, key=lambda difference: not difference.worse)
    rows = [(escape(item.figure), _value(item.base), _value(item.head), _remark(item)) for item in ordered]
    yield f"<h3>Exact figures</h3>{table(('figure', 'base', 'head', ''), rows, 'plain structure')}"


def _remark(difference: Difference) -> str:
    worse = '<span class="worse">worse</span> ' if difference.worse else ""
    return worse + escape(difference.text)


def _value(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.6g}"
    return "" if value is None else escape(value if isinstance(value, str) else json.dumps(value))


def _listing(line: Line) -> Iterator[str]:
    if line.listing is None:
        return
    yield "<h3>The program (HLO or assembly), base against head</h3>"
    base, head = (side.splitlines() for side in line.listing)
    lines = list(difflib.unified_diff(base, head, "base", "head", lineterm=""))
    if not lines:
        yield '<p class="dim">The same program on both sides.</p>'
        return
    shown = "".join(f'<span class="{_kind(text)}">{escape(text)}</span>' for text in lines[:MOST_DIFF_LINES])
    yield f'<pre class="diff">{shown}</pre>'
    if len(lines) > MOST_DIFF_LINES:
        yield f"<p>{len(lines) - MOST_DIFF_LINES} more lines differ; gate.json holds both listings.</p>"


def _kind(text: str) -> str:
    if text.startswith(("@@", "---", "+++")):
        return "hunk"
    return {"+": "added", "-": "removed"}.get(text[:1], "")
