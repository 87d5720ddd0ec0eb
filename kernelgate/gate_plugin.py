"""`pytest --against REF`: the collected benchmarks are measured by the gate, and each test reports its verdict."""

from __future__ import annotations

import functools
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from . import gate_report, threads
from .against import Base, RefError, changed_dependencies, changed_files, digest, lay_out, resolve
from .environments import EnvironmentRefused, build, named
from .gate import Gate
from .gate_options import BUDGET, BUILD, READING, WAITING, share
from .imports import binding, closure
from .journal import Journal, JournalError
from .kernel import BACKENDS, backend_of, itemsize
from .machine import told
from .outcome import Outcome
from .pairing import Row
from .plugin import SELECTION, operation_of
from .verdict import FALSE_FAIL, Verdict

SECONDS_A_LINE = 15


class GatePlugin:
    """Registered when there is something to compare with."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.package: str = config.getini("kernels")
        self.root = config.rootpath
        try:
            self.base: Base = resolve(self.root, config.getoption("against"), self.package)
        except RefError as error:
            raise pytest.UsageError(str(error)) from None
        self.outcomes: dict[str, Outcome] = {}
        self.journal: Journal | None = None
        self.invalid = ""
        self.judged = False
        # Whether there are benchmarks, but none that is changed or in this shard: then there is nothing wrong.
        self.nothing_left = False
        self.notes: list[str] = []
        self.told = 0.0

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave the benchmarks; with `--changed`, of files that are not the base's; with `--shard`, every so many."""
        kept = [item for item in items if "measure" in getattr(item, "fixturenames", ())]
        # A library is no code of REF's or head's.
        asked = kept = [item for item in kept if not BACKENDS[backend_of(row_of(item).impl)].library]
        if self.config.getoption("changed"):
            kept = [item for item in kept if (row_of(item).kernel, row_of(item).impl) in self.touched]
        number, count = self.config.getoption("shard")
        kept = kept[number - 1 :: count]
        self.nothing_left = bool(asked) and not kept
        self.config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
        for item in items:
            item.add_marker(pytest.mark.filterwarnings("ignore:Benchmark fixture was not used"))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Measure, before the tests report what came of it."""
        if session.testsfailed or self.config.option.collectonly:
            return
        rows = [row_of(item) for item in session.items]
        with tempfile.TemporaryDirectory(prefix="kernelgate-") as folder:
            try:
                packages = lay_out(self.root, self.base, self.package, Path(folder))
                self.journal = self._journal(rows)
                interpreter = self._base_interpreter(rows)
            except (RefError, JournalError, EnvironmentRefused) as error:
                raise pytest.UsageError(str(error)) from None
            there = implementations(Path(folder) / packages["base"][0])
            here = implementations(self.root / self.package)
            known = [row for row in rows if (row.kernel, row.impl) in there]
            touched = [row for row in known if (row.kernel, row.impl) in self.touched]
            # What runs base's files in base's environment is base itself: to measure it would tell nothing.
            measured = touched if interpreter is None else known
            budget, reading_within = self._seconds()
            gate = Gate(
                folder=Path(folder),
                packages=packages,
                margins={str(row): self._margin(row) for row in measured},
                journal=self.journal,
                threads=threads.available(),
                budget=budget,
                reading_within=reading_within,
                touched=frozenset(map(str, touched)),
                base_interpreter=interpreter,
                # Each shard spends its share of the whole suite's chance of a false FAIL.
                level=FALSE_FAIL / self.config.getoption("shard")[1],
                progress=self._progress,
            )
            self.outcomes = gate.run(sorted(measured, key=self._bytes))
            self.invalid = gate.invalid
            if gate.cut_short:
                self.notes.append("the budget ended first: --resume with a longer --budget goes on from here")
        for row in set(known).difference(measured):
            self._unmeasured(row, Verdict.PASS, f"runs no code but that of {self.base}")
        for row in set(rows).difference(known):
            self._unmeasured(row, Verdict.NEW, f"not at {self.base}")
        for kernel, impl in sorted(there - here):
            name = f"{kernel}-{impl}"
            self.outcomes[name] = Outcome(name, Verdict.MISSING, 0.0, reason=f"at {self.base}, not here")
        self.judged = True

    def _bytes(self, row: Row) -> float:
        """That a call moves: small models come before large ones and a generated text last, since time may end."""
        kernel = self.config.stash[SELECTION].folders[row.kernel].operations[row.operation]
        return kernel.work(itemsize(row.dtype), **kernel.dims(row.case)).bytes

    def _unmeasured(self, row: Row, verdict: Verdict, reason: str) -> None:
        self.outcomes[str(row)] = Outcome(str(row), verdict, self._margin(row), reason=reason)

    def report(self, item: pytest.Item) -> None:
        """Fail the test if the gate found its row slower."""
        outcome = self.outcomes[str(row_of(item))]
        if outcome.verdict is Verdict.FAIL:
            pytest.fail(gate_report.sentence(outcome, self.base), pytrace=False)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        folder = self.config.getoption("gate_report")
        if folder is not None and self.judged:
            self._write(folder)
        if self.nothing_left and exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = exitstatus = pytest.ExitCode.OK
        strict = self.config.getoption("gate_strict") and exitstatus == pytest.ExitCode.OK
        undecided = {Verdict.INCONCLUSIVE, Verdict.MISSING, Verdict.INVALID}
        if strict and any(outcome.verdict in undecided for outcome in self.outcomes.values()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.judged:
            terminalreporter.section(f"kernelgate: head against {self.base}")
            verbose = self.config.getoption("verbose") > 0
            for line in gate_report.table(self._report(), verbose):
                terminalreporter.write_line(line)

    def _write(self, folder: Path) -> None:
        report = self._report()
        gate_report.write(folder, report)
        # The picture needs the extra `report`; what decides does not.
        if find_spec("plotly"):
            from .pictures import gate_html

            gate_html.write(folder / "gate.html", report.document, self.journal.lines if self.journal else ())

    @functools.cached_property
    def changed_files(self) -> set[str]:
        return changed_files(self.root, self.base, self.package)

    def _seconds(self) -> tuple[float, float]:
        """The budget, and how much of it reading may take."""
        asked: float | None = self.config.getoption("budget")
        if asked is None and self.config.getoption("changed"):
            return WAITING, READING
        return asked or BUDGET, 0.0

    def _margin(self, row: Row) -> float:
        asked = self.config.getoption("margin")
        own = self.config.stash[SELECTION].folders[row.kernel].operations[row.operation].margin
        return next(margin for margin in (asked, own, share(self.config.getini("margin"))) if margin is not None)

    def _journal(self, rows: list[Row]) -> Journal:
        path = self.config.rootpath / ".kernelgate" / "journal.jsonl"
        head = digest(self.root / self.package)
        comparison = {"base": self.base.commit, "head": head, "rows": sorted(map(str, rows))}
        if self.config.getoption("against_env"):
            comparison["environment"] = self.config.getoption("against_env")
        return Journal(path, comparison, self.config.getoption("resume"))

    def _base_interpreter(self, rows: list[Row]) -> str | None:
        """Where base and control run, if not here."""
        asked = self.config.getoption("against_env")
        if asked is None:
            return None
        needed = sorted({package for row in rows for package in BACKENDS[backend_of(row.impl)].requires})
        if asked == BUILD:
            built = build(self.root, self.base, self.config.getini("lock"), self._progress)
            self.notes.append(
                f"{self.base} ran in an environment with its own lock file's versions"
                if built
                else f"both sides ran in one environment: the lock file is {self.base}'s"
            )
            return built and named(built, needed)
        self.notes.append(f"{self.base} ran in the environment of {asked}")
        return named(asked, needed)

    @functools.cached_property
    def touched(self) -> set[tuple[str, str]]:
        """Kernel and implementation of every file that is changed, or runs one that is.

        Of a spec only what it binds is run by each side; else both are measured by head's. All where something changed
        that is no Python: who reads it, cannot be told.
        """
        package, folders = self.root / self.package, self.config.stash[SELECTION].folders

        @functools.cache
        def bound(kernel: str) -> set[Path]:
            binds = {operation.bind for operation in folders[kernel].operations.values() if operation.bind}
            return set().union(*(binding(package, package / kernel / "spec.py", bind) for bind in binds))

        changed = {package / name for name in self.changed_files}
        return {
            (kernel, impl)
            for kernel, impl in implementations(package)
            if any(file.suffix != ".py" for file in changed)
            or changed & (closure(package, package / kernel / f"{impl}.py") | bound(kernel))
        }

    def _report(self) -> gate_report.Report:
        notes = [f"the run is INVALID: {self.invalid}"] if self.invalid else []
        notes += self.notes
        if specs := [file for file in sorted(self.changed_files) if file.endswith("spec.py")]:
            notes.append(f"{', '.join(specs)} changed: both sides have head's inputs")
        one_environment = self.config.getoption("against_env") is None
        if one_environment and (changed := changed_dependencies(self.root, self.base, self.config.getini("lock"))):
            notes.append(f"both sides ran with head's dependencies, though the lock file changed: {', '.join(changed)}")
        if self.journal and (machine := told([line["machine"] for line in self.journal.lines if "machine" in line])):
            notes.append(machine)
        return gate_report.Report(self.base, tuple(self.outcomes.values()), tuple(notes))

    def _progress(self, text: str) -> None:
        """On a terminal a line that changes; in a log a line now and then."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and sys.stdout.isatty():
            reporter.rewrite(text, erase=True)
        elif reporter is not None and time.monotonic() - self.told > SECONDS_A_LINE:
            self.told = time.monotonic()
            reporter.write_line(text)


def row_of(item: pytest.Item) -> Row:
    """The names in a benchmark's id."""
    parameters = item.callspec.params  # type: ignore[attr-defined]
    operation = operation_of(item.function, item.get_closest_marker("subjects"))  # type: ignore[attr-defined]
    return Row(
        operation=operation, **{name: parameters[name] for name in ("kernel", "impl", "case", "dtype", "device")}
    )


def implementations(package: Path) -> set[tuple[str, str]]:
    """Kernel and implementation of each file of the package on disk."""
    return set(_implementations(package))


def _implementations(package: Path) -> Iterator[tuple[str, str]]:
    for spec in package.glob("*/spec.py"):
        for file in spec.parent.glob("*.py"):
            if file.stem not in ("spec", "__init__"):
                yield spec.parent.name, file.stem
