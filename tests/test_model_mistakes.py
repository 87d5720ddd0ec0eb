"""Mistakes are named before anything is touched: what was cached stays usable."""

import numpy as np
import pytest
from small_models import CHUNK, CONFIGS, CONTEXT, PROMPT, draw, every_dtype, models, pair, tokens

__all__ = ["pair"]

MISTAKES = {
    "tokens has shape (2, 0)": lambda model, cache: model.prefill([[], []], cache),
    "tokens has shape (3,)": lambda model, cache: model.prefill([1, 2, 3]),
    "tokens is no array": lambda model, cache: model.prefill([[1, 2], [3]]),
    "tokens is of float64": lambda model, cache: model.prefill([[1.0, 2.0]]),
    "tokens is of bool": lambda model, cache: model.prefill([[True, False]]),
    "tokens holds id 61, expected 0 to 60": lambda model, cache: model.prefill([[1, 61]]),
    "tokens holds id -1, expected 0 to 60": lambda model, cache: model.prefill([[1, 2], [-1, 3]], cache),
    "tokens has 17 a row, expected at most 16": lambda model, cache: model.prefill(tokens(1, 17)),
    "tokens has 12 a row, expected at most 11": lambda model, cache: model.prefill(tokens(2, 12), cache),
    "tokens has 1 rows, expected 2": lambda model, cache: model.prefill([[1]], cache),
    "padding is given with a cache": lambda model, cache: model.prefill([[1], [2]], cache, padding=[0, 0]),
    "padding is int64[1], expected integers[2]": lambda model, cache: model.prefill([[1], [2]], padding=[0]),
    "padding is float64[1], expected integers[1]": lambda model, cache: model.prefill([[1]], padding=[0.0]),
    "padding holds 2, expected 0 to 1": lambda model, cache: model.prefill([[1, 2], [3, 4]], padding=[1, 2]),
    "padding holds -1, expected 0 to 1": lambda model, cache: model.prefill([[1, 2]], padding=[-1]),
    "token has shape (2, 1)": lambda model, cache: model.decode([[1], [2]], cache),
    "token has shape ()": lambda model, cache: model.decode(1, cache),
    "token is of float64": lambda model, cache: model.decode([1.0, 2.0], cache),
    "token holds id 61, expected 0 to 60": lambda model, cache: model.decode([0, 61], cache),
    "token has 3 rows, expected 2": lambda model, cache: model.decode([1, 2, 3], cache),
    "length is 6, expected 3 to 5": lambda model, cache: cache.rewind(6),
    "length is 2, expected 3 to 5": lambda model, cache: cache.rewind(2),
}


@models
def test_a_mistake_is_named_and_does_no_harm(pair):
    text, padding = tokens(2, PROMPT + 1), [3, 0]
    _, cache = pair.model.prefill(text[:, :PROMPT], padding=padding)
    for message, mistake in MISTAKES.items():
        with pytest.raises(ValueError) as error:
            mistake(pair.model, cache)
        assert message in str(error.value)
        logits, cache = pair.model.decode(text[:, PROMPT], cache)
        pair.check(logits, text, padding)
        cache = cache.rewind(PROMPT)


@models
def test_a_full_cache_is_named_and_stays_usable(pair):
    text = tokens(2, CONTEXT)
    _, cache = pair.model.prefill(text[:, :PROMPT])
    while cache.length + CHUNK <= CONTEXT:
        _, cache = pair.model.prefill(text[:, cache.length : cache.length + CHUNK], cache)
    while cache.length < CONTEXT:
        logits, cache = pair.model.decode(text[:, cache.length], cache)
        pair.check(logits, text[:, : cache.length])
    with pytest.raises(ValueError, match="cache is full: 16 of 16 positions"):
        pair.model.decode([1, 2], cache)
    logits, _ = pair.model.decode(text[:, -1], cache.rewind(CONTEXT - 1))
    pair.check(logits, text)


def spoilt(params, name, array):
    return {key: value for key, value in {**params, name: array}.items() if value is not None}


MATRICES = {
    "llama": ("model.layers.1.mlp.up_proj.weight", "model.layers.2.mlp.up_proj.weight", (96, 64)),
    "gpt2": ("h.1.mlp.c_proj.weight", "h.2.mlp.c_proj.weight", (256, 64)),
}


@every_dtype
def test_parameters_that_do_not_fit_are_named(subject):
    family = subject.folder.name
    params, (name, beyond, shape) = draw(family, subject.dtype), MATRICES[family]
    for wrong, message in (
        (spoilt(params, name, None), f"params lacks {name}, expected an array of shape {shape}"),
        (spoilt(params, name, params[name].T), f"{name} has shape {shape[::-1]}, expected {shape}"),
        (spoilt(params, beyond, params[name]), f"holds {beyond}"),
        (spoilt(params, name, params[name].astype(np.float16)), "params are float16 and"),
        ({key: value.astype(np.float16) for key, value in params.items()}, "params are float16, expected"),
    ):
        with pytest.raises(ValueError) as error:
            subject.module.load(wrong, CONFIGS[family])
        assert message in str(error.value).replace("are bfloat16 and float16", "are float16 and bfloat16")
