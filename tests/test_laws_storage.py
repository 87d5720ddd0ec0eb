"""Laws of what is stored in fewer bits: round trips, and caches that change where they are written and nowhere else."""

from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from impls.dequantise.reference import dequantise
from impls.kv_append.reference import kv_append
from impls.kv_append_int8.reference import kv_append_int8
from impls.kv_read_int8.reference import kv_read_int8
from impls.quantisation import packed_int4, unpacked_int4
from impls.quantise.reference import quantise
from impls.to_bf16.reference import to_bf16
from kernelgate.kernel import DTYPES, discover

KERNELS = discover("impls")
law = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
seeds = st.integers(0, 2**32 - 1)


def draw(subject, seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(DTYPES[subject.dtype])


def is_nan(values):
    """Of bfloat16, by the bits: NumPy warns of signalling NaN."""
    return (values.view(np.uint16) & 0x7FFF) > 0x7F80


@pytest.mark.subjects("to_bf16", operation="kernel")
@given(seed=seeds)
@law
def test_bf16_becomes_bf16_again_bit_for_bit(subject, seed):
    bits = np.random.default_rng(seed).integers(0, 2**16, (3, 40), np.uint16)
    again = subject((bits.astype(np.uint32) << 16).view(np.float32))
    nan = is_nan(bits)
    np.testing.assert_array_equal(again.view(np.uint16)[~nan], bits[~nan])
    assert is_nan(again)[nan].all()


@pytest.mark.subjects("to_bf16", operation="kernel")
def test_every_kind_of_nan_stays_one(subject):
    """Cut off, the fraction of some would leave an infinity; rounded up, that of others would carry into a number."""
    bits = np.array([[0x7F800001, 0xFF80FFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00000] * 8], np.uint32)
    assert is_nan(subject(bits.view(np.float32))).all()


@pytest.mark.subjects("quantise", operation="kernel")
@given(seed=seeds, power=st.integers(-60, 60))
@law
def test_what_is_quantised_lies_within_half_a_step(subject, seed, power):
    x = draw(subject, seed, 3, 64) * np.float32(2.0**power)
    quantised, scales = subject(x)
    steps = np.repeat(scales.astype(np.float64), 32, axis=-1)
    # The scale and its inverse are each rounded: up to 127 steps of 2**-23 and a little.
    assert (np.abs(quantised * steps - x) <= steps * (0.5 + 2**-15)).all()
    assert (np.abs(quantised.reshape(-1, 32).astype(int)).max(axis=-1) == 127).all()


@pytest.mark.subjects("quantise", operation="kernel")
@given(seed=seeds)
@law
def test_what_was_quantised_is_quantised_to_the_same(subject, seed):
    quantised, scales = subject(draw(subject, seed, 2, 96))
    again, _ = subject(dequantise(quantised, scales))
    np.testing.assert_array_equal(again, quantised)


@pytest.mark.subjects("quantise", operation="kernel")
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_group_with_a_number_that_is_none_says_so_and_no_other(subject, wrong):
    x = draw(subject, 1, 1, 96)
    for place in (32, 41, 63):
        spoilt = x.copy()
        spoilt[0, place] = wrong
        _, scales = subject(spoilt)
        assert np.isfinite(scales).tolist() == [[True, False, True]]


@pytest.mark.subjects("dequantise", operation="kernel")
@given(seed=seeds, factor=st.sampled_from([0.5, 2.0, 1024.0]))
@law
def test_dequantising_goes_with_the_scale(subject, seed, factor):
    quantised, scales = quantise(draw(subject, seed, 3, 64))
    assert np.array_equal(subject(quantised, scales * np.float32(factor)), subject(quantised, scales) * factor)


def caches(subject, seed):
    """Arguments of an append: what is cached, what is new, and where it goes."""
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()} | {"seq": 2, "position": 1}
    return subject.kernel.inputs(np.random.default_rng(seed), DTYPES[subject.dtype], **dims)


@pytest.mark.subjects("kv_append", operation="kernel")
@given(seed=seeds)
@law
def test_what_is_appended_is_read_and_nothing_else_changes(subject, seed):
    keys_cache, values_cache, keys, values, position = caches(subject, seed)
    written = subject(keys_cache, values_cache, keys, values, position)
    for cache, new, now in zip((keys_cache, values_cache), (keys, values), written, strict=True):
        end = position + new.shape[2]
        np.testing.assert_array_equal(now[:, :, position:end], new)
        np.testing.assert_array_equal(now[:, :, :position], cache[:, :, :position])
        np.testing.assert_array_equal(now[:, :, end:], cache[:, :, end:])


