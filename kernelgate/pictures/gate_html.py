"""`gate.html`: what the gate found, as a forest plot whose rows open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..gate_report import ORDER, replace, summary
from . import drilldown, forest
from .gate_document import Document, understand
from .page import Figure, controls, escape, render


def write(
    path: Path,
    document: Mapping[str, Any],
    journal_lines: Iterable[Mapping[str, Any]] = (),
    source: str = "gate.json",
) -> None:
    """Draw a `gate.json` document and the journal's lines, where there are any; whole or not at all.

    PictureError, in one line, where Plotly is not installed or the document, which came from `source`, is not what
    the gate writes.
    """
    replace(path, page(understand(document, journal_lines, source)))


def page(document: Document) -> str:
    """The whole page as text."""
    outcomes = [line.outcome for line in document.lines]
    axis = forest.Axis.of(outcomes)
    figures: dict[str, Figure] = {}
    rows = []
    for number, line in enumerate(document.lines):
        figures |= drilldown.figures(line, number)
        rows += [forest.row(line, number, axis), drilldown.detail(line, number, forest.COLUMNS)]
    counts = Counter(str(outcome.verdict) for outcome in outcomes)
    against = f"{document.asked} ({document.base[:12]})" if document.asked != document.base else document.base[:12]
    body = "\n".join(
        [
            f"<h1>Head against {escape(against)}</h1>",
            f"<p>{escape(summary(outcomes))}.</p>" if outcomes else "<p>The gate judged no row.</p>",
            *(f"<p>{escape(note)}</p>" for note in document.notes),
            '<p class="dim">Ratios of head to base, slower to the right, with 99 % intervals over processes; below '
            "each, in grey, the control: base against itself. The dashed line is the margin. The scale is "
            "linear about as far as the margin and logarithmic beyond. A click opens a row.</p>",
            controls({str(verdict): counts[verdict] for verdict in ORDER if counts[verdict]}, len(rows) // 2, "rows"),
            f'<div class="scroll"><table class="rows">{forest.heading(axis)}',
            f"<tbody>{''.join(rows)}</tbody></table></div>",
        ]
    )
    return render(f"Gate: head against {against}", body, figures)
