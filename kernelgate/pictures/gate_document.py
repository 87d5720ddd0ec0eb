"""A `gate.json` document and journal lines, checked and turned back into what the gate said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..gate_report import SCHEMA, severity
from ..outcome import Outcome
from ..structure import Difference
from ..verdict import Evidence, Verdict
from .records import PictureError, items, mapping, number, text

# A log-ratio beyond this, a factor of 20000, is no measurement; what is computed from smaller ones stays finite.
LARGEST_LOG_RATIO = 10.0


@dataclass(frozen=True)
class Rounds:
    """One row in one process: the log-ratios of each round."""

    stage: str
    process: int
    head: tuple[float, ...]
    control: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """All that is known of one row."""

    outcome: Outcome
    rounds: tuple[Rounds, ...] = ()
    listing: tuple[str, str] | None = None


@dataclass(frozen=True)
class Document:
    """A whole comparison, the worst row first."""

    base: str
    asked: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def understand(document: Any, journal_lines: Iterable[Mapping[str, Any]], where: str = "gate.json") -> Document:
    """PictureError where the document is of another schema or any part of it is not what it should be."""
    document = mapping(document, where)
    if document.get("schema") != SCHEMA or isinstance(document.get("schema"), bool):
        raise PictureError(
            f"{where}: schema {document.get('schema')!r}, expected {SCHEMA}; was it written by the gate?"
        )
    rounds: dict[str, list[Rounds]] = {}
    for position, line in enumerate(journal_lines, 1):
        if "row" in line and "problem" not in line:
            place = f"{where}: journal line {position}"
            rounds.setdefault(text(line, "row", place), []).append(_rounds(line, place))
    rows = [mapping(row, f"{where}: row {position}") for position, row in enumerate(items(document, "rows", where), 1)]
    lines = [_line(row, rounds, f"{where}: row {position}") for position, row in enumerate(rows, 1)]
    return Document(
        text(document, "base", where),
        text(document, "asked", where),
        tuple(sorted(lines, key=lambda line: severity(line.outcome))),
        tuple(map(str, items(document, "notes", where))) if "notes" in document else (),
    )


def _line(row: Mapping[str, Any], rounds: Mapping[str, list[Rounds]], where: str) -> Line:
    name = text(row, "row", where)
    where = f"{where}, {name}"
    verdict = text(row, "verdict", where)
    if verdict not in list(Verdict):
        raise PictureError(f"{where}: verdict is {verdict!r}, expected one of {', '.join(Verdict)}")
    outcome = Outcome(
        name,
        Verdict(verdict),
        number(row, "margin", where, least=0.0),
        _evidence(row, "head", where),
        _evidence(row, "control", where),
        None if row.get("base_seconds") is None else number(row, "base_seconds", where, least=0.0),
        text(row, "reason", where),
        _structure(row, where),
        _listing(row, where),
        text(row, "unread", where) if "unread" in row else "",
    )
    return Line(outcome, tuple(rounds.get(name, ())), outcome.listing)


def _evidence(row: Mapping[str, Any], name: str, where: str) -> Evidence | None:
    ratios = _ratios(row, name, where)
    if len(ratios) == 1:
        raise PictureError(f"{where}: {name} has one process, expected none, or two or more")
    return Evidence(ratios) if ratios else None


def _ratios(record: Mapping[str, Any], name: str, where: str) -> tuple[float, ...]:
    ratios = tuple(number({name: value}, name, where) for value in items(record, name, where))
    if any(abs(ratio) > LARGEST_LOG_RATIO for ratio in ratios):
        raise PictureError(f"{where}: {name} has a log-ratio beyond {LARGEST_LOG_RATIO:g}, which is no measurement")
    return ratios


def _rounds(line: Mapping[str, Any], where: str) -> Rounds:
    head, control = _ratios(line, "head", where), _ratios(line, "control", where)
    if not head or len(head) != len(control):
        raise PictureError(
            f"{where}: {len(head)} rounds of head and {len(control)} of control, expected as many of both"
        )
    return Rounds(text(line, "stage", where), int(number(line, "process", where, least=0)), head, control)


def _structure(row: Mapping[str, Any], where: str) -> tuple[Difference, ...] | None:
    if row.get("structure") is None:
        return None
    return tuple(_difference(item, where) for item in items(row, "structure", where))


def _difference(item: Any, where: str) -> Difference:
    item = mapping(item, f"{where}: structure")
    figure = text(item, "figure", f"{where}: structure")
    return Difference(figure, item.get("base"), item.get("head"), bool(item.get("worse")), str(item.get("text") or ""))


def _listing(row: Mapping[str, Any], where: str) -> tuple[str, str] | None:
    if row.get("listing") is None:
        return None
    listing = mapping(row["listing"], f"{where}: listing")
    return text(listing, "base", f"{where}: listing"), text(listing, "head", f"{where}: listing")
