"""The gate's inference: its error rates hold where the truth is known."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelgate.gate import CONFIRMING
from kernelgate.outcome import Outcome, judged
from kernelgate.verdict import (
    FALSE_FAIL,
    FALSE_PASS,
    POWER,
    Evidence,
    Verdict,
    holm,
    judge,
    signed_rank,
    signed_rank_interval,
    spent,
    suspects,
    within,
)

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
    assert max(evidence.chance_if_slower(margin, evidence), evidence.chance_if_unchanged(margin)) > FALSE_FAIL


def test_signed_ranks_are_counted_as_in_the_tables():
    # Wilcoxon's table: of 8 pairs a sum of ranks of 3 or less comes 5 times in 256, of 16 pairs 19 or less 0.45 %.
    assert signed_rank([4, 5, 6, 7, 8, 9, 10, -3]) == 2 / 256
    assert signed_rank([1, 2, -3, 4, 5, 6, 7, 8]) == 5 / 256
    assert signed_rank([1.0] * 10) == 1 / 1024
    assert signed_rank([-1.0] * 10) == 1


def test_signed_ranks_see_a_slowdown_through_a_third_of_the_processes():
    rng = np.random.default_rng(6)
    noise = [
        rng.normal(0, 0.01, 20) + np.where(rng.random(20) < 1 / 3, rng.exponential(0.3, 20), 0) for _ in range(200)
    ]
    found = [Evidence(tuple(0.05 + one)).chance_if_unchanged(0.01) < spent(2) * FALSE_FAIL for one in noise]
    assert np.mean(found) > 0.95


@given(ratios)
def test_what_would_be_seen_is_more_than_the_margin(values):
    assert Evidence(values).detectable(0.01) > 0.01


def test_identical_measurements_are_no_certainty():
    still = Evidence((0.0, 0.0, 0.0))
    assert 0 < still.chance_if_slower(0.01, still) < 0.01


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = [
        low <= math.exp(0.02) <= high for low, high in (drawn(rng, 0.02, 0.01, 6).interval() for _ in range(4000))
    ]
    assert 0.985 < np.mean(covered) < 0.995


def heavy_tailed(rng, mean, deviation, processes):
    """Student's t with two degrees of freedom, which has no variance."""
    return Evidence(tuple(mean + deviation * rng.standard_t(2, processes)))


def contaminated(rng, mean, deviation, processes):
    """Every seventh process beside a neighbour: ten times as far off."""
    noise = rng.normal(0, deviation, processes) * np.where(rng.random(processes) < 1 / 7, 10, 1)
    return Evidence(tuple(mean + noise))


@given(st.lists(st.integers(-5000, 5000).map(lambda n: n / 1e4), min_size=10, max_size=20), st.floats(0.001, 0.1))
def test_an_interval_by_ranks_ends_where_the_test_rejects(values, chance):
    low, high = signed_rank_interval(values, chance)
    assert low <= high
    for sign, end in ((1, low), (-1, high)):
        inside, outside = ([sign * (x - end) + step for x in values] for step in (-1e-9, 1e-9))
        if math.isfinite(end):
            assert signed_rank(outside) <= chance
            assert signed_rank(inside) > chance


@given(ratios.filter(lambda values: len(values) >= 10), st.floats(0, 0.1))
def test_what_fails_at_the_chance_of_an_interval_lies_above_the_margin_with_it(values, margin):
    evidence = Evidence(values)
    low, _ = evidence.interval(0.98)
    if evidence.chance_if_unchanged(margin) < 0.01 - 1e-6 and low < evidence.ratio:
        assert low >= (1 + margin) * (1 - 1e-6)


@pytest.mark.parametrize("draw", [drawn, contaminated, heavy_tailed])
@pytest.mark.parametrize("processes", [4, 6, 12, 20, 32, 48])
def test_trimmed_means_alarm_no_more_often_than_they_say(draw, processes):
    rng = np.random.default_rng(3)
    chances = [draw(rng, math.log1p(0.01), 0.01, processes).chance_if_unchanged(0.01) for _ in range(8000)]
    for level in (0.05, 0.01):
        assert np.mean(np.array(chances) < level) < level + 3 * math.sqrt(level / len(chances))


