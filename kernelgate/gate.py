"""The gate: which rows are measured in how many processes, and what comes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from .journal import Journal
from .machine import watched
from .pairing import Job, Row
from .structure.differences import Difference, compare
from .verdict import FALSE_FAIL, Evidence, Verdict, judge, suspects, within

# Processes of each look. A row leaves the screening once it is shown to be within its margin, or is suspect.
SCREENING = (4, 4, 8)
CONFIRMING = (10, 14)
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
    level: float = FALSE_FAIL
    progress: Callable[[str], None] = lambda text: None
    started: float = field(default_factory=time.monotonic)
    look_started: float = 0.0

    def run(self, rows: Iterable[Row]) -> dict[str, Outcome]:
        """Screen all rows, measure suspects afresh, and say of each what holds."""
        by_name = {str(row): row for row in rows}
        self._screen(by_name)
        screened = self._evidence("screen")
        suspected = suspects({name: head for name, (head, _) in screened.items()}, self.margins)
        verdicts = self._confirm({name: by_name[name] for name in suspected})
        confirmed = self._evidence("confirm")
        problems = {line["row"]: line["problem"] for line in self.journal.lines if "problem" in line}
        return {
            name: self._outcome(
                name, problems.get(name), verdicts.get(name), confirmed if name in verdicts else screened
            )
            for name in by_name
        }

    def _screen(self, rows: Mapping[str, Row]) -> None:
        first = 0
        for count in SCREENING:
            self._processes("screen", first, count, rows)
            first += count
            screened = self._evidence("screen")
            suspected = set(suspects({name: head for name, (head, _) in screened.items()}, self.margins))
            rows = {
                name: row
                for name, row in rows.items()
                if name in screened and name not in suspected and not within(screened[name][0], self.margins[name])
            }

    def _confirm(self, rows: Mapping[str, Row]) -> dict[str, Verdict]:
        """Verdicts of the suspects, from processes and data that made none of them suspect."""
        verdicts: dict[str, Verdict] = {}
        first = 0
        for count in CONFIRMING:
            self._processes("confirm", first, count, rows)
            first += count
            evidence = {name: pair for name, pair in self._evidence("confirm").items() if name in rows}
            heads = {name: head for name, (head, _) in evidence.items()}
            controls = {name: control for name, (_, control) in evidence.items()}
            # Each look spends its share of the chance of a false FAIL.
            verdicts |= judge(heads, controls, self.margins, self.level / len(CONFIRMING))
            rows = {name: row for name, row in rows.items() if verdicts.get(name) is Verdict.INCONCLUSIVE}
        return verdicts

    def _processes(self, stage: str, first: int, count: int, rows: Mapping[str, Row]) -> None:
        self.look_started = time.monotonic()
        for process in range(first, first + count):
            if time.monotonic() - self.started > self.budget and process >= 2:
                return
            done = self.journal.rows(stage, process)
            left = {name: row for name, row in rows.items() if name not in done}
            while left:
                machine: dict[str, Any] = {}
                with watched(machine):
                    for line in self._process(stage, process, tuple(left.values())):
                        left.pop(line["row"])
                        self.journal.add({"stage": stage, "process": process, **line})
                        self.progress(self._status(stage, process - first, count, len(rows), len(left)))
                self.journal.add({"stage": stage, "process": process, "machine": machine})

    def _status(self, stage: str, process: int, count: int, rows: int, left: int) -> str:
        """What is measured, and how long this look will take yet if it goes on as it did."""
        done, spent = process * rows + rows - left, time.monotonic() - self.look_started
        remaining = spent / done * (count * rows - done)
        what = {"screen": "screening", "confirm": "measuring suspects afresh"}[stage]
        return f"{what}: process {process + 1} of {count}, row {rows - left} of {rows}, {remaining:.0f} s left"

    def _process(self, stage: str, process: int, rows: tuple[Row, ...]) -> Iterator[dict[str, Any]]:
        """The results of one fresh process as they come; of a row that kills it, that it does."""
        seed = FIRST_SEED[stage] + process
        wanted = self.touched if (stage, process) == ("screen", 0) else frozenset()
        job = Job(str(self.folder), self.packages, rows, seed, self.threads, tuple(sorted(wanted)))
        environment = os.environ | {"PYTHONHASHSEED": str(seed), "KERNELGATE_PADDING": "x" * (seed * 37 % 1024)}
        with subprocess.Popen(
            [sys.executable, "-m", "kernelgate.pairing"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        ) as worker:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(job.to_json() + "\n")
            worker.stdin.close()
            begun = ""
            try:
                for text in worker.stdout:
                    line = json.loads(text)
                    begun = line.pop("begun", "")
                    if not begun:
                        yield line
            except GeneratorExit:
                worker.kill()
                raise
        if worker.returncode:
            if not begun:
                raise RuntimeError(f"the measuring process ended with exit status {worker.returncode} before any row")
            yield {"row": begun, "problem": f"the process died with exit status {worker.returncode}"}

    def _evidence(self, stage: str) -> dict[str, tuple[Evidence, Evidence]]:
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

    def _outcome(
        self, name: str, problem: str | None, verdict: Verdict | None, evidence: Mapping[str, tuple[Evidence, Evidence]]
    ) -> Outcome:
        margin = self.margins[name]
        if problem is not None:
            broken = Verdict.FAIL if problem.startswith(("head", "the process")) else Verdict.INCONCLUSIVE
            return Outcome(name, broken, margin, reason=f"not comparable: {problem}")
        if name not in evidence:
            return Outcome(name, Verdict.INCONCLUSIVE, margin, reason="the budget ended before two processes")
        head, control = evidence[name]
        if verdict is None:
            verdict = Verdict.PASS if within(head, margin) else Verdict.INCONCLUSIVE
        lines = [line for line in self.journal.lines if line.get("row") == name and "head" in line]
        structure = next((differences(line["structure"]) for line in lines if "structure" in line), None)
        # Exact figures have no noise to be excused by.
        worse = "; ".join(difference.text for difference in structure or () if difference.worse)
        seconds = median(line["base_seconds"] for line in lines)
        return Outcome(name, Verdict.FAIL if worse else verdict, margin, head, control, seconds, worse, structure)


def differences(figures: Mapping[str, Any]) -> tuple[Difference, ...]:
    """How head's exact figures differ from base's."""
    return tuple(compare(figures["base"], figures["head"]))
