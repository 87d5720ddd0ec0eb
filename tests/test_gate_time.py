"""What the gate does with its time, on measurements made up and by a clock that only they move."""

import math
import os

import pytest
from false_clock import FalseClock
from false_gate import FalseGate, row

from kernelgate.gate import (
    CONFIRMING,
    FIRST,
    FIRST_LOOKS,
    LEAST_SECONDS,
    MOST_SECONDS,
    PREPARING,
    SCREENED_BY,
    SCREENING,
    STARTING,
    judge,
    spent,
)
from kernelgate.reading import ARMS
from kernelgate.structure.differences import LISTING
from kernelgate.verdict import FALSE_FAIL, Verdict


@pytest.fixture
def clock(monkeypatch):
    """The gate's clock; nothing is forced to disk, which would take a real one's time."""
    clock = FalseClock()
    monkeypatch.setattr("kernelgate.gate.time", clock)
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    return clock


def timed(gate, clock, *, budget, row_seconds):
    """The gate with that budget, of which every row of a process takes so much."""
    gate.started, gate.budget = clock.now, budget
    gate.progress = lambda text: clock.sleep(row_seconds)
    return gate


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
    first_looks = sum(FIRST) * 60 * (gate._seconds_a_row("screen", 60) + PREPARING)
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


def test_a_short_budget_has_two_processes(tmp_path, clock):
    gate = FalseGate(tmp_path, {"quiet": 0.0, "slow": 0.2}, noise=0.001)
    timed(gate, clock, budget=1.0, row_seconds=5.0)
    gate.verdicts()
    assert gate.cut_short
    assert sorted(gate.measured) == sorted(
        [("screen", n, name) for n in (0, 1) for name in ("quiet", "slow")] + [("confirm", n, "slow") for n in (0, 1)]
    )


def test_a_budget_that_ends_after_all_was_decided_cut_nothing_short(tmp_path, clock):
    gate = FalseGate(tmp_path, {"quiet": 0.0}, noise=0.0005)
    timed(gate, clock, budget=1.0, row_seconds=5.0)
    assert gate.verdicts() == {"quiet": Verdict.PASS}
    assert not gate.cut_short


def test_a_short_budget_has_no_two_processes_of_models_that_kernels_left_no_time_for(tmp_path, clock):
    gate = timed(FalseGate(tmp_path, {"kernel": 0.0, "model": 0.0}, noise=0.0005), clock, budget=6.0, row_seconds=5.0)
    assert gate.verdicts() == {"kernel": Verdict.PASS, "model": Verdict.INCONCLUSIVE}
    assert gate.cut_short
    (tmp_path / "alone").mkdir()
    alone = timed(FalseGate(tmp_path / "alone", {"model": 0.0}, noise=0.0005), clock, budget=6.0, row_seconds=5.0)
    assert alone.verdicts() == {"model": Verdict.PASS}


def test_grace_is_given_before_suspects_are_measured_and_not_once_more_after_them(tmp_path, clock):
    slowdowns = {f"k{n}": 0.0 for n in range(100)} | {"slow": 0.2}
    gate = timed(FalseGate(tmp_path, slowdowns, noise=0.001), clock, budget=400.0, row_seconds=4.0)
    gate.verdicts()
    assert clock.now == pytest.approx(400.0, abs=4)


def test_screening_that_stops_for_suspects_and_goes_on_after_them_is_not_cut_short(tmp_path, clock):
    gate = timed(FalseGate(tmp_path, {"kernel": 0.0, "model": 0.0}, noise=0.0005), clock, budget=20.0, row_seconds=4.0)
    assert gate.verdicts() == {"kernel": Verdict.PASS, "model": Verdict.PASS}
    assert clock.now > SCREENED_BY * gate.budget
    assert not gate.cut_short


def test_models_have_what_time_kernels_leave_one_after_the_other(tmp_path, clock):
    names = [f"model{n}" for n in range(100)]
    gate = FalseGate(tmp_path, dict.fromkeys(["model", "kernel", *names], 0.0), noise=0.001)
    verdicts = timed(gate, clock, budget=600.0, row_seconds=10.0).verdicts()
    order = list(dict.fromkeys(name for _, _, name in gate.measured))
    assert order == ["kernel", "model", *names][: len(order)]
    assert clock.now == pytest.approx(600.0, abs=10)
    assert gate.cut_short
    decided = sum(verdict is Verdict.PASS for verdict in verdicts.values())
    assert 20 <= decided <= len(gate.measured) / SCREENING[0]
    assert {verdicts[name] for name in names[decided:]} == {Verdict.INCONCLUSIVE}


