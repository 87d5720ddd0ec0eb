"""Mistakes are named before anything is touched: what was cached stays usable."""

import numpy as np
import pytest
from test_llama import CONFIG, Pair, llama, tokens

from impls.config import random_parameters
from kernelgate.kernel import DTYPES

MISTAKES = {
    "tokens has shape (2, 0)": lambda model, cache: model.prefill([[], []], cache),
    "tokens has shape (3,)": lambda model, cache: model.prefill([1, 2, 3]),
    "tokens is no array": lambda model, cache: model.prefill([[1, 2], [3]]),
    "tokens is of float64": lambda model, cache: model.prefill([[1.0, 2.0]]),
    "tokens is of bool": lambda model, cache: model.prefill([[True, False]]),
    "tokens holds id 61, expected 0 to 60": lambda model, cache: model.prefill([[1, 61]]),
    "tokens holds id -1, expected 0 to 60": lambda model, cache: model.prefill([[1, 2], [-1, 3]], cache),
    "tokens has 13 a row, expected at most 12": lambda model, cache: model.prefill(tokens(1, 13)),
    "tokens has 9 a row, expected at most 8": lambda model, cache: model.prefill(tokens(2, 9), cache),
    "tokens has 1 rows, expected 2": lambda model, cache: model.prefill([[1]], cache),
    "token has shape (2, 1)": lambda model, cache: model.decode([[1], [2]], cache),
    "token has shape ()": lambda model, cache: model.decode(1, cache),
    "token is of float64": lambda model, cache: model.decode([1.0, 2.0], cache),
    "token holds id 61, expected 0 to 60": lambda model, cache: model.decode([0, 61], cache),
    "token has 3 rows, expected 2": lambda model, cache: model.decode([1, 2, 3], cache),
    "length is 5, expected 0 to 4": lambda model, cache: cache.rewind(5),
    "length is -1, expected 0 to 4": lambda model, cache: cache.rewind(-1),
}


@llama
def test_a_mistake_is_named_and_does_no_harm(subject):
    pair, text = Pair(subject), tokens(2, 5)
    _, cache = pair.model.prefill(text[:, :4])
    for message, mistake in MISTAKES.items():
        with pytest.raises(ValueError) as error:
            mistake(pair.model, cache)
        assert message in str(error.value)
        logits, cache = pair.model.decode(text[:, 4], cache)
        pair.check(logits, text)
        cache = cache.rewind(4)


@llama
def test_a_full_cache_is_named_and_stays_usable(subject):
    pair, text = Pair(subject), tokens(1, CONFIG.context)
    logits, cache = pair.model.prefill(text)
    pair.check(logits, text)
    with pytest.raises(ValueError, match="cache is full: 12 of 12 positions"):
        pair.model.decode([1], cache)
    logits, _ = pair.model.decode(text[:, -1], cache.rewind(CONFIG.context - 1))
    pair.check(logits, text)


def spoilt(params, name, array):
    return {key: value for key, value in {**params, name: array}.items() if value is not None}


@llama
def test_parameters_that_do_not_fit_are_named(subject):
    params = random_parameters(CONFIG, np.random.default_rng(5), DTYPES[subject.dtype])
    name = "model.layers.1.mlp.up_proj.weight"
    for wrong, message in (
        (spoilt(params, name, None), f"params lacks {name}, expected an array of shape (96, 64)"),
        (spoilt(params, name, params[name].T), f"{name} has shape (64, 96), expected (96, 64)"),
        (spoilt(params, "model.layers.2.mlp.up_proj.weight", params[name]), "holds model.layers.2.mlp.up_proj.weight"),
        (spoilt(params, name, params[name].astype(np.float16)), "params are float16 and"),
        ({key: value.astype(np.float16) for key, value in params.items()}, "params are float16, expected"),
    ):
        with pytest.raises(ValueError) as error:
            subject.module.load(wrong, CONFIG)
        assert message in str(error.value).replace("are bfloat16 and float16", "are float16 and bfloat16")
