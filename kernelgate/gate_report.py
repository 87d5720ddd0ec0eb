"""What the gate found, for people and for programs: a sentence, a table, `gate.md` and `gate.json`."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .against import Base
from .outcome import Outcome
from .table import duration
from .verdict import FALSE_FAIL, Verdict

SCHEMA = 1
ORDER = list(Verdict)
HEADINGS = ("verdict", "row", "base", "ratio", "99 % interval", "would see", "control", "structure")


@dataclass(frozen=True)
class Report:
    """All that a comparison came to; `notes` are about the run as a whole."""

    base: Base
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    @property
    def ordered(self) -> list[Outcome]:
        """The worst first."""
        return sorted(self.outcomes, key=severity)

    @property
    def document(self) -> dict[str, Any]:
        """`gate.json`."""
        return {
            "schema": SCHEMA,
            "base": self.base.commit,
            "asked": self.base.asked,
            "notes": list(self.notes),
            "control_alarms": len(control_alarms(self.outcomes)),
            "rows": [as_json(outcome) for outcome in self.ordered],
        }


def sentence(outcome: Outcome, base: Base) -> str:
    """One row's verdict in a sentence."""
    if outcome.head is None or outcome.control is None:
        return f"{outcome.row}: {outcome.verdict}, {outcome.reason}"
    low, high = outcome.head.interval()
    return (
        f"{outcome.row}: {outcome.verdict}, {outcome.head.ratio - 1:+.1%} against {base} "
        f"(99 % interval {low - 1:+.1%} to {high - 1:+.1%}, margin {outcome.margin:.1%}, "
        f"{len(outcome.head.ratios)} processes; the same code against itself {outcome.control.ratio - 1:+.1%})"
        f"{'; ' + structure_of(outcome) if outcome.structure is not None else ''}"
    )


def structure_of(outcome: Outcome) -> str:
    """What the exact figures say, the worse ones first, and which of them could not be had."""
    if outcome.structure is None:
        return ""
    told = sorted(outcome.structure, key=lambda difference: not difference.worse)
    texts = ", ".join(difference.text for difference in told) or "same structure"
    return f"{texts} ({outcome.unread})" if outcome.unread else texts


def severity(outcome: Outcome) -> tuple[int, float, str]:
    """Sorts the worst first."""
    return ORDER.index(outcome.verdict), -(outcome.head.ratio if outcome.head else 0.0), outcome.row


def cells(outcome: Outcome) -> tuple[str, ...]:
    """A row of the table as text."""
    if outcome.head is None or outcome.control is None:
        return (str(outcome.verdict), outcome.row, "", "", outcome.reason, "", "", "")
    low, high = outcome.head.interval()
    return (
        str(outcome.verdict),
        outcome.row,
        duration(outcome.base_seconds or 0.0),
        f"{outcome.head.ratio:.3f}",
        f"{low:.3f} to {high:.3f}",
        f"{outcome.head.detectable(outcome.margin):+.1%}",
        f"{outcome.control.ratio:.3f}",
        structure_of(outcome),
    )


def summary(outcomes: Sequence[Outcome]) -> str:
    """How many rows of each verdict, and how the same code fared against itself."""
    counts = Counter(outcome.verdict for outcome in outcomes)
    told = ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER if counts[verdict]) or "nothing to judge"
    controls = sum(outcome.control is not None for outcome in outcomes)
    alarms = control_alarms(outcomes)
    which = f" ({', '.join(alarms)})" if alarms else ""
    return f"{told}; false alarms, the same code against itself at 1 % a row: {len(alarms)} of {controls}{which}"


def control_alarms(outcomes: Iterable[Outcome]) -> list[str]:
    """The rows in which the same code against itself is over the margin, at a chance of 1 % in each."""
    return [
        outcome.row
        for outcome in outcomes
        if outcome.control is not None and outcome.control.chance_if_unchanged(outcome.margin) < FALSE_FAIL
    ]


def table(report: Report, verbose: bool) -> Iterator[str]:
    """Lines for the terminal, the worst first; rows that passed only if `verbose`."""
    shown = [outcome for outcome in report.ordered if verbose or outcome.verdict is not Verdict.PASS]
    rows = [HEADINGS, *map(cells, shown)] if shown else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from (summary(report.outcomes), *report.notes)


def write(folder: Path, report: Report) -> None:
    """`gate.json` and `gate.md` in `folder`, each whole or not at all; the picture is `pictures.gate_html`'s."""
    folder.mkdir(parents=True, exist_ok=True)
    replace(folder / "gate.json", json.dumps(report.document, indent=1) + "\n")
    replace(folder / "gate.md", markdown(report))


def as_json(outcome: Outcome) -> dict[str, Any]:
    """One row for programs: log-ratios a process, from which everything else can be computed again."""
    return {
        "row": outcome.row,
        "verdict": str(outcome.verdict),
        "margin": outcome.margin,
        "reason": outcome.reason,
        "base_seconds": outcome.base_seconds,
        "head": list(outcome.head.ratios) if outcome.head else [],
        "control": list(outcome.control.ratios) if outcome.control else [],
        "structure": None if outcome.structure is None else [asdict(difference) for difference in outcome.structure],
        "unread": outcome.unread,
        "listing": None if outcome.listing is None else dict(zip(("base", "head"), outcome.listing, strict=True)),
    }


def markdown(report: Report) -> str:
    """The summary of a pull request: what matters as a table, what passed folded away."""
    worth = [outcome for outcome in report.ordered if outcome.verdict is not Verdict.PASS]
    passed = [outcome for outcome in report.ordered if outcome.verdict is Verdict.PASS]
    parts = [f"### Head against {report.base}", "", summary(report.outcomes), ""]
    for note in report.notes:
        parts += [note, ""]
    if worth:
        parts += [*_markdown_table(worth), ""]
    if passed:
        parts += [
            f"<details><summary>{len(passed)} passed</summary>",
            "",
            *_markdown_table(passed),
            "",
            "</details>",
            "",
        ]
    return "\n".join(parts)


def _markdown_table(outcomes: Sequence[Outcome]) -> Iterator[str]:
    yield f"| {' | '.join(HEADINGS)} |"
    yield f"|{' --- |' * len(HEADINGS)}"
    for outcome in outcomes:
        yield f"| {' | '.join(cells(outcome))} |"


def replace(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
