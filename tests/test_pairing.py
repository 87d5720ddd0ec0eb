"""How one process of the gate measures: slices of the arms in turn, whose ratios a machine's moods leave alone."""

import itertools
import math
import random
import weakref
from collections import Counter
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from false_clock import FalseClock
from hypothesis import given
from hypothesis import strategies as st

from kernelgate import pairing, timing
from kernelgate.against import ARMS
from kernelgate.arrays import aligned
from kernelgate.pairing import (
    LEAST_ROUNDS,
    MOST_ROUNDS,
    PLACEMENTS,
    Job,
    Row,
    bound,
    interleave,
    measure,
    prepared_alike,
    rounds,
)

SLOWER = {"base": 1.0, "control": 1.0, "head": 1.1}


@given(slices=st.integers(1, 12), seed=st.integers(0, 99), slower=st.floats(0.5, 2.0))
def test_ratios_are_those_of_the_arms_whatever_the_order(slices, seed, slower):
    took = {"base": 3e-5, "control": 3e-5, "head": 3e-5 * slower}
    found = rounds(took.__getitem__, ARMS, random.Random(seed), 0.0, slices)
    assert found["base_seconds"] == took["base"]
    assert found["head"] == pytest.approx([math.log(slower)] * LEAST_ROUNDS, abs=1e-6)
    assert found["control"] == [0.0] * LEAST_ROUNDS


@given(slices=st.integers(1, 12), seed=st.integers(0, 99))
def test_slices_of_an_arm_are_never_far_apart(slices, seed):
    """What falls between two neighbours of an arm, all arms get: the machine has no time to change."""
    order = []
    rounds(lambda arm: order.append(arm) or 1.0, ARMS, random.Random(seed), 0.0, slices)
    assert Counter(order) == dict.fromkeys(ARMS, slices * LEAST_ROUNDS)
    turns = (order[first : first + len(ARMS)] for first in range(0, len(order), len(ARMS)))
    assert all(sorted(turn) == sorted(ARMS) for turn in turns)