def test_kernels_that_are_never_decided_leave_models_some_time(tmp_path, clock):
    names = [f"k{n}" for n in range(60)]
    gate = FalseGate(tmp_path, dict.fromkeys([*names, "model"], 0.0), noise=0.02)
    timed(gate, clock, budget=1200.0, row_seconds=2.0).verdicts()
    begun = [name for _, _, name in gate.measured].index("model")
    assert max(process for _, process, _ in gate.measured[:begun]) == sum(FIRST) - 1
    assert 2.0 * begun < SCREENED_BY * gate.budget < 2.0 * len(gate.measured)


def test_a_model_that_is_never_decided_does_not_keep_others_waiting(tmp_path, clock):
    names = [f"model{n}" for n in range(20)]
    gate = FalseGate(tmp_path, dict.fromkeys(["kernel", *names], 0.0), noise=0.001)
    gate.noises = dict.fromkeys(["model0", "model1"], 0.2)
    verdicts = timed(gate, clock, budget=600.0, row_seconds=6.0).verdicts()
    passed = {name for name, verdict in verdicts.items() if verdict is Verdict.PASS}
    assert passed == {"kernel", *names[2:]}
    # And it has what time they leave.
    assert sum(name == "model0" for _, _, name in gate.measured) > sum(FIRST)


def test_models_keep_no_suspect_among_kernels_waiting(tmp_path, clock):
    slowdowns = {f"model{n}": 0.2 for n in range(100)} | {"kernel": 0.2}
    gate = timed(FalseGate(tmp_path, slowdowns, noise=0.001), clock, budget=600.0, row_seconds=10.0)
    verdicts = gate.verdicts()
    confirmed = [name for stage, _, name in gate.measured if stage == "confirm"]
    # Each is decided before another is begun.
    assert confirmed == [name for name in dict.fromkeys(confirmed) for _ in range(CONFIRMING[0])][: len(confirmed)]
    assert confirmed[0] == "kernel"
    failed = {name for name, verdict in verdicts.items() if verdict is Verdict.FAIL}
    assert failed == {name for name in confirmed if confirmed.count(name) == CONFIRMING[0]}
    assert len(failed) > 1


def test_the_chance_of_a_false_fail_is_shared_by_kernels_and_models(tmp_path, clock, monkeypatch):
    levels = []

    def watched(heads, controls, margins, level):
        levels.append((set(heads), level))
        return judge(heads, controls, margins, level)

    monkeypatch.setattr("kernelgate.gate.judge", watched)
    FalseGate(tmp_path, {"a": 0.2, "b": 0.2, "quiet": 0.0, "model": 0.2, "model quiet": 0.0}, noise=0.001).verdicts()
    kernels, model = {str(row("a")), str(row("b"))}, {str(row("model"))}
    assert levels == [
        (kernels, pytest.approx(FALSE_FAIL * 2 / 3 * spent(0))),
        (model, pytest.approx(FALSE_FAIL * 1 / 3 * spent(0))),
    ]


def test_what_time_suspects_leave_goes_to_what_is_undecided(tmp_path, clock):
    slowdowns = {f"k{n}": 0.0 for n in range(40)} | {"slow": 0.2}
    gate = timed(FalseGate(tmp_path, slowdowns, noise=0.003), clock, budget=600.0, row_seconds=4.0)
    verdicts = gate.verdicts()
    last_confirmed = max(n for n, (stage, _, _) in enumerate(gate.measured) if stage == "confirm")
    later = gate.measured[last_confirmed + 1 :]
    assert {stage for stage, _, _ in later} == {"screen"}
    assert verdicts["slow"] is Verdict.FAIL
    # What was confirmed is decided by that, and no process is had twice.
    assert not {name for _, _, name in later} & {name for stage, _, name in gate.measured if stage == "confirm"}
    assert len(set(gate.measured)) == len(gate.measured)
    assert any(verdicts[name] is Verdict.PASS for _, _, name in later)


def test_what_became_suspect_in_the_middle_of_a_look_is_not_screened_after_it(tmp_path, clock, monkeypatch):
    monkeypatch.setattr("kernelgate.gate.SCREENED_BY", 0.0)
    gate = FalseGate(tmp_path, {"row": 0.0}, noise=0.0005)
    for process, ratio in enumerate((0.009, 0.0105, 0.02)):
        line = {"stage": "screen", "process": process, "row": str(row("row")), "base_seconds": 1e-3}
        gate.journal.add(line | {"head": [ratio], "control": [0.0]})
    assert timed(gate, clock, budget=100.0, row_seconds=1.0).verdicts() == {"row": Verdict.PASS}
    assert [stage for stage, _, _ in gate.measured] == ["confirm"] * CONFIRMING[0]


