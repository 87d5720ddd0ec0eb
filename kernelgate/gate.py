"""The gate: which rows are measured in how many processes, and what comes of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

from .environments import paths
from .journal import Journal
from .machine import watched
from .outcome import Outcome, judged, not_comparable
from .pairing import Job, Row, drawn_alike
from .reading import ARMS, Side, read_all
from .verdict import FALSE_FAIL, Evidence, Verdict, judge, spent, suspects, within
from .workers import results, results_apart

# Processes of each look. A row leaves the screening once it is shown to be within its margin, or is suspect; what is
# suspect leaves the confirming once it is decided. Two processes decided a third of rows that had not changed.
SCREENING = (2, 2, 2, 2, 4, 6, 6)
# The looks that everything has before anything has more: hundreds of noisy kernels would leave models nothing, and one
# noisy model the others.
FIRST = SCREENING[:2]
CONFIRMING = (6, 6, 8, 12, 16)
# Looks at a row that is decided but for its control, which seems to have moved.
CONTROL_LOOKS = 2
# Of the budget: what the first looks at all rows are meant to take, in which most are decided, and when screening stops
# until the suspects are decided.
FIRST_LOOKS = 0.55
SCREENED_BY = 0.6
# Seconds beyond that, in which a short budget too gives kernels two processes.
GRACE = 60.0
# Seconds that a process takes before its first row, and each row before its slices; the least and most for these.
STARTING = 1.5
PREPARING = 0.07
LEAST_SECONDS = 0.05
MOST_SECONDS = 1.0
FIRST_SEED = {"screen": 1, "confirm": 1001}


# Head's and control's evidence by row.
Pairs = Mapping[str, tuple[Evidence, Evidence]]
# By their names.
Rows = Mapping[str, Row]


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
    # How much of the budget reading the figures of kernels may take; what it takes beyond is on top.
    reading_within: float = 0.0
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
        """Screen all rows, measure suspects afresh, and say of each what holds; models in the order that they have."""
        by_name = {str(row): row for row in rows}
        groups = _groups(by_name)
        self._read_kernels(by_name)
        self._screen(groups, SCREENED_BY * self.budget, GRACE)
        verdicts = self._confirm(groups)
        # What time the suspects leave the others.
        others = [{name: row for name, row in group.items() if name not in verdicts} for group in groups]
        self._screen(others, self.budget, 0.0)
        unconfirmed = self._suspects(self._evidence("screen", by_name)).difference(verdicts)
        self.cut_short |= bool(unconfirmed or self._unread(by_name))
        self.alarms = tuple(name for name, verdict in verdicts.items() if verdict is Verdict.INVALID)
        return dict(self._outcomes(by_name, verdicts))

    @property
    def invalid(self) -> str:
        """Why no clock of this run is to be believed; empty where it is."""
        if not self.alarms:
            return ""
        return f"the same code against itself came out slower than the margin in {', '.join(self.alarms)}"

    def _read_kernels(self, rows: Rows) -> None:
        """Their exact figures however long it takes, since on the way Numba compiles what is measured."""
        self._read({name: row for name, row in rows.items() if row.operation == "kernel"}, math.inf)
        now = time.monotonic()
        self.budget -= min(now - self.started, self.reading_within)
        self.started = now

    def _screen(self, groups: Sequence[Rows], until: float, grace: float) -> None:
        """Exact figures and looks at what is undecided, group by group; what is had already is gone on from."""
        for looks in (FIRST, SCREENING):
            for number, group in enumerate(groups):
                self._look(group, looks, until, 0.0 if number else grace)

    def _look(self, group: Rows, looks: Sequence[int], until: float, grace: float) -> None:
        """As `_screen`, at one group."""
        self._read(group, self.started + until)
        rows, first = group, 0
        for count in looks:
            if not (rows := self._undecided(rows, first)):
                return
            self._processes("screen", first, count, rows, until, grace)
            first += count

    def _undecided(self, rows: Rows, processes: int) -> Rows:
        """Those that so many are not enough to show to be within their margin, or to make suspects."""
        screened, problems = self._evidence("screen", rows, processes), self._problems()
        suspected = self._suspects(screened)
        return {
            name: row
            for name, row in rows.items()
            if name not in problems
            and name not in suspected
            and not (name in screened and within(*screened[name], self.margins[name]))
        }

    def _read(self, rows: Rows, until: float) -> None:
        """The exact figures of base and head where they are not had yet, as far as one comes until then."""
        left = self._unread(rows)
        if not left:
            return
        job = self._job(tuple(left.values()), FIRST_SEED["screen"], 0.0)
        sides = {arm: Side(arm) for arm in ARMS}
        if self.base_interpreter is not None:
            sides["base"] = Side("base", self.base_interpreter, paths(self.base_interpreter, self.folder))
        for done, line in enumerate(read_all(job, sides, until), 1):
            self.found.setdefault(line["row"], {})[line["arm"]] = line
            self.progress(f"reading what compilers make of {_named(left)}: {done} of {len(ARMS) * len(left)}")

    def _unread(self, rows: Rows) -> Rows:
        """Those of which exact figures are wanted and not tried to be had on both sides yet."""
        return {
            name: row
            for name, row in rows.items()
            if name in self.touched and len(self.found.get(name, {})) < len(ARMS)
        }

    def _suspects(self, screened: Pairs) -> set[str]:
        """Rows whose head, or whose control, seems slower than the margin."""
        heads = {name: head for name, (head, _) in screened.items()}
        controls = {name: control for name, (_, control) in screened.items()}
        return {*suspects(heads, self.margins), *suspects(controls, self.margins)}

    def _confirm(self, groups: Sequence[Rows]) -> dict[str, Verdict]:
        """Verdicts of the suspects; each group's spend the share that they are of all of the chance of a false FAIL."""
        chances = [self._chances(group) for group in groups]
        suspected = sum(map(len, chances))
        verdicts: dict[str, Verdict] = {}
        for number, (group, chance) in enumerate(zip(groups, chances, strict=True)):
            rows = {name: group[name] for name in self._affordable(chance)}
            level = self.level * len(chance) / max(suspected, 1)
            verdicts |= self._decide(rows, level, 0.0 if number else GRACE)
        return verdicts

    def _chances(self, rows: Rows) -> dict[str, float]:
        """Of each suspect, how likely its ratios would be if nothing had become slower."""
        screened = self._evidence("screen", rows)
        return {
            name: min(evidence.chance_if_unchanged(self.margins[name]) for evidence in screened[name])
            for name in self._suspects(screened)
        }

    def _affordable(self, chances: Mapping[str, float]) -> list[str]:
        """The suspects that there is time for, clearest first: better some of them well than all of them badly."""
        left = self.budget - (time.monotonic() - self.started)
        affordable = left / CONFIRMING[0] / (PREPARING + self._seconds_a_row("confirm", len(chances)))
        return sorted(chances, key=lambda name: chances[name])[: int(max(min(affordable, len(chances)), 1))]

    def _decide(self, rows: Rows, level: float, grace: float) -> dict[str, Verdict]:
        """Verdicts of suspects, from processes and data that made none of them suspect."""
        verdicts: dict[str, Verdict] = {}
        first = 0
        for look, count in enumerate(CONFIRMING):
            if not rows:
                break
            self._processes("confirm", first, count, rows, self.budget, grace)
            first += count
            pairs = self._evidence("confirm", rows, first)
            heads = {name: head for name, (head, _) in pairs.items()}
            controls = {name: control for name, (_, control) in pairs.items()}
            for name, verdict in judge(heads, controls, self.margins, level * spent(look)).items():
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

    def _processes(self, stage: str, first: int, count: int, rows: Rows, until: float, grace: float) -> None:
        """The processes of one look as far as they come until then, or with `grace` the two on which all depends."""
        self.look_started = time.monotonic()
        for process in range(first, first + count):
            end = self.started + until + (grace if process < 2 else 0)
            done = self.journal.rows(stage, process)
            left = {name: row for name, row in rows.items() if name not in done}
            while left and time.monotonic() < end:
                machine: dict[str, Any] = {}
                with watched(machine), closing(self._process(stage, process, tuple(left.values()), end)) as lines:
                    for line in lines:
                        left.pop(line["row"])
                        self.journal.add({"stage": stage, "process": process, **line})
                        self.progress(self._status(stage, process - first, count, rows, len(left)))
                self.journal.add({"stage": stage, "process": process, "machine": machine})
            self.cut_short |= bool(left) and until >= self.budget

    def _status(self, stage: str, process: int, count: int, rows: Rows, left: int) -> str:
        """What is measured, and how long this look will take yet if it goes on as it did."""
        done, spent = process * len(rows) + len(rows) - left, time.monotonic() - self.look_started
        remaining = spent / done * (count * len(rows) - done)
        what = {"screen": "screening", "confirm": "measuring suspects afresh,"}[stage]
        where = f"process {process + 1} of {count}, row {len(rows) - left} of {len(rows)}"
        return f"{what} {_named(rows)}: {where}, {remaining:.0f} s left"

    def _process(self, stage: str, process: int, rows: tuple[Row, ...], until: float) -> Generator[dict[str, Any]]:
        """The results of one fresh process as they come; of a row that kills it, that it does."""
        job = self._job(rows, FIRST_SEED[stage] + process, self._seconds_a_row(stage, len(rows)))
        if stage == "screen":
            # To load a copy takes longer than its blocks; processes in turn take another.
            copies = {arm: (names[process % len(names)],) for arm, names in self.packages.items()}
            job = replace(job, packages=copies)
        if self.base_interpreter is None:
            yield from results(job, until=until)
        else:
            yield from results_apart(job, self.base_interpreter, until)

    def _job(self, rows: tuple[Row, ...], seed: int, seconds: float) -> Job:
        return Job(str(self.folder), self.packages, rows, seed, self.threads, seconds)

    def _seconds_a_row(self, stage: str, rows: int) -> float:
        """The time for the slices of a row: less where there are many, so that screening keeps within its share."""
        if stage == "confirm":
            return _worthwhile(rows)
        share = FIRST_LOOKS * self.budget / sum(FIRST) / max(rows, 1) - PREPARING
        return max(LEAST_SECONDS, min(_worthwhile(rows), share))

    def _evidence(self, stage: str, rows: Container[str], processes: float = math.inf) -> Pairs:
        """Head's and control's log-ratios by row, a number a process, where there are two processes or more.

        Of the first so many processes: a run that goes on where it was killed in the middle of a look has more.
        """
        ratios: dict[str, tuple[list[float], list[float]]] = {}
        for line in self._measured(rows):
            if line["stage"] == stage and line["process"] < processes:
                head, control = ratios.setdefault(line["row"], ([], []))
                head.append(median(line["head"]))
                control.append(median(line["control"]))
        return {
            row: (Evidence(tuple(head)), Evidence(tuple(control)))
            for row, (head, control) in ratios.items()
            if len(head) > 1
        }

    def _measured(self, rows: Container[str]) -> Iterator[dict[str, Any]]:
        return (line for line in self.journal.lines if "head" in line and line["row"] in rows)

    def _problems(self) -> dict[str, str]:
        """Of rows that could not be measured, why."""
        return {line["row"]: line["problem"] for line in self.journal.lines if "problem" in line}

    def _outcomes(self, rows: Rows, confirmed: Mapping[str, Verdict]) -> Iterator[tuple[str, Outcome]]:
        problems = self._problems()
        # What was measured afresh is judged by that alone.
        evidence = {**self._evidence("screen", rows), **self._evidence("confirm", confirmed)}
        seconds: dict[str, list[float]] = {name: [] for name in rows}
        for line in self._measured(rows):
            seconds[line["row"]].append(line["base_seconds"])
        for name in rows:
            if name in problems:
                yield name, not_comparable(name, self.margins[name], problems[name])
                continue
            head, control = evidence.get(name, (None, None))
            base_seconds = median(seconds[name]) if seconds[name] else None
            clocked = Outcome(name, Verdict.INCONCLUSIVE, self.margins[name], head, control, base_seconds)
            read = self.found.get(name, {} if name in self.touched else None)
            yield name, judged(clocked, read, confirmed.get(name), self.invalid)


def _groups(rows: Rows) -> list[Rows]:
    """What is screened together: all kernels; of models, whose rows take as long as a hundred, what draws alike."""
    groups: dict[tuple[str, ...], dict[str, Row]] = {}
    for name, row in rows.items():
        groups.setdefault(() if row.operation == "kernel" else drawn_alike(row), {})[name] = row
    return [groups[alike] for alike in sorted(groups, key=bool)]


def _named(rows: Rows) -> str:
    """What a group's rows are rows of."""
    row = next(iter(rows.values()))
    return "kernels" if row.operation == "kernel" else f"{row.operation} of {row.kernel} {row.case} {row.dtype}"


def _worthwhile(rows: int) -> float:
    """Seconds for the slices of each row of a process: about as many as tell most in a given time.

    A row's ratio scatters by about 0.3 % between processes, and within one by as much after a second, by half after
    four; what a process takes before its first row is shared by its rows.
    """
    return max(LEAST_SECONDS, min(MOST_SECONDS, math.sqrt(STARTING / max(rows, 1))))
