"""Vectors as Numba values: each operation against NumPy, instructions against their portable twins."""

import importlib

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impls.simd.features import BF16_DOT, INT8_DOT, missing
from kernelgate.devices import installed
from kernelgate.structure.numba_assembly import hot_loop

pytestmark = pytest.mark.skipif(not installed("numba"), reason="needs numba")
seeds = st.integers(0, 2**32 - 1).map(np.random.default_rng)
floats = np.zeros(16, np.float32)
integers = np.zeros(16, np.int32)


@pytest.fixture(scope="module")
def compiled():
    """What needs Numba, which collecting must not import."""
    return importlib.import_module("compiled_vectors")


def drawn(rng, kind=np.float32):
    """16 numbers of widely different magnitudes."""
    return (rng.standard_normal(16) * 10.0 ** rng.integers(-4, 5, 16)).astype(kind)


@given(seeds, st.integers(0, 40), st.integers(0, 40), st.integers(0, 16))
def test_memory_is_read_and_written_at_any_place_and_nowhere_else(compiled, rng, begin, at, count):
    source = rng.standard_normal((8, 7)).astype(np.float32)
    for copy, width in ((compiled.copy, 16), (lambda *places: compiled.copy_first(*places, count), count)):
        target = rng.standard_normal(56).astype(np.float32)
        expected = target.copy()
        expected[at : at + width] = source.ravel()[begin : begin + width]
        copy(source, begin, target, at)
        np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("kind", [np.float32, ml_dtypes.bfloat16])
@given(seeds, st.lists(st.integers(1, 4), min_size=1, max_size=4), st.booleans())
def test_rows_are_those_along_the_last_axis_and_go_back_to_the_shape(compiled, kind, rng, shape, transposed):
    x = rng.standard_normal(shape).astype(kind)
    x = x.T if transposed else x
    rows = compiled.as_rows(x)
    assert rows.shape == (x.size // x.shape[-1], x.shape[-1])
    assert rows.flags.c_contiguous and rows.dtype == {4: np.float32, 2: np.uint16}[x.itemsize]
    found = compiled.rows_as(x, rows)
    assert (found.shape, found.dtype) == (x.shape, x.dtype)
    np.testing.assert_array_equal(found, x)


@pytest.mark.parametrize("kind", [np.float32, np.uint16])
@given(seeds, st.integers(32, 400))
def test_of_a_row_a_span_is_copied_and_the_rest_filled(compiled, kind, rng, columns):
    source, target = (rng.integers(1, 1000, columns + 80).astype(kind) for _ in range(2))
    # Many of each row: what goes wrong at a border does so for a few places of it.
    for first, last in [(0, 0), (0, columns), (columns, columns), *np.sort(rng.integers(0, columns + 1, (30, 2)))]:
        expected = target.copy()
        expected[7 : 7 + columns] = 0
        expected[7 + first : 7 + last] = source[7 + first : 7 + last]
        for copy in (compiled.span, compiled.long_span):
            found = target.copy()
            copy(source, 7, columns, first, last, kind(0), found)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.uint16, np.int32])
def test_a_vector_has_512_bits_of_any_element(compiled, kind):
    source = np.arange(200).astype(kind)
    target = np.zeros(80, kind)
    compiled.copy(source, 3, target, 1)
    width = 64 // source.itemsize
    np.testing.assert_array_equal(target[: width + 2], [0, *source[3 : 3 + width], 0])


def _maximum(a, b):
    return np.where(a > b, a, b)


def _fma(a, b, c):
    # The product of two float32 is exact in float64; of what a second rounding could change, random numbers show none.
    return (a.astype(np.float64) * b + c).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected", "count"),
    [
        ("add", np.add, 2),
        ("subtract", np.subtract, 2),
        ("multiply", np.multiply, 2),
        ("divide", np.divide, 2),
        ("maximum", _maximum, 2),
        ("minimum", lambda a, b: np.where(a < b, a, b), 2),
        ("fma", _fma, 3),
        ("absolute", np.abs, 1),
        ("rounded", np.rint, 1),
    ],
)
@given(seeds)
def test_float_arithmetic_is_numpys_bit_for_bit(compiled, name, expected, count, rng):
    given = [drawn(rng) for _ in range(count)]
    np.testing.assert_array_equal(compiled.lanes(name, floats, *given), expected(*given))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "maximum"])