def test_a_suspect_that_came_too_late_to_be_measured_afresh_is_told_of(tmp_path, clock):
    """It first seems slower when what the suspects left is spent on it."""
    late = []
    for seed in range(20):
        (tmp_path / f"{seed}").mkdir()
        gate = FalseGate(tmp_path / f"{seed}", {"row": 0.009}, noise=0.004, seed=seed)
        verdicts = timed(gate, clock, budget=6.0, row_seconds=1.0).verdicts()
        suspected = gate._suspects(gate._evidence("screen", gate.rows))
        if suspected and not any(stage == "confirm" for stage, _, _ in gate.measured):
            late.append((verdicts, gate.cut_short))
    assert late
    assert all(told == ({"row": Verdict.INCONCLUSIVE}, True) for told in late)


def reader(clock, asked, seconds=30.0):
    """Reads a row of a side in so many seconds."""

    def read_all(job, sides, until):
        asked.append(([one.kernel for one in job.rows], until))
        for one in job.rows:
            for arm in sides:
                if clock.now + seconds > until:
                    return clock.sleep(max(until - clock.now, 0))
                clock.sleep(seconds)
                yield {"row": str(one), "arm": arm, "figures": {"programs": 1, LISTING: ""}}

    return read_all


def test_figures_of_models_are_read_in_what_time_kernels_leave(tmp_path, clock, monkeypatch):
    asked = []
    monkeypatch.setattr("kernelgate.gate.read_all", reader(clock, asked))
    gate = FalseGate(tmp_path, dict.fromkeys(["kernel", *(f"model{n}" for n in range(9))], 0.0), noise=0.0005)
    gate.touched = frozenset(gate.rows)
    timed(gate, clock, budget=400.0, row_seconds=0.0)
    outcomes = gate.run(gate.rows.values())
    begun = len(ARMS) * 30.0
    assert asked[0] == (["kernel"], math.inf)
    assert asked[1] == (["model0"], begun + SCREENED_BY * 400)
    assert {names[0]: until for names, until in asked[2:]}["model8"] == begun + 400
    read = [name for name, outcome in outcomes.items() if outcome.structure is not None]
    assert read == [str(row(name)) for name in ("kernel", *(f"model{n}" for n in range(6)))]
    assert clock.now <= begun + 400 + 30
    assert gate.cut_short
    assert {outcomes[name].verdict for name in read} == {Verdict.PASS}
    late = outcomes[str(row("model8"))]
    assert (late.verdict, late.reason) == (Verdict.INCONCLUSIVE, "the budget ended before two processes")


@pytest.mark.parametrize(("reading", "left"), [(2.0, 46.0), (15.0, 20.0), (40.0, 20.0)])
def test_reading_takes_of_the_budget_what_it_may_and_the_rest_is_on_top(tmp_path, clock, monkeypatch, reading, left):
    monkeypatch.setattr("kernelgate.gate.read_all", reader(clock, [], reading))
    gate = FalseGate(tmp_path, {"kernel": 0.0}, noise=0.05)
    gate.touched, gate.reading_within = frozenset(gate.rows), 30.0
    gate = timed(gate, clock, budget=50.0, row_seconds=0.0)
    gate._read_kernels(gate.rows)
    assert (gate.started, gate.budget) == (clock.now, pytest.approx(left))


@pytest.mark.parametrize("read", [("base",), ()])
def test_what_was_not_read_in_time_does_not_pass(tmp_path, clock, monkeypatch, read):
    monkeypatch.setattr("kernelgate.gate.read_all", lambda job, sides, until: iter(()))
    gate = FalseGate(tmp_path, {"model": 0.0}, noise=0.0005)
    gate.touched = frozenset(gate.rows)
    if read:
        gate.found = {str(row("model")): {arm: {"figures": {"programs": 1, LISTING: ""}} for arm in read}}
    (outcome,) = gate.run(gate.rows.values()).values()
    assert (outcome.verdict, outcome.structure) == (Verdict.INCONCLUSIVE, None)
    late = "; ".join(f"{arm}: the budget ended first" for arm in ARMS if arm not in read)
    assert outcome.reason == f"exact figures cannot be read of {late}"
    assert gate.cut_short
