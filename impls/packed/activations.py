"""Activations `[rows, in]` laid out for the products of packed weights, in panels of 8 rows, or one row by itself.

A panel holds, for each step of a product, the 8 numbers (pairs of bf16, fours of int8) that its rows need then. Rows
past the last and inputs past the end are zero. Panels are split over threads by `[first, last)`.
"""

import numpy as np
from numba import njit

from ..simd.arithmetic import (
    absolute,
    add,
    divide,
    float_bits,
    from_bits,
    horizontal_maximum,
    horizontal_sum,
    lower_half,
    maximum,
    multiply,
    rounded,
    to_bf16,
    to_int,
    to_int8,
)
from ..simd.rows import lanes_of, load_rows, maxima_of_rows, rows_of, store_words, store_words_of_rows, sums_of_rows
from ..simd.vectors import load, load_first, splat, store

PANEL = 8
# Inputs laid out at a time; `in` is filled up to a multiple of it.
LANES = 16
INVERSE_LEVELS = np.float32(1 / 127)
# Of less the inverse is infinite.
SMALLEST = np.float32(1e-38)


@njit
def panels_of(rows):
    """How many panels hold `rows` rows."""
    return (rows + PANEL - 1) // PANEL


@njit
def filled_up(inputs):
    """`inputs` up to the next multiple of 16."""
    return (inputs + LANES - 1) // LANES * LANES


@njit(forceinline=True)
def _inputs(x, row, i):
    """16 inputs of a row from `i` on; 0 past its end, and in rows past the last."""
    rows, width = x.shape
    if row >= rows or i >= width:
        return splat(np.float32(0))
    if i + LANES <= width:
        return load(x, row * width + i)
    return load_first(x, row * width + i, width - i)


@njit
def panels_f32(x, first, last, panels):
    """Panels of float32 `x[rows, in]` into float32 `panels[panels_of(rows), filled_up(in), 8]`."""
    steps = panels.shape[1]
    for panel in range(first, last):
        for lane in range(PANEL):
            start = panel * steps * PANEL + lane
            for i in range(0, steps, LANES):
                store_words(panels, start + i * PANEL, PANEL, _inputs(x, panel * PANEL + lane, i))


@njit
def panels_bf16(x, first, last, panels):
    """Panels of float32 `x[rows, in]`, rounded, into uint16 `panels[panels_of(rows), filled_up(in) / 2, 8, 2]`."""
    steps = panels.shape[1]
    for panel in range(first, last):
        for lane in range(PANEL):
            start = (panel * steps * PANEL + lane) * 2
            for i in range(0, 2 * steps, LANES):
                store_words(panels, start + i * PANEL, 2 * PANEL, to_bf16(_inputs(x, panel * PANEL + lane, i)))


@njit(error_model="numpy")
def panels_int8(x, zero, first, last, integers, scales, offsets):
    """Panels of float32 `x[rows, in]` quantised by groups of inputs: `-127` to `127` times a scale.

    integers: int8 `[panels, groups * group / 4, height, 4]`, scales: float32 and offsets: int32 `[panels, groups,
    height]`, where the height of a panel is 8, or 1 for a single row. An offset is what a product of weights that
    have `zero` added comes out too high by, negated.
    """
    groups, height = scales.shape[1], scales.shape[2]
    for panel in range(first, last):
        if height == 1:
            done = _quantise_row(x, panel, zero, integers, scales, offsets)
        elif (panel + 1) * PANEL <= x.shape[0]:
            done = _quantise_panel(x, panel, zero, integers, scales, offsets)
        else:
            done = 0
        for at in range(done, groups):
            for lane in range(height):
                _quantise_one(x, panel, at, lane, zero, integers, scales, offsets)


@njit(forceinline=True, error_model="numpy")
def _quantise_panel(x, panel, zero, integers, scales, offsets):
    """A group of each of eight rows at a time, as long as there are whole ones; how many there were."""
    width, groups = x.shape[1], scales.shape[1]
    group = integers.shape[1] * 4 // groups
    for at in range(width // group):
        place = (panel * groups + at) * PANEL
        source = (panel * PANEL * width + at * group, width)
        _quantise_eight(x, source, group, zero, integers, (place * group, 4, 4 * PANEL), scales, offsets, place)
    return width // group


@njit(forceinline=True, error_model="numpy")
def _quantise_row(x, row, zero, integers, scales, offsets):
    """Eight groups of a row at a time, as long as that is less work than one by one; how many it did."""
    width, groups = x.shape[1], scales.shape[1]
    group = integers.shape[1] * 4 // groups
    whole, done = width // group, 0
    while whole >= PANEL and whole - done > 2:
        # The last eight, where fewer are left.
        at = min(done, whole - PANEL)
        place = row * groups + at
        source = (row * width + at * group, group)
        _quantise_eight(x, source, group, zero, integers, (place * group, group, 4), scales, offsets, place)
        done = at + PANEL
    return done


@njit(forceinline=True, error_model="numpy")
def _quantise_eight(x, source, group, zero, integers, target, scales, offsets, place):
    """Eight groups: what the lanes of each are folded into is found for all of them at once.

    source: where in `x` they begin, and how far apart; target: the same in `integers`, and of the fours of each.
    """
    (start, step), (to, to_step, stride) = source, target
    # By their bits, magnitudes have the same order, and NaN is the largest: of a group that has one the scale is NaN.
    peaks = rows_of(PANEL, splat(np.int32(0)))
    for i in range(0, group, LANES):
        peaks = maximum(peaks, float_bits(absolute(load_rows(PANEL, x, start + i, step))))
    found = multiply(from_bits(maxima_of_rows(peaks)), splat(INVERSE_LEVELS))
    store(scales, place, lower_half(found))
    inverses = lanes_of(PANEL, divide(splat(np.float32(1)), maximum(found, splat(SMALLEST))))
    totals = rows_of(PANEL, splat(np.int32(0)))
    for i in range(0, group, LANES):
        numbers = to_int(rounded(multiply(load_rows(PANEL, x, start + i, step), inverses)))
        totals = add(totals, numbers)
        store_words_of_rows(integers, to + i // 4 * stride, to_step, stride, to_int8(numbers))
    store(offsets, place, lower_half(multiply(sums_of_rows(totals), splat(np.int32(-zero)))))


@njit(forceinline=True, error_model="numpy")
def _quantise_one(x, panel, at, lane, zero, integers, scales, offsets):
    """One group of one row, which may end early."""
    groups, height = scales.shape[1], scales.shape[2]
    group = integers.shape[1] * 4 // groups
    row, begin = panel * height + lane, at * group
    peaks = splat(np.int32(0))
    for i in range(begin, begin + group, LANES):
        peaks = maximum(peaks, float_bits(absolute(_inputs(x, row, i))))
    scale = np.int32(horizontal_maximum(peaks)).view(np.float32) * INVERSE_LEVELS
    inverse = splat(np.float32(1) / max(scale, SMALLEST))
    totals = splat(np.int32(0))
    to = (panel * groups + at) * height * group + 4 * lane
    for i in range(0, group, LANES):
        numbers = to_int(rounded(multiply(_inputs(x, row, begin + i), inverse)))
        totals = add(totals, numbers)
        store_words(integers, to + i * height, 4 * height, to_int8(numbers))
    scales[panel, at, lane] = scale
    offsets[panel, at, lane] = -zero * horizontal_sum(totals)
