"""What a decoded step must not do: compile, copy its cache, widen a dtype, or fetch from the device."""

from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from impls.config import LlamaConfig, random_parameters
from impls.llama import reference
from kernelgate.arrays import is_array
from kernelgate.compilation import compilation
from kernelgate.kernel import BACKENDS, DTYPES
from kernelgate.subject import is_floating

CONFIG = LlamaConfig(64, 2, 4, 2, 12, 96, 61, 16)
llama = pytest.mark.subjects("llama", operation="decode")


def load(subject, config=CONFIG):
    params = random_parameters(config, np.random.default_rng(5), DTYPES[subject.dtype])
    return subject.module.load(subject.place((params,))[0], config)


def begun(subject):
    """A model, a token where the backend wants it, and a cache that has been decoded into once."""
    model = load(subject)
    prompt, token = subject.place((np.array([[1, 2], [3, 4]], np.int32), np.array([5, 6], np.int32)))
    return model, token, model.decode(token, model.prefill(prompt)[1])[1]


def arrays_in(value):
    """Every array that an object, or the objects that it consists of, holds."""
    if is_array(value):
        yield value
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from arrays_in(part)
    elif hasattr(value, "__dict__"):
        yield from arrays_in(vars(value))


def places(cache):
    """Where in memory the keys and values of a cache lie."""
    big = [array for array in arrays_in(cache) if array.ndim > 2]
    assert big
    return [a.ctypes.data if isinstance(a, np.ndarray) else a.unsafe_buffer_pointer() for a in big]


def check_in_place(model, token, cache):
    before = places(cache)
    for _ in range(3):
        cache = model.decode(token, cache)[1]
    assert places(cache) == before


def check_compiles_nothing(backend, model, token, cache):
    facts = {}
    with compilation(backend, facts):
        for _ in range(10):
            _, cache = model.decode(token, cache)
    assert facts["compilations"] == 0


def check_no_float64(model, token, cache):
    logits, cache = model.decode(token, cache)
    wide = [array.dtype.name for array in arrays_in((model, cache, logits)) if is_floating(array)]
    assert wide
    assert "float64" not in wide


@llama
def test_a_step_writes_its_cache_in_place(subject):
    check_in_place(*begun(subject))


@llama
def test_steps_at_new_positions_compile_nothing(subject):
    check_compiles_nothing(subject.backend, *begun(subject))


@llama
def test_nothing_is_float64(subject):
    check_no_float64(*begun(subject))


class Copying(reference.Llama):
    def decode(self, token, cache):
        return super().decode(token, replace(cache, keys=cache.keys.copy()))


class Widening(reference.Llama):
    def _empty_cache(self, padding):
        cache = super()._empty_cache(padding)
        return replace(cache, keys=cache.keys.astype(np.float64))


def test_the_checks_can_fail():
    params = random_parameters(CONFIG, np.random.default_rng(5), np.float32)
    for check, broken in ((check_in_place, Copying), (check_no_float64, Widening)):
        model = broken(params, CONFIG)
        with pytest.raises(AssertionError):
            check(model, [5], model.prefill([[1, 2]])[1])


def test_the_check_for_compilations_can_fail():
    jax = pytest.importorskip("jax")

    class Compiling(reference.Llama):
        def decode(self, token, cache):
            jax.jit(lambda length: length + cache.length)(0)
            return super().decode(token, cache)

    model = Compiling(random_parameters(CONFIG, np.random.default_rng(5), np.float32), CONFIG)
    with pytest.raises(AssertionError):
        check_compiles_nothing(BACKENDS["jax"], model, [5], model.prefill([[1, 2]])[1])


@llama
def test_a_step_moves_nothing_between_host_and_device(subject):
    model, token, cache = begun(subject)
    guard = nullcontext()
    if subject.backend.arrays == "jax":
        import jax

        guard = jax.transfer_guard("disallow")
    with guard:
        logits, cache = model.decode(token, cache)
        model.decode(logits.argmax(axis=-1), cache)


@llama
@pytest.mark.parametrize("wrong", [CONFIG.vocab_size, -1])
def test_an_id_that_is_no_token_is_never_taken_for_another(subject, wrong):
    """On the host it is refused; on a device it is not looked at, and its row's logits are NaN until it is rewound."""
    model, token, cache = begun(subject)
    start = cache.length
    (bad,) = subject.place((np.array([5, wrong], np.int32),))
    if isinstance(bad, np.ndarray):
        with pytest.raises(ValueError, match=f"token holds id {wrong}, expected 0 to 60"):
            model.decode(bad, cache)
        return
    expected, cache = model.decode(token, cache)
    expected = np.asarray(expected)
    for first in (bad, bad[:, None]):
        step = model.decode if first.ndim == 1 else model.prefill
        logits, cache = step(first, cache.rewind(start))
        assert np.isnan(np.asarray(logits)[1]).all()
        later, cache = model.decode(token, cache)
        for array in (logits, later):
            assert np.isfinite(np.asarray(array)[0]).all()
            assert np.isnan(np.asarray(array)[1]).all()
        again, cache = model.decode(token, cache.rewind(start))
        assert (np.asarray(again) == expected).all()


@llama
def test_a_prompt_with_an_id_that_is_no_token_gives_no_logits(subject):
    if subject.backend.arrays == "jax":
        (prompt,) = subject.place((np.array([[1, 2, 3], [1, CONFIG.vocab_size, 3]], np.int32),))
        logits = np.asarray(load(subject).prefill(prompt)[0])
        assert np.isfinite(logits[0]).all()
        assert np.isnan(logits[1]).all()
    else:
        with pytest.raises(ValueError, match="tokens holds id 61, expected 0 to 60"):
            load(subject).prefill(np.array([[1, 61, 3]]))
