"""The reports of a suite's shards as one, and the decision for the whole."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from .against import Base
from .gate_report import Report, table, write
from .outcome import Outcome
from .pictures import gate_html
from .pictures.gate_document import understand
from .verdict import Verdict


class MergeError(ValueError):
    """Reports that are not those of one comparison's shards."""


def merge(folders: Sequence[Path]) -> Report:
    """One report of the `gate.json` in each folder; MergeError if they do not belong together.

    Each shard spent its share of the suite's chance of a false FAIL, so their verdicts stand as they are; but where the
    control of one moved, no shard's clock is believed.
    """
    documents = {}
    for folder in folders:
        file = folder / "gate.json"
        try:
            documents[file] = understand(json.loads(file.read_text(encoding="utf-8")), (), str(file))
        except (OSError, json.JSONDecodeError) as error:
            raise MergeError(f"{file}: {error}; expected the --gate-report of a shard") from None
    bases = {document.base for document in documents.values()}
    if len(bases) != 1:
        raise MergeError(f"the reports compare with {', '.join(sorted(bases)) or 'nothing'}, expected one commit")
    outcomes = {}
    for file, document in documents.items():
        for line in document.lines:
            if line.outcome.row in outcomes and line.outcome.verdict is not Verdict.MISSING:
                raise MergeError(f"{file}: {line.outcome.row} is in another report too; expected each row in one shard")
            outcomes[line.outcome.row] = line.outcome
    alarms = [row for row, outcome in outcomes.items() if outcome.verdict is Verdict.INVALID]
    if alarms:
        outcomes = {row: _without_clock(outcome, alarms[0]) for row, outcome in outcomes.items()}
    notes = dict.fromkeys(note for document in documents.values() for note in document.notes)
    first = next(iter(documents.values()))
    return Report(Base(first.asked, first.base), tuple(outcomes.values()), tuple(notes))


def _without_clock(outcome: Outcome, alarm: str) -> Outcome:
    """The outcome, INVALID if it failed by the clock: what fails by exact figures says which in its reason."""
    if outcome.verdict is not Verdict.FAIL or outcome.reason:
        return outcome
    reason = f"slower by a clock that is not to be believed: a control moved in the run, see {alarm}"
    return replace(outcome, verdict=Verdict.INVALID, reason=reason)


def main(folders: Sequence[Path], out: Path) -> int:
    """Write the merged report, print its table; 1 if any row failed."""
    report = merge(folders)
    write(out, report)
    if find_spec("plotly"):
        gate_html.write(out / "gate.html", report.document)
    for line in table(report, verbose=False):
        print(line)
    return int(any(outcome.verdict is Verdict.FAIL for outcome in report.outcomes))
