"""Products of quantised weights and activations: sums of a group in int32, exactly, then scaled and added in float32.

As in `packed_products`, callers give the tiles `[first, last)`. The activations come from `activations.panels_int8`,
with `zero` of the weights (`packing.INT8_ZERO`, `INT4_ZERO`), in panels of 8 rows or as a single row of height 1. The
sum of a group begins with its offset, which takes back that the weights are stored `zero` too high.
"""

import numpy as np
from numba import njit

from ..simd.arithmetic import high_nibbles_by_16, low_nibbles
from ..simd.rows import add_sixteenths, dot_int8_rows, rows_of, scaled_rows, splat_rows
from ..simd.vectors import load, load_bf16, splat
from .activations import PANEL
from .packing import TILE
from .products import store_panel, store_tile

# Four inputs of 16 outputs.
VECTOR = 4 * TILE
ZERO = np.float32(0)


@njit
def row_product_int8(integers, scales, offsets, packed, packed_scales, first, last, result):
    """`result[out]` of a single quantised row and int8 weights `[tiles, groups, fours, 16, 4]`."""
    groups, fours = packed.shape[1], packed.shape[2]
    for tile in range(first, last):
        sums = rows_of(1, splat(ZERO))
        for group in range(groups):
            inputs, weights = group * fours * 4, (tile * groups + group) * fours * VECTOR
            totals = splat_rows(1, offsets, group)
            for four in range(fours):
                totals = dot_int8_rows(totals, integers, inputs + four * 4, load(packed, weights + four * VECTOR))
            steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
            sums = scaled_rows(sums, totals, scales, group, steps)
        store_tile(result, 0, tile, sums[0])


@njit
def row_product_int4(integers, scales, offsets, packed, packed_scales, first, last, result):
    """The same with int4 weights, two to a byte."""
    groups, eights = packed.shape[1], packed.shape[2]
    for tile in range(first, last):
        sums = rows_of(1, splat(ZERO))
        for group in range(groups):
            inputs, weights = group * eights * 8, (tile * groups + group) * eights * VECTOR
            totals, totals_by_16 = splat_rows(1, offsets, group), rows_of(1, splat(np.int32(0)))
            for eight in range(eights):
                at, both = inputs + eight * 8, load(packed, weights + eight * VECTOR)
                totals = dot_int8_rows(totals, integers, at, low_nibbles(both))
                totals_by_16 = dot_int8_rows(totals_by_16, integers, at + 4, high_nibbles_by_16(both))
            totals = add_sixteenths(totals, totals_by_16)
            steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
            sums = scaled_rows(sums, totals, scales, group, steps)
        store_tile(result, 0, tile, sums[0])


@njit
def product_int8(integers, scales, offsets, packed, packed_scales, first, last, result):
    """`result[rows, out]` of panels of quantised rows and int8 weights `[tiles, groups, fours, 16, 4]`."""
    groups, fours = packed.shape[1], packed.shape[2]
    for tile in range(first, last):
        for panel in range(integers.shape[0]):
            sums = rows_of(PANEL, splat(ZERO))
            for group in range(groups):
                row_group = panel * groups + group
                inputs, weights = row_group * fours * 4 * PANEL, (tile * groups + group) * fours * VECTOR
                totals = splat_rows(PANEL, offsets, row_group * PANEL)
                for four in range(fours):
                    at = inputs + four * 4 * PANEL
                    totals = dot_int8_rows(totals, integers, at, load(packed, weights + four * VECTOR))
                steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
                sums = scaled_rows(sums, totals, scales, row_group * PANEL, steps)
            store_panel(result, panel, tile, sums)


@njit
def product_int4(integers, scales, offsets, packed, packed_scales, first, last, result):
    """The same with int4 weights, two to a byte."""
    groups, eights = packed.shape[1], packed.shape[2]
    for tile in range(first, last):
        for panel in range(integers.shape[0]):
            sums = rows_of(PANEL, splat(ZERO))
            for group in range(groups):
                row_group = panel * groups + group
                inputs, weights = row_group * eights * 8 * PANEL, (tile * groups + group) * eights * VECTOR
                totals = splat_rows(PANEL, offsets, row_group * PANEL)
                totals_by_16 = rows_of(PANEL, splat(np.int32(0)))
                for eight in range(eights):
                    at, both = inputs + eight * 8 * PANEL, load(packed, weights + eight * VECTOR)
                    totals = dot_int8_rows(totals, integers, at, low_nibbles(both))
                    totals_by_16 = dot_int8_rows(totals_by_16, integers, at + 4 * PANEL, high_nibbles_by_16(both))
                totals = add_sixteenths(totals, totals_by_16)
                steps = load_bf16(packed_scales, (tile * groups + group) * TILE)
                sums = scaled_rows(sums, totals, scales, row_group * PANEL, steps)
            store_panel(result, panel, tile, sums)
