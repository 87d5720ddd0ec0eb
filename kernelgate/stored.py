"""Plain runs beside stored ones: what pytest-benchmark's `--benchmark-compare` lets pass in silence is said, or fails.

A benchmark without stored figures, a comparison of nothing, a run of another machine, a run that skipped everything.
`--benchmark-compare-fail` makes all of them failures; to look at history, only a comparison of nothing is one.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import pytest

# What makes it another machine. A host name, a kernel release or a clock of the moment do not.
MACHINE = ("system", "machine")
PROCESSOR = ("brand_raw", "arch", "count")
MOST_NAMES = 5


class StoredRuns:
    """Registered in every run: listens to pytest-benchmark's hooks, and has the last word on the exit status."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.compares = bool(config.getoption("benchmark_compare", None))
        self.decides = bool(config.getoption("benchmark_compare_fail", None))
        self.only = bool(config.getoption("benchmark_only", None))
        self.stored_runs = 0
        self.other_machines: list[str] = []
        self.measured: list[str] = []
        self.without_baseline: list[str] = []

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_benchmark_compare_machine_info(
        self, machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
    ) -> None:
        """Takes out of both sides what differs between runs on one machine, so that a warning means another machine."""
        self.stored_runs += 1
        here, there = machine(machine_info), machine(compared_benchmark["machine_info"])
        differing = [f"{name} {there[name]} there, {here[name]} here" for name in here if here[name] != there[name]]
        if differing:
            self.other_machines.append("; ".join(differing))
        for side in (machine_info, compared_benchmark["machine_info"]):
            for name in ("limits", "threads"):
                side.get("kernelgate", {}).pop(name, None)
            for name in ("hz_actual", "hz_actual_friendly"):
                side.get("cpu", {}).pop(name, None)

    @pytest.hookimpl(optionalhook=True, wrapper=True)
    def pytest_benchmark_group_stats(self, benchmarks: list[dict[str, Any]]) -> Generator[None, Any, Any]:
        """Called once, with this run's benchmarks (they have no path) and their stored counterparts."""
        mine = [bench for bench in benchmarks if bench["path"] is None]
        self.measured = [bench["name"] for bench in mine]
        self.without_baseline = [bench["name"] for bench in mine if not bench["source"]]
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and self.faults():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(wrapper=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> Generator[None]:
        try:
            return (yield)
        finally:  # after a regression too, which pytest-benchmark reports by raising
            if lines := [*self.faults(), *self.remarks()]:
                terminalreporter.section("kernelgate: stored runs")
                for line in lines:
                    terminalreporter.write_line(line)

    def faults(self) -> list[str]:
        """What makes the run red, a line each."""
        if self.config.option.collectonly:
            return []
        if self.compares or self.decides:
            nothing = self._nothing_compared()
            return [f"nothing was compared: {nothing}"] if nothing else self._doubts() if self.decides else []
        if self.only and not self.measured and not self.config.getoption("against"):
            return ["--benchmark-only, and no benchmark ran"]
        return []

    def remarks(self) -> list[str]:
        """What is only said: in a run to look at history."""
        return self._doubts() if self.compares and not self.decides and not self._nothing_compared() else []

    def _nothing_compared(self) -> str:
        if not self.measured:
            return "no benchmark ran"
        if not self.compares:
            return "--benchmark-compare-fail needs --benchmark-compare, to say with what"
        if not self.stored_runs:
            return "there is no stored run; make one with --benchmark-autosave"
        if len(self.without_baseline) == len(self.measured):
            return f"none of the {len(self.measured)} benchmarks that ran is in the stored run"
        return ""

    def _doubts(self) -> list[str]:
        doubts = [f"the stored run is of another machine: {differing}" for differing in self.other_machines]
        if self.without_baseline:
            names = ", ".join(self.without_baseline[:MOST_NAMES])
            more = len(self.without_baseline) - MOST_NAMES
            doubts.append(
                f"{len(self.without_baseline)} of {len(self.measured)} benchmarks have no stored figures to compare "
                f"with: {names}{f' and {more} more' if more > 0 else ''}"
            )
        return doubts


def machine(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a run's figures hang on, by name: processor, threads and accelerators, as far as the run recorded them."""
    processor, own = info.get("cpu", {}), info.get("kernelgate", {})
    return {
        **{name: info.get(name) for name in MACHINE},
        **{f"processor {name.removesuffix('_raw')}": processor.get(name) for name in PROCESSOR},
        "threads": own.get("threads", {}).get("processors"),
        "accelerators": own.get("accelerators") or "none",
    }


def accelerators(devices: list[str]) -> dict[str, str]:
    """What JAX calls each device asked for but the CPU, as far as it is there: what is not fails elsewhere."""
    from .devices import UnavailableError, installed, jax_device

    found = {}
    for name in devices if installed("jax") else []:
        if name != "cpu":
            try:
                found[name] = str(jax_device(name).device_kind)
            except UnavailableError:
                continue
    return found
