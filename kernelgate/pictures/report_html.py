"""`report.html`: which implementation wins where, how close to the limit, and how it moved over the stored runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..gate_report import replace
from ..table import duration
from . import heatmap, history, roofline
from .page import Figure, change, controls, escape, opening, place, render
from .records import PictureError
from .runs import Result, Run, load

SPARK_WIDTH, SPARK_HEIGHT = 120, 22
TAGS = ("slower", "faster", "steady", "too few runs")
COLUMNS = 7


def write(path: Path, sources: Sequence[Path]) -> None:
    """Draw the runs that pytest-benchmark stored in `sources`; whole or not at all.

    PictureError, in one line, where a file is none of pytest-benchmark's or a library is not installed.
    """
    replace(path, page(load(sources)))


def page(runs: Sequence[Run]) -> str:
    """The whole page as text."""
    if not any(run.results for run in runs):
        raise PictureError("there is no benchmark in the files given: was the run made with --benchmark-disable?")
    figures: dict[str, Figure] = {}
    machines = {run.machine: "" for run in runs}
    newest = max(runs, key=lambda run: run.when)
    body = [
        "<h1>Benchmarks</h1>",
        f"<p>{len(runs)} {'run' if len(runs) == 1 else 'runs'}, the newest {escape(newest.label)}; "
        f"{escape('; '.join(machines))}.</p>",
        *(part for machine in machines for part in _now(machine, runs, figures, len(machines) > 1)),
        *_history(runs, figures, len(machines) > 1),
    ]
    return render("Benchmarks", "\n".join(body), figures)


def _now(machine: str, runs: Sequence[Run], figures: dict[str, Figure], named: bool) -> Iterator[str]:
    """Heat map and roofline of the newest results on one machine, for each device and dtype."""
    newest: dict[str, Result] = {}
    limits: dict[str, Mapping[str, Mapping[str, float]]] = {}
    for run in runs:
        if run.machine == machine:
            newest |= {result.benchmark: result for result in run.results if result.names}
            limits |= run.limits
    kinds = sorted({(result.names["device"], result.names["dtype"]) for result in newest.values()})
    for device, dtype in kinds:
        results = [one for one in newest.values() if (one.names["device"], one.names["dtype"]) == (device, dtype)]
        title = f"{dtype} on {device}" + (f", {machine}" if named else "")
        name = str(len(figures))
        figures[f"heat-{name}"] = heatmap.figure(results)
        figures[f"roof-{name}"] = roofline.figure(results, limits.get(device, {}), dtype)
        yield f'<section class="drawn"><h2>{escape(title)}</h2>'
        yield "<h3>Speed-up over the reference</h3>"
        yield f'<div class="scroll">{place(f"heat-{name}", f"Speed-up over the reference, {title}")}</div>'
        yield "<h3>Roofline: against what this machine was measured to do</h3>"
        left_out = len(results) - len(roofline.placeable(results))
        if left_out:
            yield f'<p class="dim">{left_out} benchmarks without floating-point operations are not on it.</p>'
        if device not in limits:
            yield '<p class="dim">These runs hold no measured limits of this device, so there is no roof.</p>'
        yield f"{place(f'roof-{name}', f'Roofline, {title}')}</section>"


def _history(runs: Sequence[Run], figures: dict[str, Figure], named: bool) -> Iterator[str]:
    yield "<h2>History</h2>"
    known = history.series(runs)
    longest = max(len(one.medians) for one in known)
    if longest < 2:
        yield "<p>Every benchmark was run once: there is no history yet.</p>"
        return
    few = sum(len(one.medians) < history.RUNS_NEEDED for one in known)
    if few:
        yield (
            f"<p>Change points are looked for where a benchmark has {history.RUNS_NEEDED} runs on one machine or more; "
            f"{few} of {len(known)} have fewer.</p>"
        )
    yield (
        '<p class="dim">Medians of stored runs, for looking at: they move with the machine as well as with the code, '
        "and nothing here fails a pull request. Of 100 benchmarks that never changed, about one shows a change point, "
        "and more where the machine's mood lasts over several runs.</p>"
    )
    counts = Counter(map(_tag, known))
    yield controls({tag: counts[tag] for tag in TAGS if counts[tag]}, len(known), "benchmarks")
    headings = ("benchmark", "runs", "trend", "newest", "last change", "since", "")
    yield '<div class="scroll"><table class="rows"><thead><tr>'
    yield "".join(f"<th>{heading}</th>" for heading in headings) + "</tr></thead><tbody>"
    for number, one in enumerate(known):
        figures[f"history-{number}"] = history.figure(one)
        yield _row(one, number, named)
    yield "</tbody></table></div>"


def _tag(one: history.Series) -> str:
    if len(one.medians) < history.RUNS_NEEDED:
        return "too few runs"
    if one.last_change is None:
        return "steady"
    return "slower" if one.last_change > 0 else "faster"


def _row(one: history.Series, number: int, named: bool) -> str:
    changed = one.last_change
    machine = f'<br><span class="dim">{escape(one.machine)}</span>' if named else ""
    cells = [
        f'<td class="wrap name">{opening(one.benchmark, number)}{machine}</td>',
        f"<td>{len(one.medians)}</td>",
        f'<td class="graph">{_spark(one)}</td>',
        f"<td>{escape(duration(one.medians[-1]))}</td>",
        f"<td>{'' if changed is None else change(changed)}</td>",
        f"<td>{escape(one.runs[one.changes[-1]]) if one.changes else ''}</td>",
        f'<td class="{"worse" if _tag(one) == "slower" else "dim"}">{_tag(one)}</td>',
    ]
    drawn = place(f"history-{number}", f"Medians of {one.benchmark}")
    return (
        f'<tr class="row" data-tag="{_tag(one)}">{"".join(cells)}</tr>'
        f'<tr class="detail" id="detail-{number}" hidden><td colspan="{COLUMNS}">{drawn}</td></tr>'
    )


def _spark(one: history.Series) -> str:
    """The medians as a small line, from the least to the largest, with its changes."""
    low, high = min(one.medians), max(one.medians)
    step = SPARK_WIDTH / max(len(one.medians) - 1, 1)
    height = SPARK_HEIGHT - 4
    points = " ".join(
        f"{number * step:.1f},{2 + height * (1 - (value - low) / (high - low) if high > low else 0.5):.1f}"
        for number, value in enumerate(one.medians)
    )
    marks = "".join(
        f'<path class="changed" d="M{(position - 0.5) * step:.1f} 0V{SPARK_HEIGHT}"/>' for position in one.changes
    )
    picture = f'<polyline class="trend" points="{points}"/>{marks}'
    return f'<svg width="{SPARK_WIDTH}" height="{SPARK_HEIGHT}" aria-hidden="true">{picture}</svg>'
