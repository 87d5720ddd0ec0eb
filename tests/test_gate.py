"""Which rows the gate measures how often, on measurements made up so that the truth is known."""

import math
import os
from functools import partial

import numpy as np
import pytest
from false_gate import FalseGate, row

from kernelgate.gate import CONFIRMING, SCREENING, Gate
from kernelgate.journal import JournalError
from kernelgate.structure.differences import LISTING
from kernelgate.verdict import Verdict


@pytest.fixture(autouse=True)
def _nothing_is_forced_to_disk(monkeypatch):
    """What a kill of the machine would lose is not the question here, and costs a minute."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


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
    for name in ("quiet", "slow"):
        screened = [process for stage, process, screened in gate.measured if (stage, screened) == ("screen", name)]
        assert screened == list(range(SCREENING[0]))
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
    gate.budget = -math.inf
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
    monkeypatch.setattr("kernelgate.gate.results", lambda job, until: [job.packages])
    taken = [next(Gate._process(gate, "screen", process, (), math.inf)) for process in (2, 3)]
    assert taken == [{"base": ("b0",), "head": ("h0",)}, {"base": ("b1",), "head": ("h1",)}]
    assert next(Gate._process(gate, "confirm", 0, (), math.inf)) == gate.packages


def test_code_that_raises_on_head_fails_and_says_why(tmp_path):
    gate = FalseGate(tmp_path, {"broken": 0.0, "fine": 0.0}, dies=("broken",), noise=0.001)
    outcomes = gate.run(gate.rows.values())
    assert outcomes[str(row("broken"))].verdict is Verdict.FAIL
    assert outcomes[str(row("broken"))].reason == "not comparable: head: ValueError: no"
    assert outcomes[str(row("fine"))].verdict is Verdict.PASS
    assert [name for _, _, name in gate.measured].count("broken") <= SCREENING[0]


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    gate = partial(FalseGate, slowdowns={"a": 0.0, "b": 0.05, "c": 0.0, "d": 0.02}, seed=10)
    (tmp_path / "whole").mkdir()
    whole = gate(tmp_path / "whole")
    verdicts = whole.verdicts()
    # In the middle of each look, and between any two.
    for at in range(1, len(whole.measured)):
        killed = gate(tmp_path, killed_after=at)
        with pytest.raises(KeyboardInterrupt):
            killed.verdicts()
        with (tmp_path / "journal.jsonl").open("a") as file:
            file.write('{"stage": "screen", "proc')  # the kill came in the middle of a line
        resumed = gate(tmp_path, resume=True)
        assert resumed.verdicts() == verdicts
        assert not set(killed.measured) & set(resumed.measured)
        assert sorted(killed.measured + resumed.measured) == sorted(whole.measured)


def test_a_journal_of_another_comparison_is_refused(tmp_path):
    FalseGate(tmp_path, {"a": 0.0})
    with pytest.raises(JournalError, match="run without --resume"):
        FalseGate(tmp_path, {"b": 0.0}, resume=True)
    with pytest.raises(JournalError, match="there is no journal"):
        FalseGate(tmp_path / "elsewhere", {"a": 0.0}, resume=True)
