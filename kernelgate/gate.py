"""The gate: which rows are measured in how many processes, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from .environments import paths
from .journal import Journal
from .machine import watched
from .pairing import Job, Row
from .reading import ARMS, Side, read_all
from .structure.differences import LISTING, Difference, compare, unread
from .verdict import FALSE_FAIL, Evidence, Verdict, judge, spent, suspects, within
from .workers import results, results_apart

# Processes of each look. A row leaves the screening once it is shown to be within its margin, or is suspect; what is
# suspect leaves the confirming once it is decided. Two processes decided a third of rows that had not changed.
SCREENING = (2, 2, 2, 2, 4, 6, 6)
CONFIRMING = (6, 6, 8, 12, 16)
# Looks at a row that is decided but for its control, which seems to have moved.
CONTROL_LOOKS = 2
# Of the budget: what the first looks at all rows are meant to take, in which most are decided, and when screening ends.
FIRST_LOOKS = 0.55
FIRST_PROCESSES = sum(SCREENING[:2])
SCREENED_BY = 0.6
# Seconds beyond that, in which a short budget too gives two processes.
GRACE = 60.0
# Seconds that a process takes before its first row, and each row before its slices; the least and most for these.
STARTING = 1.5
PREPARING = 0.07
LEAST_SECONDS = 0.05
MOST_SECONDS = 1.0
FIRST_SEED = {"screen": 1, "confirm": 1001}


@dataclass(frozen=True)
class Outcome:
    """What the gate says of a row, and from what. `structure` is None where no exact figures were wanted."""

    row: str
    verdict: Verdict
    margin: float
    head: Evidence | None = None
    control: Evidence | None = None
    base_seconds: float | None = None
    reason: str = ""
    structure: tuple[Difference, ...] | None = None
    # Base's and head's program, where they differ.
    listing: tuple[str, str] | None = None
    # Which exact figures neither side gave, and why.
    unread: str = ""


# Head's and control's evidence by row.
Pairs = Mapping[str, tuple[Evidence, Evidence]]


@dataclass
class Gate:
    """A comparison under way: `progress` is told in words what is measured, `budget` is in seconds."""

    folder: Path
    packages: Mapping[str, tuple[str, ...]]
    margins: Mapping[str, float]
    journal: Journal
    threads: int
    budget: float
    # Rows whose files are not the base's: only theirs can differ in structure.
    touched: frozenset[str] = frozenset()
    # Where base and control run, if not in head's environment.
    base_interpreter: str | None = None
    level: float = FALSE_FAIL
    progress: Callable[[str], None] = lambda text: None
    started: float = field(default_factory=time.monotonic)
    look_started: float = 0.0
    # What was read of base and head, by row and arm: `figures`, or the `problem` why there are none.
    found: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    # Rows whose control was found slower than the same code by the rule that heads are judged by.
    alarms: tuple[str, ...] = ()
    # Whether the budget ended before what would have been measured.
    cut_short: bool = False

    def run(self, rows: Iterable[Row]) -> dict[str, Outcome]:
        """Screen all rows, measure suspects afresh, and say of each what holds."""
        by_name = {str(row): row for row in rows}
        self._read(tuple(row for name, row in by_name.items() if name in self.touched))
        self._screen(by_name)
        screened = self._evidence("screen")
        verdicts = self._confirm({name: by_name[name] for name in self._to_confirm(screened)})
        confirmed = self._evidence("confirm")
        problems = {line["row"]: line["problem"] for line in self.journal.lines if "problem" in line}
        self.alarms = tuple(name for name, verdict in verdicts.items() if verdict is Verdict.INVALID)
        return {
            name: self._outcome(
                name, problems.get(name), verdicts.get(name), confirmed if name in verdicts else screened
            )
            for name in by_name
        }

    def _read(self, rows: tuple[Row, ...]) -> None:
        """The exact figures of base and head, outside of the budget: on the way Numba compiles what it never did."""
        job = self._job(rows, FIRST_SEED["screen"], 0.0)
        sides = {arm: Side(arm) for arm in ARMS}
        if self.base_interpreter is not None:
            sides["base"] = Side("base", self.base_interpreter, paths(self.base_interpreter, self.folder))
        for done, line in enumerate(read_all(job, sides), 1):
            self.found.setdefault(line["row"], {})[line["arm"]] = line
            self.progress(f"reading what compilers make of it: {done} of {len(ARMS) * len(rows)}")
        self.started = time.monotonic()

    def _suspects(self, screened: Pairs) -> set[str]:
        """Rows whose head, or whose control, seems slower than the margin."""
        heads = {name: head for name, (head, _) in screened.items()}
        controls = {name: control for name, (_, control) in screened.items()}
        return {*suspects(heads, self.margins), *suspects(controls, self.margins)}

    def _to_confirm(self, screened: Pairs) -> list[str]:
        """The suspects that there is time for, clearest first: better some of them well than all of them badly."""
        chances = {
            name: min(evidence.chance_if_unchanged(self.margins[name]) for evidence in screened[name])
            for name in self._suspects(screened)
        }
        left = self.budget - (time.monotonic() - self.started)
        affordable = left / CONFIRMING[0] / (PREPARING + self._seconds_a_row("confirm", len(chances)))
        taken = sorted(chances, key=lambda name: chances[name])[: int(max(min(affordable, len(chances)), 1))]
        self.cut_short |= len(taken) < len(chances)
        return taken

    @property
    def invalid(self) -> str:
        """Why no clock of this run is to be believed; empty where it is."""
        if not self.alarms:
            return ""
        return f"the same code against itself came out slower than the margin in {', '.join(self.alarms)}"

    def _screen(self, rows: Mapping[str, Row]) -> None:
        # A row of a model takes as long as a hundred kernels.
        for models in (False, True):
            self._screen_alike({name: row for name, row in rows.items() if (row.operation != "kernel") is models})

    def _screen_alike(self, rows: Mapping[str, Row]) -> None:
        first = 0
        for count in SCREENING:
            self._processes("screen", first, count, rows, SCREENED_BY * self.budget)
            first += count
            screened = self._evidence("screen")
            suspected = self._suspects(screened)
            rows = {
                name: row
                for name, row in rows.items()
                if name in screened and name not in suspected and not within(screened[name][0], self.margins[name])
            }

    def _confirm(self, rows: Mapping[str, Row]) -> dict[str, Verdict]:
        """Verdicts of the suspects, from processes and data that made none of them suspect."""
        verdicts: dict[str, Verdict] = {}
        first = 0
        for look, count in enumerate(CONFIRMING):
            self._processes("confirm", first, count, rows, self.budget)
            first += count
            pairs = {name: pair for name, pair in self._evidence("confirm").items() if name in rows}
            heads = {name: head for name, (head, _) in pairs.items()}
            controls = {name: control for name, (_, control) in pairs.items()}
            for name, verdict in judge(heads, controls, self.margins, self.level * spent(look)).items():
                # What was decided stays so while its control is looked at; but not if that moved.
                if verdict is Verdict.INVALID or verdicts.get(name) not in (Verdict.PASS, Verdict.FAIL):
                    verdicts[name] = verdict
            unclear = set(suspects(controls, self.margins)) if look < CONTROL_LOOKS - 1 else set()
            rows = {
                name: row
                for name, row in rows.items()
                if verdicts.get(name) is Verdict.INCONCLUSIVE
                or (name in unclear and verdicts.get(name) is not Verdict.INVALID)
            }
        return verdicts

    def _processes(self, stage: str, first: int, count: int, rows: Mapping[str, Row], until: float) -> None:
        """The processes of one look as far as they come until then, or with GRACE the two on which all depends."""
        self.look_started = time.monotonic()
        for process in range(first, first + count) if rows else ():
            end = self.started + until + (GRACE if process < 2 else 0)
            done = self.journal.rows(stage, process)
            left = {name: row for name, row in rows.items() if name not in done}
            self.cut_short |= bool(left) and time.monotonic() >= end
            while left and time.monotonic() < end:
                machine: dict[str, Any] = {}
                with watched(machine), closing(self._process(stage, process, tuple(left.values()))) as lines:
                    for line in lines:
                        left.pop(line["row"])
                        self.journal.add({"stage": stage, "process": process, **line})
                        self.progress(self._status(stage, process - first, count, len(rows), len(left)))
                        if time.monotonic() > end:
                            break
                self.journal.add({"stage": stage, "process": process, "machine": machine})

    def _status(self, stage: str, process: int, count: int, rows: int, left: int) -> str:
        """What is measured, and how long this look will take yet if it goes on as it did."""
        done, spent = process * rows + rows - left, time.monotonic() - self.look_started
        remaining = spent / done * (count * rows - done)
        what = {"screen": "screening", "confirm": "measuring suspects afresh"}[stage]
        return f"{what}: process {process + 1} of {count}, row {rows - left} of {rows}, {remaining:.0f} s left"

    def _process(self, stage: str, process: int, rows: tuple[Row, ...]) -> Generator[dict[str, Any]]:
        """The results of one fresh process as they come; of a row that kills it, that it does."""
        job = self._job(rows, FIRST_SEED[stage] + process, self._seconds_a_row(stage, len(rows)))
        if stage == "screen":
            # To load a copy takes longer than its blocks; processes in turn take another.
            copies = {arm: (names[process % len(names)],) for arm, names in self.packages.items()}
            job = replace(job, packages=copies)
        yield from results(job) if self.base_interpreter is None else results_apart(job, self.base_interpreter)

    def _job(self, rows: tuple[Row, ...], seed: int, seconds: float) -> Job:
        return Job(str(self.folder), self.packages, rows, seed, self.threads, seconds)

    def _seconds_a_row(self, stage: str, rows: int) -> float:
        """The time for the slices of a row: less where there are many, so that screening keeps within its share."""
        if stage == "confirm":
            return _worthwhile(rows)
        share = FIRST_LOOKS * self.budget / FIRST_PROCESSES / max(rows, 1) - PREPARING
        return max(LEAST_SECONDS, min(_worthwhile(rows), share))

    def _evidence(self, stage: str) -> Pairs:
        """Head's and control's log-ratios by row, a number a process, where there are two processes or more."""
        ratios: dict[str, tuple[list[float], list[float]]] = {}
        for line in self.journal.lines:
            if line["stage"] == stage and "head" in line:
                head, control = ratios.setdefault(line["row"], ([], []))
                head.append(median(line["head"]))
                control.append(median(line["control"]))
        return {
            row: (Evidence(tuple(head)), Evidence(tuple(control)))
            for row, (head, control) in ratios.items()
            if len(head) > 1
        }

    def _outcome(self, name: str, problem: str | None, verdict: Verdict | None, evidence: Pairs) -> Outcome:
        margin = self.margins[name]
        if problem is not None:
            broken = Verdict.FAIL if problem.startswith(("head", "the process")) else Verdict.INCONCLUSIVE
            return Outcome(name, broken, margin, reason=f"not comparable: {problem}")
        head, control = evidence.get(name, (None, None))
        base, changed, unreadable = self._exact(name)
        structure = tuple(compare(base, changed)) if base and changed else None
        verdict, reason = self._judged(verdict, head, margin, structure, unreadable)
        missing = unread(base, changed) if base and changed else ""
        listing = (base[LISTING], changed[LISTING]) if base and changed else ("", "")
        told = None if listing[0] == listing[1] else listing
        lines = [line for line in self.journal.lines if line.get("row") == name and "head" in line]
        seconds = median(line["base_seconds"] for line in lines) if lines else None
        return Outcome(name, verdict, margin, head, control, seconds, reason, structure, told, missing)

    def _exact(self, name: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None, str]:
        """Base's and head's exact figures, and of which side they cannot be read and why."""
        read = self.found.get(name, {})
        base, changed = (read.get(arm, {}).get("figures") for arm in ARMS)
        return base, changed, "; ".join(f"{arm}: {line['problem']}" for arm, line in read.items() if "problem" in line)

    def _judged(
        self,
        verdict: Verdict | None,
        head: Evidence | None,
        margin: float,
        structure: tuple[Difference, ...] | None,
        unreadable: str,
    ) -> tuple[Verdict, str]:
        """What holds by exact figures and the clock, which has a verdict of suspects; and the reason beside it."""
        # Exact figures have no noise to be excused by, and need no clock.
        if worse := "; ".join(difference.text for difference in structure or () if difference.worse):
            return Verdict.FAIL, worse
        if head is None:
            return Verdict.INCONCLUSIVE, "the budget ended before two processes"
        if verdict is None:
            verdict = Verdict.PASS if within(head, margin) else Verdict.INCONCLUSIVE
        if verdict is Verdict.FAIL and self.alarms:
            return Verdict.INVALID, f"slower by a clock that is not to be believed: {self.invalid}"
        if verdict is Verdict.PASS and unreadable:
            return Verdict.INCONCLUSIVE, f"exact figures cannot be read of {unreadable}"
        return verdict, ""


def _worthwhile(rows: int) -> float:
    """Seconds for the slices of each row of a process: about as many as tell most in a given time.

    A row's ratio scatters by about 0.3 % between processes, and within one by as much after a second, by half after
    four; what a process takes before its first row is shared by its rows.
    """
    return max(LEAST_SECONDS, min(MOST_SECONDS, math.sqrt(STARTING / max(rows, 1))))