@pytest.mark.parametrize("period", [7, 45, 400])
def test_a_machine_that_is_slow_now_and_then_moves_no_ratio(period):
    """Half as quick for a third of every so many slices, and the order is drawn anew: only the edges fall within."""
    count = itertools.count()

    def took(arm):
        return SLOWER[arm] * (2.0 if next(count) % period < period // 3 else 1.0)

    found = rounds(took, ARMS, random.Random(1), 60.0, 10)
    for arm, ratios in (("head", found["head"]), ("control", found["control"])):
        assert sorted(ratios)[len(ratios) // 2] == pytest.approx(math.log(SLOWER[arm]), abs=1e-6)


def test_one_disturbed_slice_moves_no_round():
    """A timer's interrupt falls in one slice of a round, whichever arm has it."""
    count = itertools.count()

    def took(arm):
        return SLOWER[arm] * (10.0 if next(count) // len(ARMS) % 5 == 2 and arm == "head" else 1.0)

    found = rounds(took, ARMS, random.Random(1), 0.0, 5)
    assert found["head"] == pytest.approx([math.log(SLOWER["head"])] * LEAST_ROUNDS, abs=1e-6)


def test_it_goes_on_while_ratios_scatter_and_ends_where_they_do_not():
    noise = random.Random(1)
    assert len(rounds(lambda arm: noise.lognormvariate(0, 0.3), ARMS, random.Random(1), 60.0)["head"]) == MOST_ROUNDS
    assert len(rounds(SLOWER.__getitem__, ARMS, random.Random(1), 60.0)["head"]) < MOST_ROUNDS


@pytest.mark.parametrize(("lasts", "calls"), [(1e-6, 100 * 5), (3e-4, 2), (0.01, 1)])
def test_a_round_is_many_slices_of_a_quick_call_and_one_of_a_slow_one(monkeypatch, lasts, calls):
    clock, counted = FalseClock(), Counter()
    for module in (timing, pairing):
        monkeypatch.setattr(module, "time", clock)
    wait = clock.call(lasts)

    def arm(name):
        def call():
            counted[name] += 1
            wait()

        return call

    found = interleave({name: [arm(name)] for name in ARMS}, random.Random(1), 0.0)
    assert found["base_seconds"] == pytest.approx(lasts)
    warming = pairing.WARM_SECONDS / lasts if lasts < pairing.SLICE_SECONDS else 0
    assert counted["head"] == counted["control"] == pytest.approx(LEAST_ROUNDS * calls + warming, rel=0.01)


class Weighing:
    """A copy of an implementation that lays out weights of its own, and tells what it is called with."""

    def __init__(self, weights):
        self.weights = weights

    def prepared_to_time(self, placed):
        return (*placed, self.weights)

    def bind_prepared(self, arguments):
        return lambda: arguments


@given(size=st.integers(1, 40), copies=st.integers(1, 2))
def test_weights_that_all_arms_lay_out_alike_are_one_array(size, copies):
    """Else the arms differ by where each one's weights happen to lie, and drive each other's out of the cache."""
    x = np.ones(3)
    subjects = [(arm, Weighing({"w": aligned(np.arange(size))})) for arm in ARMS for _ in range(copies)]
    calls = bound(prepared_alike(subjects, (x,)))
    found = [call() for arm in ARMS for call in calls[arm]]
    assert len({(id(activations), id(weights["w"])) for activations, weights in found}) == 1
    np.testing.assert_array_equal(found[0][1]["w"], np.arange(size))


class Writing:
    """A copy of an implementation that writes to arguments, of which each binding has a copy of its own."""

    def __init__(self, mutates, states):
        self.kernel, self.states = SimpleNamespace(mutates=mutates), states

    def place(self, inputs):
        return inputs

    def prepared_to_time(self, placed):
        return placed

    def bind_prepared(self, arguments):
        state = aligned(arguments[0])
        self.states.append(weakref.ref(state))

        def call():
            state[...] += 1

        return call


@pytest.mark.parametrize(("mutates", "placements"), [(0, 1), (1, PLACEMENTS)])
def test_what_a_row_writes_to_lies_elsewhere_several_times(monkeypatch, mutates, placements):
    """Else what scatters between processes is where each arm's array lies; all live at once, or memory comes again."""
    states = {arm: [] for arm in ARMS}
    monkeypatch.setattr(pairing, "arms", lambda row, packages: {arm: [Writing(mutates, states[arm])] for arm in ARMS})
    alive = []
    timed = pairing.interleave
    monkeypatch.setattr(
        pairing,
        "interleave",
        lambda *given: alive.append({arm: [s() for s in states[arm]] for arm in ARMS}) or timed(*given),
    )
    row = Row("total", "kernel", "numpy_plain", "case", "f32", "cpu")
    found = measure(row, Job("", {}, (row,), 1, 1, 0.0), (np.zeros(64),))
    assert len(found["head"]) == len(found["control"]) == LEAST_ROUNDS * placements
    assert len(alive) == placements
    for at_once in alive:
        addresses = {state.ctypes.data for arm in ARMS for state in at_once[arm]}
        assert len(addresses) == len(ARMS) * placements
    # Each of them is timed: called once when it was bound, and more.
    assert all(state()[0] > LEAST_ROUNDS for arm in ARMS for state in states[arm])


OTHERWISE = {
    "values": lambda w: aligned(w + 1),
    "dtype": lambda w: aligned(w.astype(np.int64)),
    "shape": lambda w: w[None],
    "layout": lambda w: aligned(w.T).T,
}


@pytest.mark.parametrize("change", OTHERWISE.values(), ids=OTHERWISE)
def test_weights_that_one_arm_lays_out_otherwise_are_each_arms_own(change):
    """Two that share theirs use them twice as often as the third, which would look slower than it is."""
    weights = {arm: aligned(np.arange(12.0).reshape(4, 3)) for arm in ARMS}
    weights["head"] = change(weights["head"])
    subjects = [(arm, Weighing(weights[arm])) for arm in ARMS]
    calls = bound(prepared_alike(subjects, ()))
    for arm in ARMS:
        assert calls[arm][0]()[0] is weights[arm]


class Key:
    """As JAX's keys are: it has a shape and a dtype, but NumPy makes nothing of it."""

    shape, dtype = (), "key<fry>"

    def __array__(self, *arguments, **options):
        raise TypeError("a key is no array")


def test_what_numpy_cannot_compare_stays_each_arms_own():
    keys = {arm: Key() for arm in ARMS}
    subjects = [(arm, Weighing(keys[arm])) for arm in ARMS]
    calls = bound(prepared_alike(subjects, ()))
    assert [calls[arm][0]()[0] for arm in ARMS] == [keys[arm] for arm in ARMS]


class Layout(NamedTuple):
    tiles: np.ndarray
    outputs: int


def test_weights_may_be_a_named_tuple():
    subjects = [(arm, Weighing(Layout(aligned(np.ones(4)), 3))) for arm in ARMS]
    found = [call() for arm in bound(prepared_alike(subjects, ())).values() for call in arm]
    assert all(isinstance(layout, Layout) and layout.outputs == 3 for (layout,) in found)
    assert len({id(layout.tiles) for (layout,) in found}) == 1


def test_equal_arrays_of_one_arm_stay_two():
    subjects = [(arm, Weighing([aligned(np.zeros(4)), aligned(np.zeros(4))])) for arm in ARMS]
    calls = bound(prepared_alike(subjects, ()))
    for arm in ARMS:
        first, second = calls[arm][0]()[0]
        assert first is not second
        assert first is calls["base"][0]()[0][0]
        assert second is calls["base"][0]()[0][1]