@given(seeds)
def test_integer_arithmetic_is_numpys(compiled, name, rng):
    a, b = rng.integers(-(2**31), 2**31, (2, 16)).astype(np.int32)
    np.testing.assert_array_equal(compiled.lanes(name, integers, a, b), getattr(np, name)(a, b))


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_of_a_nan_and_a_number_the_second_is_taken(compiled, name):
    nans, ones = np.full(16, np.nan, np.float32), np.ones(16, np.float32)
    assert (compiled.lanes(name, floats, nans, ones) == 1).all()
    assert np.isnan(compiled.lanes(name, floats, ones, nans)).all()


@given(seeds)
def test_lanes_are_folded_into_one(compiled, rng):
    x, whole = drawn(rng), rng.integers(-(2**31), 2**31, 16).astype(np.int32)
    total, largest, whole_total = compiled.across(x, whole)
    assert abs(total - x.astype(np.float64).sum()) <= 1e-6 * np.abs(x).sum()
    assert largest == x.max()
    assert np.int32(whole_total) == whole.sum(dtype=np.int32)


@given(seeds)
def test_conversions_of_integers(compiled, rng):
    x = rng.integers(-(2**24), 2**24, 16)
    whole, real = x.astype(np.int32), x.astype(np.float32) + np.float32(0.25)
    np.testing.assert_array_equal(compiled.lanes("to_float", floats, whole), x.astype(np.float32))
    np.testing.assert_array_equal(compiled.lanes("to_int", integers, real), real.astype(np.int32))
    np.testing.assert_array_equal(compiled.lanes("to_int8", np.zeros(16, np.int8), whole), whole.astype(np.int8))
    bits = rng.integers(0, 2**31, 16).astype(np.int32)
    np.testing.assert_array_equal(compiled.lanes("from_bits", floats, bits), bits.view(np.float32))
    np.testing.assert_array_equal(compiled.lanes("float_bits", integers, real), real.view(np.int32))


@given(seeds)
def test_bf16_is_rounded_as_ml_dtypes_rounds_it_and_widened_exactly(compiled, rng):
    """Any bits: subnormal numbers, infinities and NaN among them, and halves between two bf16."""
    bits = rng.integers(0, 2**32, 16, np.uint32) & rng.choice(np.uint32([0xFFFFFFFF, 0xFFFF8000, 0xFF800000]), 16)
    bits |= rng.choice(np.uint32([0, 0x7F800000]), 16, p=[0.9, 0.1])
    x = bits.view(np.float32)
    narrow = compiled.lanes("to_bf16", np.zeros(16, np.uint16), x)
    with np.errstate(invalid="ignore"):
        expected = x.astype(ml_dtypes.bfloat16)
    np.testing.assert_array_equal(np.isnan(narrow.view(ml_dtypes.bfloat16)), np.isnan(x))
    np.testing.assert_array_equal(narrow[~np.isnan(x)], expected.view(np.uint16)[~np.isnan(x)])
    wide = np.zeros_like(floats)
    compiled.widen(narrow, wide)
    np.testing.assert_array_equal(wide.view(np.uint32), narrow.astype(np.uint32) << 16)


