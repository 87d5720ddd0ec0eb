"""`x @ weight.T` of float32 activations, kept to 24 bits, with int8 weights: products of bytes by VNNI, three for each.

A group of activations becomes `scale * (first + second / 254 + third / 254**2)`, three signed bytes each of -127 to
127: to within 2**-24 of the group's largest, as exact as float32 itself is in a sum. A vector of 64 weights is read
once and multiplied with three vectors, where float32 would widen it into four and multiply each.

`packed` is uint8 `[tiles, groups, 8, 16, 4]`, `packed_scales` the bits of bf16 `[tiles, groups, 16]` (`given_tiles`).
`result` is float32, or the bits of bf16.
"""

import numpy as np
from numba import njit, prange

from ..quantisation import GROUP, SMALLEST, STEP
from ..simd.arithmetic import add, float_bits, horizontal_sum, multiply, rounded, subtract, to_int, to_int8
from ..simd.quantisation import larger_magnitude, largest_as_float
from ..simd.row_access import signatures
from ..simd.rows import dot_int8_rows, rows_of, scaled_rows, splat_rows, store_words
from ..simd.vectors import load, load_bf16, splat
from .activations import PANEL, panels_of
from .packing import INT8_ZERO, TILE
from .products import store_panel, store_tile

DIGITS = 3
LEVELS = np.float32(127)
BASE = np.float32(254)
LANES = 16
FOURS = GROUP // 4
VECTOR = 4 * TILE
# Tiles a thread takes at once.
SHARE = 8

_SIGNATURES = signatures("(float32[:, ::1], uint8[:, :, :, :, ::1], uint16[:, :, ::1], real[:, ::1])")


@njit
def _spaces(panels, groups, height):
    """For the digits, their scales, and what their products with weights stored 128 too high come out too high by."""
    return (
        np.zeros((panels, groups, FOURS, DIGITS, height, 4), np.int8),
        np.zeros((panels, groups, DIGITS, height), np.float32),
        np.zeros((panels, groups, DIGITS, height), np.int32),
    )


@njit
def _digits_of_row(x, row, panel, lane, integers, scales, offsets):
    _, groups, _, _, height, _ = integers.shape
    for group in range(groups):
        begin = row * groups * GROUP + group * GROUP
        scale = _digits_of_group(x, begin, integers, (panel * groups + group) * FOURS, height, lane, offsets)
        for digit in range(DIGITS):
            scales[panel, group, digit, lane] = scale
            scale /= BASE


@njit(error_model="numpy")
def _digits_of_group(x, begin, integers, four, height, lane, offsets):
    """The scale of one group of one row, whose digits go to their lane of the fours of inputs from `four` on."""
    first_half, second_half = load(x, begin), load(x, begin + LANES)
    magnitudes = larger_magnitude(splat(np.int32(0)), float_bits(first_half))
    largest = largest_as_float(larger_magnitude(magnitudes, float_bits(second_half)))
    factor = LEVELS / largest
    if largest < SMALLEST:
        largest = factor = np.float32(0)
    stride = DIGITS * height * 4
    first_rest, second_rest = multiply(first_half, splat(factor)), multiply(second_half, splat(factor))
    flat = offsets.reshape(-1)
    for digit in range(DIGITS):
        first, second = rounded(first_rest), rounded(second_rest)
        start = four * stride + (digit * height + lane) * 4
        store_words(integers, start, stride, to_int8(to_int(first)))
        store_words(integers, start + LANES // 4 * stride, stride, to_int8(to_int(second)))
        total = horizontal_sum(add(to_int(first), to_int(second)))
        flat[(four // FOURS * DIGITS + digit) * height + lane] = -INT8_ZERO * total
        # Exact: what is taken away is near.
        first_rest = multiply(subtract(first_rest, first), splat(BASE))
        second_rest = multiply(subtract(second_rest, second), splat(BASE))
    return largest * STEP


@njit
def _row_product(integers, scales, offsets, packed, packed_scales, first, last, result):
    groups = packed.shape[1]
    for tile in range(first, last):
        sums = rows_of(1, splat(np.float32(0)))
        for group in range(groups):
            weights, at, digit = (tile * groups + group) * FOURS * VECTOR, group * FOURS * DIGITS * 4, group * DIGITS
            high = splat_rows(1, offsets, digit)
            middle = splat_rows(1, offsets, digit + 1)
            low = splat_rows(1, offsets, digit + 2)
            for four in range(FOURS):
                vector = load(packed, weights + four * VECTOR)
                high = dot_int8_rows(high, integers, at + four * DIGITS * 4, vector)
                middle = dot_int8_rows(middle, integers, at + four * DIGITS * 4 + 4, vector)
                low = dot_int8_rows(low, integers, at + four * DIGITS * 4 + 8, vector)
            steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
            sums = scaled_rows(sums, low, scales, digit + 2, steps)
            sums = scaled_rows(sums, middle, scales, digit + 1, steps)
            sums = scaled_rows(sums, high, scales, digit, steps)
        store_tile(result, 0, tile, sums[0])


@njit
def _product(integers, scales, offsets, packed, packed_scales, first, last, result):
    groups = packed.shape[1]
    step = PANEL * 4
    for tile in range(first, last):
        for panel in range(len(integers)):
            sums = rows_of(PANEL, splat(np.float32(0)))
            for group in range(groups):
                weights, row_group = (tile * groups + group) * FOURS * VECTOR, panel * groups + group
                at, digit = row_group * FOURS * DIGITS * step, row_group * DIGITS * PANEL
                high = splat_rows(PANEL, offsets, digit)
                middle = splat_rows(PANEL, offsets, digit + PANEL)
                low = splat_rows(PANEL, offsets, digit + 2 * PANEL)
                for four in range(FOURS):
                    vector = load(packed, weights + four * VECTOR)
                    high = dot_int8_rows(high, integers, at + four * DIGITS * step, vector)
                    middle = dot_int8_rows(middle, integers, at + (four * DIGITS + 1) * step, vector)
                    low = dot_int8_rows(low, integers, at + (four * DIGITS + 2) * step, vector)
                steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
                sums = scaled_rows(sums, low, scales, digit + 2 * PANEL, steps)
                sums = scaled_rows(sums, middle, scales, digit + PANEL, steps)
                sums = scaled_rows(sums, high, scales, digit, steps)
            store_panel(result, panel, tile, sums)


@njit(_SIGNATURES, parallel=True, cache=True)
def row_linear(x, packed, packed_scales, result):
    """A single row."""
    integers, scales, offsets = _spaces(1, packed.shape[1], 1)
    _digits_of_row(x, 0, 0, 0, integers, scales, offsets)
    for share in prange((len(packed) + SHARE - 1) // SHARE):
        last = min((share + 1) * SHARE, len(packed))
        _row_product(integers, scales, offsets, packed, packed_scales, share * SHARE, last, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def rows_linear(x, packed, packed_scales, result):
    """Any number of rows."""
    integers, scales, offsets = _spaces(panels_of(len(x)), packed.shape[1], PANEL)
    for row in prange(len(x)):
        _digits_of_row(x, row, row // PANEL, row % PANEL, integers, scales, offsets)
    for share in prange((len(packed) + SHARE - 1) // SHARE):
        last = min((share + 1) * SHARE, len(packed))
        _product(integers, scales, offsets, packed, packed_scales, share * SHARE, last, result)
