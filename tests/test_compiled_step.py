"""What only the compiled step has: more rows than it takes at once, counters inside of it, and places of weights."""

import importlib
import threading
import time

import numpy as np
import pytest

from impls.config import LlamaConfig, random_parameters
from impls.gpt2_config import GPT2Config
from impls.parts import ATTENTION, EMBEDDING, FEED_FORWARD, HEAD
from kernelgate.devices import installed
from kernelgate.structure.allocations import numba_allocations

pytestmark = pytest.mark.skipif(not installed("numba"), reason="needs numba")

LLAMA = LlamaConfig(64, 2, 4, 2, 12, 96, 61, 12, rope_theta=100.0)
GPT2 = GPT2Config(72, 3, 6, 67, 12)


def load(family, config):
    """In float32, which is compiled for other tests as well."""
    params = random_parameters(config, np.random.default_rng(5), np.float32)
    return importlib.import_module(f"impls.{family}.numba_step").load(params, config)


def test_more_texts_than_a_step_takes_are_taken_in_turns():
    model = load("llama", LLAMA)
    text = np.random.default_rng(1).integers(0, LLAMA.vocab_size, (300, 4))
    padding = np.arange(300) % 3
    _, cache = model.prefill(text[:, :3], padding=padding)
    together, cache = model.decode(text[:, 3], cache)
    assert (together.shape, cache.length) == ((300, LLAMA.vocab_size), 4)
    for rows in (slice(0, 9), slice(250, 260), slice(290, 300)):
        _, alone = model.prefill(text[rows, :3], padding=padding[rows])
        assert np.allclose(together[rows], model.decode(text[rows, 3], alone)[0], rtol=0, atol=1e-5)


def test_the_other_threads_of_a_team_allocate_nothing_at_a_step():
    """Behind the last meeting Python is at anything: where it stopped a trace of allocations, it crashed."""
    import numba

    def allocations(threads):
        numba.set_num_threads(threads)
        model = load("llama", LLAMA)
        _, cache = model.prefill([[1, 2]])

        def step():
            model.decode([3], cache)
            time.sleep(0.01)  # the others are at rest

        step()
        return numba_allocations(step)

    most = numba.get_num_threads()
    try:
        assert allocations(most) == allocations(1)
    finally:
        numba.set_num_threads(most)


@pytest.mark.parametrize(("family", "config"), [("llama", LLAMA), ("gpt2", GPT2)])
def test_parts_are_counted_when_asked_for(family, config):
    model = load(family, config)
    _, cache = model.prefill([[1, 2]])
    assert set(model.part_cycles().values()) == {(0, 0)}
    model.count_cycles(True)
    for token in (3, 4):
        _, cache = model.decode([token], cache)
    counted = model.part_cycles()
    each = {EMBEDDING: 1, ATTENTION: config.layers, FEED_FORWARD: config.layers, HEAD: 1}
    assert {part: calls for part, (calls, _) in counted.items()} == {part: 2 * calls for part, calls in each.items()}
    model.count_cycles(False)
    model.decode([5], cache)
    assert set(model.part_cycles().values()) == {(0, 0)}


def test_a_token_in_an_array_takes_the_shorter_way_to_the_same_logits_and_mistakes():
    model = load("llama", LLAMA)
    _, cache = model.prefill([[1, 2]])
    expected, _ = model.decode([3], cache)
    logits, after = model.decode(np.array([3]), cache)
    assert (logits == expected).all()
    assert (after.length, cache.length) == (3, 2)
    for wrong in ([-1], [LLAMA.vocab_size], [1.0], [True], [1, 2]):
        with pytest.raises(ValueError, match="token"):
            model.decode(np.array(wrong), cache)
    _, full = model.prefill(np.ones((1, LLAMA.context), np.int64))
    with pytest.raises(ValueError, match="cache is full"):
        model.decode(np.array([3]), full)


@pytest.mark.parametrize("gated", [True, False])
def test_matrices_come_back_from_their_places(gated):
    from impls.compiled_step.architecture import places_of

    for places in places_of(LLAMA, gated=gated, turned=gated):
        matrix = np.random.default_rng(2).standard_normal((len(places.rows), len(places.columns)))
        larger = places.put(matrix)
        assert larger.shape == places.shape
        assert (places.take(larger) == matrix).all()
        # Nothing lies on top of something else.
        assert np.count_nonzero(larger) == matrix.size


def test_a_model_that_is_dropped_leaves_no_thread():
    from numba import get_num_threads

    earlier = set(threading.enumerate())
    model = load("llama", LLAMA)
    model.prefill([[1, 2]])
    own = set(threading.enumerate()) - earlier
    assert len(own) == get_num_threads() - 1
    del model
    assert not any(thread.is_alive() for thread in own)