@pytest.mark.subjects("kv_append_int8", operation="kernel")
@given(seed=seeds)
@law
def test_what_is_appended_in_bytes_is_read_within_half_a_step(subject, seed):
    *before, keys, values, position = caches(subject, seed)
    after = subject(*before, keys, values, position)
    end = position + keys.shape[2]
    for cache, scales, new in ((after[0], after[2], keys), (after[1], after[3], values)):
        read = kv_read_int8(cache, scales, end)[:, :, position:]
        assert (np.abs(read - new) <= scales[:, :, position:end, None] * (0.5 + 2**-15)).all()
    for was, now in zip(before, after, strict=True):
        np.testing.assert_array_equal(now[:, :, :position], was[:, :, :position])
        np.testing.assert_array_equal(now[:, :, end:], was[:, :, end:])


@pytest.mark.subjects("kv_append_int8", operation="kernel")
def test_zeros_are_zeros_in_bytes_too(subject):
    *before, keys, values, position = caches(subject, 5)
    after = subject(*before, np.zeros_like(keys), np.zeros_like(values), position)
    for array in after:
        assert not array[:, :, position : position + keys.shape[2]].any()


@pytest.mark.subjects(
    "kv_append", "kv_append_int8", operation="kernel", backends=("reference", "numpy", "numba", "jax")
)
@pytest.mark.parametrize("wrong", [-1, 4, 5, 2**31])
def test_a_position_past_the_cache_is_refused_and_nothing_damaged(subject, wrong):
    *arguments, _ = caches(subject, 3)
    placed = subject.place((*arguments, wrong))
    before = [np.asarray(array).copy() for array in placed[:-1]]
    with pytest.raises(ValueError, match=f"position is {wrong}, expected 0 to 3"):
        getattr(subject.module, subject.folder.name)(*placed)
    for was, now in zip(before, placed[:-1], strict=True):
        np.testing.assert_array_equal(np.asarray(now), was)


# As much as is shared among threads, where nothing but what is compiled looks at shapes.
LARGE = {"batch": 1, "heads": 8, "positions": 200, "seq": 130, "head_dim": 64, "position": 0}


def large(subject):
    names = ("keys_cache", "values_cache", "keys", "values", "position")
    inputs = subject.kernel.inputs(np.random.default_rng(1), DTYPES[subject.dtype], **LARGE)
    return dict(zip(names, inputs, strict=True))


@pytest.mark.subjects("kv_append", operation="kernel", backends=("reference", "numpy", "numba"))
@pytest.mark.parametrize(
    "changed",
    [
        {"position": -1},
        {"position": 71},
        {"keys_cache": (2, 8, 200, 64)},
        {"values_cache": (1, 8, 199, 64)},
        {"values_cache": (2, 8, 200, 64)},
        {"values": (1, 7, 130, 64)},
        {"values": (1, 8, 131, 64)},
        {"keys": (1, 8, 130, 65), "values": (1, 8, 130, 65)},
        {"keys": (1, 8, 201, 64), "values": (1, 8, 201, 64)},
    ],
)
def test_much_that_does_not_fit_is_refused_and_nothing_damaged(subject, changed):
    given = large(subject)
    for name, value in changed.items():
        given[name] = value if name == "position" else np.ones(value, DTYPES[subject.dtype])
    before = {name: given[name].copy() for name in ("keys_cache", "values_cache")}
    with pytest.raises(ValueError, match=", expected "):
        getattr(subject.module, subject.folder.name)(*given.values())
    for name, was in before.items():
        np.testing.assert_array_equal(given[name], was)


@pytest.mark.subjects("kv_append", operation="kernel", backends=("numpy", "numba"))
def test_much_of_another_dtype_is_rounded_to_the_caches(subject):
    given = large(subject)
    other = {name: given[name].astype(np.float64) for name in ("keys", "values")}
    expected = subject.reference.module.kv_append(*given.values())
    found = getattr(subject.module, subject.folder.name)(*(given | other).values())
    for was, now in zip(expected, found, strict=True):
        np.testing.assert_array_equal(now, was)


@pytest.mark.subjects("kv_read", "kv_read_int8", operation="kernel", backends=("reference", "numpy", "numba", "jax"))
@pytest.mark.parametrize("wrong", [-1, 6])
def test_more_than_the_cache_holds_is_refused(subject, wrong):
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()}
    *arguments, _ = subject.kernel.inputs(np.random.default_rng(1), DTYPES[subject.dtype], **dims)
    with pytest.raises(ValueError, match=f"length is {wrong}, expected 0 to 5"):
        subject(*arguments, wrong)


