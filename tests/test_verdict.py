"""The gate's inference: its error rates hold where the truth is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelgate.verdict import FALSE_FAIL, POWER, Evidence, Verdict, holm, judge, suspects, within

ratios = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=30).map(tuple)


def drawn(rng, mean, deviation, processes):
    return Evidence(tuple(rng.normal(mean, deviation, processes)))


@given(ratios)
def test_the_interval_holds_the_estimate(values):
    evidence = Evidence(values)
    low, high = evidence.interval()
    assert low <= evidence.ratio <= high


@given(ratios, st.floats(0, 0.2))
def test_a_row_is_not_both_within_its_margin_and_over_it(values, margin):
    evidence = Evidence(values)
    assert evidence.chance_if_slower(margin) + evidence.chance_if_unchanged(margin) == pytest.approx(1)


@given(ratios)
def test_what_would_be_seen_is_more_than_the_margin(values):
    assert Evidence(values).detectable(0.01) > 0.01


def test_identical_measurements_are_no_certainty():
    assert 0 < Evidence((0.0, 0.0, 0.0)).chance_if_slower(0.01) < 0.01


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = [
        low <= math.exp(0.02) <= high for low, high in (drawn(rng, 0.02, 0.01, 6).interval() for _ in range(4000))
    ]
    assert 0.985 < np.mean(covered) < 0.995


@pytest.mark.parametrize("rows", [1, 40])
def test_a_suite_at_the_margin_fails_as_seldom_as_promised(rows):
    rng = np.random.default_rng(1)
    margins = {str(row): 0.01 for row in range(rows)}

    def alarmed():
        heads = {row: drawn(rng, math.log1p(0.01), 0.01, 10) for row in margins}
        controls = {row: drawn(rng, 0.0, 0.001, 10) for row in margins}
        return Verdict.FAIL in judge(heads, controls, margins, FALSE_FAIL).values()

    assert np.mean([alarmed() for _ in range(1000)]) < 2 * FALSE_FAIL


def test_the_stated_slowdown_is_found_as_often_as_stated():
    rng = np.random.default_rng(2)
    found = []
    for _ in range(1000):
        size = drawn(rng, 0.0, 0.01, 10).detectable(0.01)
        head = drawn(rng, math.log1p(size), 0.01, 10)
        found.append(judge({"row": head}, {"row": drawn(rng, 0.0, 0.01, 10)}, {"row": 0.01}, FALSE_FAIL)["row"])
    assert np.mean([verdict is Verdict.FAIL for verdict in found]) > POWER - 0.1


def test_where_identical_code_moved_the_row_is_invalid():
    slower = Evidence((0.05, 0.051, 0.049, 0.05, 0.052))
    verdicts = judge({"row": slower}, {"row": slower}, {"row": 0.01}, FALSE_FAIL)
    assert verdicts == {"row": Verdict.INVALID}


def test_noise_is_inconclusive_and_stillness_passes():
    still, noisy = Evidence((0.0, 0.001, -0.001, 0.0)), Evidence((0.2, -0.2, 0.1, -0.1))
    margins = {"still": 0.01, "noisy": 0.01}
    verdicts = judge({"still": still, "noisy": noisy}, {"still": still, "noisy": still}, margins, FALSE_FAIL)
    assert verdicts == {"still": Verdict.PASS, "noisy": Verdict.INCONCLUSIVE}
    assert within(still, 0.01)
    assert suspects({"still": still, "slow": Evidence((0.05, 0.05))}, {"still": 0.01, "slow": 0.01}) == ["slow"]


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.001, "b": 0.02, "c": 0.04}, 0.05) == {"a", "b", "c"}
    assert holm({"a": 0.001, "b": 0.03, "c": 0.04}, 0.05) == {"a"}
    assert holm({}, 0.05) == set()