def test_one_process_in_seven_beside_a_neighbour_hides_no_slowdown():
    rng = np.random.default_rng(4)
    found = [contaminated(rng, 0.05, 0.01, 20).chance_if_unchanged(0.01) < spent(2) * FALSE_FAIL for _ in range(400)]
    assert np.mean(found) > 0.9


def test_a_suite_at_the_margin_that_is_looked_at_again_and_again_fails_as_seldom_as_promised():
    rng = np.random.default_rng(5)
    margins = {str(row): 0.01 for row in range(10)}

    def alarmed():
        heads = {row: rng.normal(math.log1p(0.01), 0.01, sum(CONFIRMING)) for row in margins}
        controls = {row: Evidence((0.0, 0.0)) for row in margins}
        for look in range(len(CONFIRMING)):
            measured = {row: Evidence(tuple(ratios[: sum(CONFIRMING[: look + 1])])) for row, ratios in heads.items()}
            if Verdict.FAIL in judge(measured, controls, margins, FALSE_FAIL * spent(look)).values():
                return True
        return False

    assert np.mean([alarmed() for _ in range(600)]) < 2 * FALSE_FAIL


def test_all_looks_together_spend_no_more_than_there_is():
    assert sum(map(spent, range(50))) == pytest.approx(1)


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
    assert within(still, still, 0.01)


def test_beside_a_control_that_scatters_a_row_is_no_more_still_than_it():
    still, noisy = Evidence((0.0, 0.001, -0.001, 0.0)), Evidence((0.02, -0.02, 0.01, -0.01))
    assert judge({"row": still}, {"row": noisy}, {"row": 0.01}, FALSE_FAIL) == {"row": Verdict.INCONCLUSIVE}
    screened = Outcome("row", Verdict.INCONCLUSIVE, 0.01, still, noisy)
    assert judged(screened, None, None, "").verdict is Verdict.INCONCLUSIVE
    assert judged(replace(screened, control=still), None, None, "").verdict is Verdict.PASS


def test_of_rows_that_came_out_slower_those_are_suspect_that_are_so_beyond_their_noise():
    screened = {"slow": Evidence((0.05, 0.051)), "noisy": Evidence((0.005, 0.035)), "quick": Evidence((-0.05, -0.051))}
    assert suspects(screened, dict.fromkeys(screened, 0.01)) == ["slow"]
    assert suspects(screened, dict.fromkeys(screened, 0.0)) == ["slow", "noisy"]


@pytest.mark.parametrize("processes", [2, 4, 8, 16])
@pytest.mark.parametrize("scatter", [2.0, 1.0, 0.0])
def test_a_row_slower_by_its_margin_passes_as_seldom_as_promised(processes, scatter):
    """5 % a look where it scatters like its control; where that is still, its own scatter keeps it to twice that."""
    rng = np.random.default_rng(7)
    passed = [
        within(drawn(rng, math.log1p(0.01), 0.01, processes), drawn(rng, 0, 0.01 * scatter, processes), 0.01)
        for _ in range(4000)
    ]
    assert np.mean(passed) < (FALSE_PASS if scatter else 2.2 * FALSE_PASS) + 0.01


def test_the_control_tells_how_far_a_row_scatters_before_the_row_itself_can():
    rng = np.random.default_rng(8)
    pairs = [(drawn(rng, 0, 0.004, 2), drawn(rng, 0, 0.004, 2)) for _ in range(1000)]
    alone = np.mean([head.interval(1 - 2 * FALSE_PASS)[1] < 1.015 for head, _ in pairs])
    assert np.mean([within(*pair, 0.015) for pair in pairs]) > 1.3 * alone


def test_holm_rejects_step_by_step():
    assert holm({"a": 0.001, "b": 0.02, "c": 0.04}, 0.05) == {"a", "b", "c"}
    assert holm({"a": 0.001, "b": 0.03, "c": 0.04}, 0.05) == {"a"}
    assert holm({}, 0.05) == set()