@pytest.mark.subjects(
    "linear_int8",
    "linear_int8_int8",
    "linear_int4_int8",
    operation="kernel",
    backends=("reference", "numpy", "numba_vnni"),
)
def test_activations_that_are_too_short_are_refused(subject):
    dims = {name: values[-1] for name, values in subject.kernel.domain.items()}
    x, *weights = subject.kernel.inputs(np.random.default_rng(1), DTYPES[subject.dtype], **dims)
    with pytest.raises(ValueError, match="x has shape"):
        subject(np.ascontiguousarray(x[:, :64]), *weights)


@given(seed=seeds)
@law
def test_int4_is_packed_and_unpacked(seed):
    weight = np.random.default_rng(seed).integers(-8, 8, (3, 64), np.int8)
    packed = packed_int4(weight)
    assert packed.shape == (3, 32)
    np.testing.assert_array_equal(unpacked_int4(packed), weight)


class WrongSubject(SimpleNamespace):
    """Stands in for a subject whose implementation breaks a law."""

    dtype = "f32"
    folder = SimpleNamespace(name="wrong")

    def __call__(self, *arguments):
        return self.wrong(*arguments)

    @property
    def module(self):
        return self

    def place(self, arguments):
        return arguments


def truncated(x):
    return (x.view(np.uint32) >> 16).astype(np.uint16).view(ml_dtypes.bfloat16)


def carried(x):
    bits = x.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16).view(ml_dtypes.bfloat16)


def cut_off(x):
    _, scales = quantise(x)
    return np.trunc(x / np.repeat(scales, 32, axis=-1)).astype(np.int8), scales


def blind(x):
    return quantise(np.nan_to_num(x, posinf=1, neginf=1))


def clamped(*arguments):
    *arrays, position = arguments
    cache, new = arrays[0], arrays[-1]
    append = kv_append if len(arrays) == 4 else kv_append_int8
    return append(*arrays, min(max(position, 0), cache.shape[2] - new.shape[2]))


def all_bytes(*arguments):
    """Rewrites every scale."""
    keys, values, key_scales, value_scales = kv_append_int8(*arguments)
    return keys, values, key_scales * np.float32(2), value_scales


def all_ones(*arguments):
    """As if a scale of zero were taken for 1."""
    keys, values, key_scales, value_scales = kv_append_int8(*arguments)
    return keys, values, np.ones_like(key_scales), value_scales


@pytest.mark.parametrize(
    ("broken", "kernel", "function", "drawn"),
    [
        (test_bf16_becomes_bf16_again_bit_for_bit, "to_bf16", lambda x: to_bf16(-x), {"seed": 0}),
        (test_every_kind_of_nan_stays_one, "to_bf16", truncated, {}),
        (test_every_kind_of_nan_stays_one, "to_bf16", carried, {}),
        (test_what_is_quantised_lies_within_half_a_step, "quantise", cut_off, {"seed": 0, "power": 0}),
        (test_what_was_quantised_is_quantised_to_the_same, "quantise", cut_off, {"seed": 0}),
        (test_a_group_with_a_number_that_is_none_says_so_and_no_other, "quantise", blind, {"wrong": np.nan}),
        (
            test_dequantising_goes_with_the_scale,
            "dequantise",
            lambda quantised, scales: dequantise(quantised, np.minimum(scales, np.float32(0.02))),
            {"seed": 0, "factor": 2.0},
        ),
        (
            test_what_is_appended_is_read_and_nothing_else_changes,
            "kv_append",
            lambda *arguments: kv_append(*arguments[:-1], arguments[-1] + 1),
            {"seed": 0},
        ),
        (test_what_is_appended_in_bytes_is_read_within_half_a_step, "kv_append_int8", all_bytes, {"seed": 0}),
        (test_zeros_are_zeros_in_bytes_too, "kv_append_int8", all_ones, {}),
        (test_activations_that_are_too_short_are_refused, "linear_int8", lambda x, weight, scales: x, {}),
        (
            test_more_than_the_cache_holds_is_refused,
            "kv_read",
            lambda cache, length: cache[:, :, :length],
            {"wrong": 6},
        ),
    ],
)
def test_a_law_can_fail(broken, kernel, function, drawn):
    subject = WrongSubject(wrong=function, kernel=KERNELS[kernel].operations["kernel"])
    check = broken.hypothesis.inner_test if hasattr(broken, "hypothesis") else broken
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(subject=subject, **drawn)


@pytest.mark.parametrize("kernel", ["kv_append", "kv_append_int8"])
def test_the_law_of_positions_can_fail(kernel):
    subject = WrongSubject(wrong=clamped, kernel=KERNELS[kernel].operations["kernel"])
    with pytest.raises(pytest.fail.Exception):
        test_a_position_past_the_cache_is_refused_and_nothing_damaged(subject, 4)
