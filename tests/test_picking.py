"""Picking tokens: by probabilities, by the same numbers on every backend, and where the logits are."""

import importlib.util
from functools import partial

import numpy as np
import pytest
from small_models import CONFIGS, PROMPT, draw, tokens

from impls.generation import generate, greedy, sampled
from impls.llama import reference
from impls.picking import FILES

KINDS = {"temperature": {}, "top_k": {"top_k": 3}, "top_p": {"top_p": 0.6}}
BACKENDS = [name for name in FILES if importlib.util.find_spec(name)]


def test_greedy_takes_the_first_of_equals():
    assert greedy(np.array([[0.0, 2.0, 2.0], [3.0, 1.0, 3.0]])).tolist() == [1, 0]


@pytest.mark.parametrize(
    ("options", "temperature", "expected"),
    [
        ({}, 1.0, [0.1, 0.2, 0.7]),
        ({}, 0.5, [0.01 / 0.54, 0.04 / 0.54, 0.49 / 0.54]),
        ({"top_k": 2}, 1.0, [0, 2 / 9, 7 / 9]),
        ({"top_p": 0.65}, 1.0, [0, 0, 1]),
    ],
)
def test_sampling_follows_the_probabilities(options, temperature, expected):
    logits = np.log(np.array([[0.1, 0.2, 0.7]], np.float32)).repeat(4000, axis=0)
    picks = sampled(temperature, np.random.default_rng(3), **options)(logits)
    assert picks.dtype == np.int32
    assert np.abs(np.bincount(picks, minlength=3) / 4000 - expected).max() < 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_every_backend_draws_the_same(kind):
    logits = np.random.default_rng(1).standard_normal((32, 61)).astype(np.float32)
    drawn = [
        sampled(0.8, np.random.default_rng(2), **KINDS[kind], backend=backend)(logits).tolist()
        for backend in set(BACKENDS) - {"jax"}
    ]
    if "jax" in BACKENDS:
        import jax

        with jax.transfer_guard("disallow"):
            picks = sampled(0.8, np.random.default_rng(2), **KINDS[kind])(jax.device_put(logits))
        assert isinstance(picks, jax.Array)
        drawn.append(picks.tolist())
        fetched = sampled(0.8, np.random.default_rng(2), **KINDS[kind], backend="numpy")(jax.device_put(logits))
        assert isinstance(fetched, np.ndarray)
        drawn.append(fetched.tolist())
    assert len(set(drawn[0])) > 1
    assert all(one == drawn[0] for one in drawn)


def test_sampling_repeats_with_its_source():
    generated = partial(generate, reference.load(draw("llama"), CONFIGS["llama"]), tokens(2, PROMPT), 8)
    first, again, other = (generated(pick=sampled(1.0, np.random.default_rng(seed))).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("temperature", "options", "message"),
    [
        (0, {}, "temperature is 0, expected more than 0"),
        (1, {"top_k": 0}, "k is 0, expected at least 1"),
        (1, {"top_p": 1.5}, "p is 1.5, expected more than 0 and at most 1"),
        (1, {"top_k": 2, "top_p": 0.5}, "top_k is 2 and top_p 0.5, expected one of them at most"),
        (1, {"backend": "torch"}, "backend is 'torch', expected one of numpy, numba, jax"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(temperature, options, message):
    with pytest.raises(ValueError, match=message):
        sampled(temperature, np.random.default_rng(), **options)
