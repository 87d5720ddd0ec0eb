"""What a decoded step must not do: compile, copy its cache, widen a dtype, or fetch from the device."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest
from small_models import CHUNK, CONFIGS, PROMPT, VOCAB_SIZE, draw, models, narrow_models, pair, tokens

from impls.llama import reference
from kernelgate.arrays import is_array
from kernelgate.compilation import compilation
from kernelgate.kernel import BACKENDS
from kernelgate.subject import is_floating

__all__ = ["pair"]

CONFIG = CONFIGS["llama"]


@pytest.fixture
def begun(subject, pair):
    """A model, a token where the backend wants it, and a cache that has been decoded into once."""
    prompt, token = subject.place((tokens(2, PROMPT).astype(np.int32), np.array([5, 6], np.int32)))
    return pair.model, token, pair.model.decode(token, pair.model.prefill(prompt)[1])[1]


def arrays_in(value):
    """Every array that an object, or the objects of ours that it consists of, holds."""
    if isinstance(value, type):
        return
    if is_array(value):
        yield value
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(part)
    elif type(value).__module__.startswith(("impls.", __name__)) and hasattr(value, "__dict__"):
        yield from arrays_in(vars(value))


def places(cache):
    """Where in memory lies what a cache keeps of the text."""
    big = [array for array in arrays_in(cache) if array.ndim > 1]
    assert big
    return [a.ctypes.data if isinstance(a, np.ndarray) else a.unsafe_buffer_pointer() for a in big]


def check_in_place(model, token, cache):
    before = places(cache)
    for _ in range(3):
        cache = model.decode(token, cache)[1]
    assert places(cache) == before
    return cache


def check_compiles_nothing(backend, model, token, cache):
    facts = {}
    with compilation(backend, facts):
        for _ in range(4):
            _, cache = model.decode(token, cache)
    assert facts["compilations"] == 0
    return cache


def check_no_float64(model, token, cache):
    logits, cache = model.decode(token, cache)
    wide = [array.dtype.name for array in arrays_in((model, cache, logits)) if is_floating(array)]
    assert wide
    assert "float64" not in wide
    return cache


def check_step(subject, model, token, cache):
    cache = check_in_place(model, token, cache)
    cache = check_no_float64(model, token, cache)
    check_compiles_nothing(subject.backend, model, token, cache)


@models
def test_a_step_writes_in_place_widens_nothing_and_compiles_nothing(subject, begun):
    check_step(subject, *begun)


@narrow_models
def test_a_step_of_narrow_weights_writes_in_place_widens_nothing_and_compiles_nothing(subject, begun):
    check_step(subject, *begun)


class Copying(reference.Llama):
    def decode(self, token, cache):
        return super().decode(token, replace(cache, keys=cache.keys.copy()))


class Widening(reference.Llama):
    def _empty_cache(self, padding):
        cache = super()._empty_cache(padding)
        return replace(cache, keys=cache.keys.astype(np.float64))


def test_the_checks_can_fail():
    for check, broken in ((check_in_place, Copying), (check_no_float64, Widening)):
        model = broken(draw("llama"), CONFIG)
        with pytest.raises(AssertionError):
            check(model, [5], model.prefill([[1, 2]])[1])


def test_the_check_for_compilations_can_fail():
    jax = pytest.importorskip("jax")

    class Compiling(reference.Llama):
        def decode(self, token, cache):
            jax.jit(lambda length: length + cache.length)(0)
            return super().decode(token, cache)

    model = Compiling(draw("llama"), CONFIG)
    with pytest.raises(AssertionError):
        check_compiles_nothing(BACKENDS["jax"], model, [5], model.prefill([[1, 2]])[1])


@models
def test_a_step_moves_nothing_between_host_and_device(subject, begun):
    model, token, cache = begun
    guard = nullcontext()
    if subject.backend.arrays == "jax":
        import jax

        guard = jax.transfer_guard("disallow")
    with guard:
        logits, cache = model.decode(token, cache)
        model.decode(logits.argmax(axis=-1), cache)


@models
@pytest.mark.parametrize("wrong", [VOCAB_SIZE, -1])
def test_an_id_that_is_no_token_is_never_taken_for_another(subject, begun, wrong):
    """On the host it is refused; on a device it is not looked at, and its row's logits are NaN until it is rewound."""
    model, token, cache = begun
    start = cache.length
    bad, bad_chunk = subject.place(
        (np.array([5, wrong], np.int32), np.array([[5] * CHUNK, [5, wrong, 5]], np.int32)),
    )
    if isinstance(bad, np.ndarray):
        with pytest.raises(ValueError, match=f"token holds id {wrong}, expected 0 to 60"):
            model.decode(bad, cache)
        with pytest.raises(ValueError, match=f"tokens holds id {wrong}, expected 0 to 60"):
            model.prefill(bad_chunk, cache)
        return
    expected, cache = model.decode(token, cache)
    expected = np.asarray(expected)
    for step, first in ((model.decode, bad), (model.prefill, bad_chunk)):
        logits, cache = step(first, cache.rewind(start))
        later, cache = model.decode(token, cache)
        for array in (logits, later):
            assert np.isfinite(np.asarray(array)[0]).all()
            assert np.isnan(np.asarray(array)[1]).all()
        again, cache = model.decode(token, cache.rewind(start))
        assert (np.asarray(again) == expected).all()


@models
def test_a_prompt_with_an_id_that_is_no_token_gives_no_logits(subject, pair):
    ids = tokens(2, PROMPT).astype(np.int32)
    ids[1, 1] = VOCAB_SIZE
    if subject.backend.arrays == "jax":
        logits = np.asarray(pair.model.prefill(*subject.place((ids,)))[0])
        assert np.isfinite(logits[0]).all()
        assert np.isnan(logits[1]).all()
    else:
        with pytest.raises(ValueError, match="tokens holds id 61, expected 0 to 60"):
            pair.model.prefill(ids)
