"""Which rows the gate measures how often, on measurements made up so that the truth is known."""

import math
import os
import zlib

import numpy as np
import pytest
from false_clock import FalseClock

from kernelgate.gate import (
    CONFIRMING,
    FIRST_LOOKS,
    FIRST_PROCESSES,
    GRACE,
    LEAST_SECONDS,
    MOST_SECONDS,
    PREPARING,
    SCREENED_BY,
    SCREENING,
    STARTING,
    Gate,
)
from kernelgate.journal import Journal, JournalError
from kernelgate.pairing import Row
from kernelgate.structure.differences import LISTING
from kernelgate.verdict import Verdict


@pytest.fixture(autouse=True)
def _nothing_is_forced_to_disk(monkeypatch):
    """What a kill of the machine would lose is not the question here, and costs a minute."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def row(name):
    operation = "decode" if name.startswith("model") else "kernel"
    return Row(name, operation, "numpy_plain", "case", "f32", "cpu")


class FalseGate(Gate):
    """A gate whose processes draw their ratios: `slowdowns` of head, `drifts` of control, noise between processes."""

    def __init__(
        self,
        folder,
        slowdowns,
        *,
        drifts=None,
        noise=0.01,
        seed=0,
        resume=False,
        dies=(),
        killed_after=None,
        structure=None,
    ):
        self.rows = {str(row(name)): row(name) for name in slowdowns}
        super().__init__(
            folder=folder,
            packages={},
            margins=dict.fromkeys(self.rows, 0.01),
            journal=Journal(folder / "journal.jsonl", {"rows": sorted(self.rows)}, resume),
            threads=1,
            budget=math.inf,
        )
        self.slowdowns, self.drifts, self.noise, self.seed = slowdowns, drifts or {}, noise, seed
        self.dies, self.killed_after, self.measured = dies, killed_after, []
        self.found = {row: structure for row in self.rows if structure}

    def _read(self, rows):
        pass

    def _process(self, stage, process, rows):
        for one in rows:
            if len(self.measured) == self.killed_after:
                raise KeyboardInterrupt
            self.measured.append((stage, process, one.kernel))
            if one.kernel in self.dies:
                yield {"row": str(one), "problem": "head: ValueError: no"}
                continue
            rng = np.random.default_rng([self.seed, stage == "confirm", process, zlib.crc32(one.kernel.encode())])
            head = math.log1p(self.slowdowns[one.kernel]) + rng.normal(0, self.noise)
            control = self.drifts.get(one.kernel, 0.0) + rng.normal(0, self.noise)
            yield {
                "row": str(one),
                "base_seconds": 1e-3,
                "head": [head] * 5,
                "control": [control] * 5,
            }

    def verdicts(self):
        return {name.partition("-")[0]: outcome.verdict for name, outcome in self.run(self.rows.values()).items()}


MORE = {arm: {"figures": {"programs": count, LISTING: ""}} for arm, count in (("base", 1), ("head", 2))}


def test_unchanged_code_never_fails_in_a_hundred_suites(tmp_path):
    for seed in range(100):
        folder = tmp_path / str(seed)
        folder.mkdir()
        verdicts = FalseGate(folder, {f"k{n}": 0.0 for n in range(30)}, noise=0.02, seed=seed).verdicts()
        assert Verdict.FAIL not in verdicts.values()


@pytest.mark.parametrize(("slowdown", "share"), [(0.03, 0.8), (0.05, 0.95), (0.1, 1.0)])
def test_planted_slowdowns_are_found(tmp_path, slowdown, share):
    verdicts = FalseGate(tmp_path, {f"k{n}": slowdown for n in range(40)}, noise=0.012).verdicts()
    assert np.mean([verdict is Verdict.FAIL for verdict in verdicts.values()]) >= share


def test_one_slow_row_among_many(tmp_path):
    slowdowns = {f"k{n}": 0.0 for n in range(30)} | {"slow": 0.05}
    verdicts = FalseGate(tmp_path, slowdowns).verdicts()
    assert verdicts.pop("slow") is Verdict.FAIL
    assert set(verdicts.values()) <= {Verdict.PASS, Verdict.INCONCLUSIVE}


def test_what_is_quiet_is_screened_once_and_suspects_afresh(tmp_path):
    gate = FalseGate(tmp_path, {"quiet": 0.0, "slow": 0.2}, noise=0.001)
    gate.verdicts()
    assert {process for stage, process, name in gate.measured if name == "quiet"} == set(range(SCREENING[0]))
    confirmed = [process for stage, process, name in gate.measured if (stage, name) == ("confirm", "slow")]
    assert confirmed == list(range(CONFIRMING[0]))
    assert not gate.cut_short


def test_a_row_whose_control_moves_is_invalid_and_not_red(tmp_path):
    verdicts = FalseGate(tmp_path, {"row": 0.1}, drifts={"row": 0.1}, noise=0.002).verdicts()
    assert verdicts == {"row": Verdict.INVALID}


def test_where_one_control_moves_no_clock_of_the_run_is_believed(tmp_path):
    slowdowns = {"moved": 0.0, "slow": 0.1, "quiet": 0.0}
    gate = FalseGate(tmp_path, slowdowns, drifts={"moved": 0.1}, noise=0.002)
    outcomes = gate.run(gate.rows.values())
    assert gate.alarms == (str(row("moved")),)
    verdicts = {name.partition("-")[0]: outcome.verdict for name, outcome in outcomes.items()}
    assert verdicts == {"moved": Verdict.INVALID, "slow": Verdict.INVALID, "quiet": Verdict.PASS}
    assert str(row("moved")) in outcomes[str(row("slow"))].reason


def test_a_control_that_moves_is_found_beside_a_head_that_does_not(tmp_path):
    gate = FalseGate(tmp_path, {"moved": 0.0}, drifts={"moved": 0.03}, noise=0.005)
    assert gate.verdicts() == {"moved": Verdict.INVALID}


def test_figures_without_noise_fail_in_an_invalid_run_too(tmp_path):
    gate = FalseGate(tmp_path, {"moved": 0.0, "worse": 0.1}, drifts={"moved": 0.1}, noise=0.002, structure=MORE)
    assert set(gate.verdicts().values()) == {Verdict.FAIL}


@pytest.mark.parametrize(("structure", "verdict"), [(MORE, Verdict.FAIL), (None, Verdict.INCONCLUSIVE)])
def test_figures_without_noise_fail_where_the_budget_left_no_time_for_a_clock(tmp_path, structure, verdict):
    gate = FalseGate(tmp_path, {"worse": 0.0}, structure=structure)
    gate.started = -math.inf
    gate.budget = 0.0
    (outcome,) = gate.run(gate.rows.values()).values()
    assert gate.measured == []
    assert (outcome.verdict, outcome.head) == (verdict, None)
    assert outcome.reason == ("programs 1 -> 2" if structure else "the budget ended before two processes")


def test_a_row_whose_figures_cannot_be_read_does_not_pass(tmp_path):
    broken = {"base": {"figures": {"programs": 1, LISTING: ""}}, "head": {"problem": "KeyError: 'flops'"}}
    gate = FalseGate(tmp_path, {"quiet": 0.0}, noise=0.001, structure=broken)
    (outcome,) = gate.run(gate.rows.values()).values()
    assert (outcome.verdict, outcome.structure) == (Verdict.INCONCLUSIVE, None)
    assert outcome.reason == "exact figures cannot be read of head: KeyError: 'flops'"


def test_processes_that_screen_take_the_copies_in_turn_and_those_that_confirm_take_all(tmp_path, monkeypatch):
    gate = FalseGate(tmp_path, {"a": 0.0})
    gate.packages = {"base": ("b0", "b1"), "head": ("h0", "h1")}
    monkeypatch.setattr("kernelgate.gate.results", lambda job: [job.packages])
    taken = [next(Gate._process(gate, stage, process, ())) for stage, process in (("screen", 2), ("screen", 3))]
    assert taken == [{"base": ("b0",), "head": ("h0",)}, {"base": ("b1",), "head": ("h1",)}]
    assert next(Gate._process(gate, "confirm", 0, ())) == gate.packages


def test_many_rows_get_fewer_seconds_each_and_few_get_enough(tmp_path):
    gate = FalseGate(tmp_path, {"a": 0.0})
    gate.budget = 600.0
    assert gate._seconds_a_row("screen", 1) == gate._seconds_a_row("confirm", 1) == MOST_SECONDS
    # Twenty rows then take what starting their process takes, times the root of twenty.
    assert 20 * gate._seconds_a_row("confirm", 20) == pytest.approx(STARTING * math.sqrt(20 / STARTING))
    assert gate._seconds_a_row("screen", 20) == gate._seconds_a_row("confirm", 20)
    assert gate._seconds_a_row("screen", 1000) == LEAST_SECONDS
    gate.budget = 60.0
    assert LEAST_SECONDS < gate._seconds_a_row("screen", 60) < gate._seconds_a_row("confirm", 60)
    first_looks = FIRST_PROCESSES * 60 * (gate._seconds_a_row("screen", 60) + PREPARING)
    assert first_looks == pytest.approx(FIRST_LOOKS * gate.budget)


def test_of_more_suspects_than_there_is_time_for_the_clearest_are_measured_afresh(tmp_path):
    slowdowns = {f"k{n}": 0.02 for n in range(30)} | {"slow": 0.2}
    gate = FalseGate(tmp_path, slowdowns, noise=0.005)
    gate.budget = 10 * CONFIRMING[0] * (PREPARING + gate._seconds_a_row("confirm", 31))
    verdicts = gate.verdicts()
    confirmed = {name for stage, _, name in gate.measured if stage == "confirm"}
    assert "slow" in confirmed
    assert len(confirmed) == pytest.approx(10, abs=1)
    assert gate.cut_short
    assert {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL} <= confirmed
    assert {verdicts[name] for name in slowdowns.keys() - confirmed} == {Verdict.INCONCLUSIVE}


def test_models_have_what_time_kernels_leave_and_not_more(tmp_path, monkeypatch):
    clock = FalseClock()
    monkeypatch.setattr("kernelgate.gate.time", clock)
    gate = FalseGate(tmp_path, dict.fromkeys(["model", "kernel", *(f"model{n}" for n in range(100))], 0.0), noise=0.001)
    gate.started, gate.progress = clock.now, lambda text: clock.sleep(10.0)
    gate.budget = 600.0
    outcomes = gate.run(gate.rows.values())
    assert [name for _, _, name in gate.measured[: SCREENING[0]]] == ["kernel"] * SCREENING[0]
    assert clock.now == pytest.approx(SCREENED_BY * gate.budget + GRACE, abs=20)
    assert gate.cut_short
    verdicts = {outcome.verdict for name, outcome in outcomes.items() if name.startswith("decode")}
    assert verdicts == {Verdict.INCONCLUSIVE}
    assert outcomes[str(row("kernel"))].verdict is Verdict.PASS


def test_a_short_budget_has_two_processes(tmp_path, monkeypatch):
    clock = FalseClock()
    monkeypatch.setattr("kernelgate.gate.time", clock)
    gate = FalseGate(tmp_path, {"quiet": 0.0, "slow": 0.2}, noise=0.001)
    gate.started, gate.progress = clock.now, lambda text: clock.sleep(5.0)
    gate.budget = 1.0
    gate.verdicts()
    assert gate.cut_short
    assert sorted(gate.measured) == sorted(
        [("screen", n, name) for n in (0, 1) for name in ("quiet", "slow")] + [("confirm", n, "slow") for n in (0, 1)]
    )


def test_a_budget_that_ends_after_all_was_decided_cut_nothing_short(tmp_path, monkeypatch):
    clock = FalseClock()
    monkeypatch.setattr("kernelgate.gate.time", clock)
    gate = FalseGate(tmp_path, {"quiet": 0.0}, noise=0.0005)
    gate.started, gate.progress = clock.now, lambda text: clock.sleep(5.0)
    gate.budget = 1.0
    assert gate.verdicts() == {"quiet": Verdict.PASS}
    assert not gate.cut_short


def test_code_that_raises_on_head_fails_and_says_why(tmp_path):
    gate = FalseGate(tmp_path, {"broken": 0.0, "fine": 0.0}, dies=("broken",), noise=0.001)
    outcomes = gate.run(gate.rows.values())
    assert outcomes[str(row("broken"))].verdict is Verdict.FAIL
    assert outcomes[str(row("broken"))].reason == "not comparable: head: ValueError: no"
    assert outcomes[str(row("fine"))].verdict is Verdict.PASS


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    slowdowns = {"a": 0.0, "b": 0.05, "c": 0.0}
    (tmp_path / "whole").mkdir()
    whole = FalseGate(tmp_path / "whole", slowdowns)
    verdicts = whole.verdicts()
    killed = FalseGate(tmp_path, slowdowns, killed_after=7)
    with pytest.raises(KeyboardInterrupt):
        killed.verdicts()
    with (tmp_path / "journal.jsonl").open("a") as file:
        file.write('{"stage": "screen", "proc')  # the kill came in the middle of a line
    resumed = FalseGate(tmp_path, slowdowns, resume=True)
    assert resumed.verdicts() == verdicts
    assert not set(killed.measured) & set(resumed.measured)
    assert sorted(killed.measured + resumed.measured) == sorted(whole.measured)


def test_a_journal_of_another_comparison_is_refused(tmp_path):
    FalseGate(tmp_path, {"a": 0.0})
    with pytest.raises(JournalError, match="run without --resume"):
        FalseGate(tmp_path, {"b": 0.0}, resume=True)
    with pytest.raises(JournalError, match="there is no journal"):
        FalseGate(tmp_path / "elsewhere", {"a": 0.0}, resume=True)