@given(seeds)
def test_packed_numbers_are_taken_apart(compiled, rng):
    pairs = rng.integers(0, 0x7F80, 32).astype(np.uint16)
    wide = (pairs.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(compiled.lanes("first_of_pairs", floats, pairs), wide[0::2])
    np.testing.assert_array_equal(compiled.lanes("second_of_pairs", floats, pairs), wide[1::2])
    both = rng.integers(0, 256, 64).astype(np.uint8)
    np.testing.assert_array_equal(compiled.lanes("low_nibbles", both, both), both & 15)
    np.testing.assert_array_equal(compiled.lanes("high_nibbles_by_16", both, both), both >> 4 << 4)


@given(seeds)
def test_exp_is_right_to_two_units_in_the_last_place(compiled, rng):
    x = rng.uniform(-86.6, 88.7, 16).astype(np.float32)
    expected = np.exp(x.astype(np.float64))
    assert (np.abs(compiled.lanes("exp", floats, x) - expected) <= 2 * np.spacing(expected.astype(np.float32))).all()


def test_exp_at_its_ends(compiled):
    x = np.tile(np.float32([-np.inf, -1000, 0, 89, 1000, np.inf, np.nan, -0.0]), 2)
    expected = np.tile(np.float32([0, 0, 1, np.inf, np.inf, np.inf, np.nan, 1]), 2)
    np.testing.assert_array_equal(compiled.lanes("exp", floats, x), expected)


@pytest.mark.parametrize("form", ["", "portable_", "instruction_"])
@given(seeds)
def test_the_int8_dot_is_exact_in_every_form(compiled, form, rng):
    if form == "instruction_" and missing(INT8_DOT):
        pytest.skip("the processor has no avx512vnni")
    sums = rng.integers(-(2**30), 2**30, 16).astype(np.int32)
    # The ends of the range among them: 255 * -128 four times.
    unsigned = rng.choice([0, 1, 127, 128, 255], 64).astype(np.uint8)
    signed = rng.choice([-128, -127, -1, 0, 1, 127], 64).astype(np.int8)
    expected = sums + (unsigned.astype(np.int32) * signed).reshape(16, 4).sum(1)
    found = compiled.lanes(f"{form}dot_int8", integers, sums, unsigned, signed)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("form", ["", "portable_", "instruction_"])
@given(seeds)
def test_the_bf16_dot_is_right_in_every_form(compiled, form, rng):
    if form == "instruction_" and missing(BF16_DOT):
        pytest.skip("the processor has no avx512bf16")
    sums = drawn(rng)
    a, b = rng.standard_normal((2, 32)).astype(ml_dtypes.bfloat16)
    products = (a.astype(np.float64) * b.astype(np.float64)).reshape(16, 2)
    found = compiled.lanes(f"{form}dot_bf16", floats, sums, a.view(np.uint16), b.view(np.uint16))
    # Each of the two steps may round once.
    allowed = 1.2e-7 * (np.abs(sums) + np.abs(products).sum(1))
    assert (np.abs(found - (sums + products.sum(1))) <= allowed).all()


@pytest.mark.parametrize(("name", "feature"), [("int8", "avx512vnni"), ("bf16", "avx512bf16")])
def test_an_instruction_that_the_processor_lacks_is_named(compiled, name, feature, monkeypatch):
    monkeypatch.setattr("impls.simd.dots.missing", tuple)
    with pytest.raises(compiled.REFUSED, match=f"tried: Numba compiles for a CPU without {feature}"):
        compiled.instruction(name, "tried")


@pytest.mark.parametrize(("name", "told"), [("splat", "float64"), ("load", r"array\(float64, 1d, C\)")])
def test_an_operation_says_what_it_is_not_defined_for(compiled, name, told):
    with pytest.raises(compiled.REFUSED, match=f"{name}: not defined for {told}"):
        compiled.misused(name)


@given(seeds)
def test_rows_accumulate_each_its_own(compiled, rng):
    x, weights = rng.standard_normal((2, 16)).astype(np.float32)
    pairs, pair_weights = rng.standard_normal((2, 32)).astype(ml_dtypes.bfloat16)
    bytes_, byte_weights = rng.integers(-128, 128, 64).astype(np.int8), rng.integers(0, 256, 64).astype(np.uint8)
    sums, whole = np.zeros((6, 16), np.float32), np.zeros((3, 16), np.int32)
    scaled, summed = np.zeros((3, 16), np.float32), np.zeros((3, 16), np.int32)
    arrays = (x, bytes_, pairs.view(np.uint16), weights, byte_weights, pair_weights.view(np.uint16))
    compiled.accumulate(*arrays, sums, whole, scaled, summed)
    start = x[5:8, None].astype(np.float64)
    np.testing.assert_allclose(sums[:3], start + x[1:4, None] * weights, rtol=1e-5, atol=1e-6)
    two = pairs[2:8].astype(np.float64).reshape(3, 1, 2) * pair_weights.astype(np.float64).reshape(1, 16, 2)
    np.testing.assert_allclose(sums[3:], start + two.sum(-1), rtol=1e-5, atol=1e-6)
    four = bytes_[4:16].astype(np.int32).reshape(3, 1, 4) * byte_weights.astype(np.int32).reshape(1, 16, 4)
    np.testing.assert_array_equal(whole, four.sum(-1) - 7)
    np.testing.assert_allclose(scaled, start + whole * (x[9:12, None] * weights), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(summed, whole - 3)


@given(seeds)
def test_eight_rows_are_loaded_folded_and_spread(compiled, rng):
    x, whole = rng.standard_normal(160).astype(np.float32), rng.integers(-(2**27), 2**27, 128).astype(np.int32)
    apart, folded, folded_whole = np.zeros(340, np.float32), np.zeros(32, np.float32), np.zeros(16, np.int32)
    lanes_apart, spread = np.zeros((8, 16), np.float32), np.zeros(16, np.float32)
    compiled.eight_rows(x, whole, apart, folded, folded_whole, lanes_apart, spread)
    eight = np.stack([x[3 + 17 * i : 19 + 17 * i] for i in range(8)])
    np.testing.assert_array_equal(folded[:16], np.tile(2 * eight.max(1), 2))
    np.testing.assert_allclose(folded[16:24], eight.sum(1), rtol=1e-5, atol=1e-5)
    assert not folded[24:].any()
    np.testing.assert_array_equal(folded_whole, np.tile(whole.reshape(8, 16).sum(1), 2))
    expected = np.zeros_like(apart)
    for i in range(8):
        expected[1 + 2 * i :: 20][:16] = eight[i]
    np.testing.assert_array_equal(apart, expected)
    np.testing.assert_array_equal(lanes_apart, np.repeat(eight[7, :8, None], 16, axis=1))
    np.testing.assert_array_equal(spread, whole[80:96].astype(np.float32))


@given(seeds, st.integers(0, 5), st.integers(1, 3))
def test_words_are_stored_apart(compiled, rng, index, stride):
    for kind, together in ((np.float32, 1), (np.uint16, 2), (np.int8, 4)):
        x = rng.integers(-100, 100, 64 // np.dtype(kind).itemsize).astype(kind)
        target = np.zeros(200, kind)
        expected = target.copy()
        for word in range(16):
            at = index + word * stride * together
            expected[at : at + together] = x[word * together : (word + 1) * together]
        compiled.spread(x, target, index, stride * together)
        np.testing.assert_array_equal(target, expected)


def test_vectors_are_whole_registers(compiled):
    if missing(("avx512f",)):
        pytest.skip("the processor has no avx512f")
    hot = hot_loop(compiled.assembly_of_a_loop())
    assert hot.width == 512
    assert hot.packed_fma >= 1


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16, np.int8])
def test_a_large_result_begins_on_a_cache_line(dtype):
    row_access = importlib.import_module("impls.simd.row_access")
    # Where memory happens to begin on a line, it would by chance.
    results = [row_access.aligned_empty((3, row_access.ALIGNED_FROM + extra), dtype) for extra in range(9)]
    assert {(result.ctypes.data % 64, result.dtype) for result in results} == {(0, np.dtype(dtype))}
    assert [result.shape[1] - row_access.ALIGNED_FROM for result in results] == list(range(9))
