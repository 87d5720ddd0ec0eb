"""`x @ weight.T` for weights packed into tiles of 16 outputs: one row as a stream, or panels of 8 rows.

All are njit functions for others to call. They compute the columns of the tiles `[first, last)`, so that callers split
the outputs over threads, and write `result`, C-contiguous, of as many columns as the weights have outputs. It is
float32, or the bits of bf16, to which sums are rounded as they are stored.

One row is bound by the bytes of its weights: independent sums along `in` hide the latency of the additions. Panels
are bound by arithmetic: a tile of weights stays in the cache while all panels pass over it, and each vector of it is
used for 8 rows, whose sums stay in registers.
"""

import numpy as np
from numba import njit

from ..simd.arithmetic import add, first_of_pairs, fma, second_of_pairs
from ..simd.row_access import write, write_first
from ..simd.rows import dot_bf16_rows, fma_rows, rows_of
from ..simd.vectors import load, splat
from .activations import PANEL
from .packing import TILE

ZERO = np.float32(0)


@njit
def row_product_f32(x, packed, first, last, result):
    """`result[out]` of one row, float32 `x[in]`."""
    inputs = packed.shape[1]
    whole = inputs - inputs % 4
    for tile in range(first, last):
        start = tile * inputs * TILE
        s0 = s1 = s2 = s3 = splat(ZERO)
        for i in range(0, whole, 4):
            at = start + i * TILE
            s0 = fma(splat(x[i]), load(packed, at), s0)
            s1 = fma(splat(x[i + 1]), load(packed, at + TILE), s1)
            s2 = fma(splat(x[i + 2]), load(packed, at + 2 * TILE), s2)
            s3 = fma(splat(x[i + 3]), load(packed, at + 3 * TILE), s3)
        for i in range(whole, inputs):
            s0 = fma(splat(x[i]), load(packed, start + i * TILE), s0)
        store_tile(result, 0, tile, add(add(s0, s1), add(s2, s3)))


@njit
def row_product_bf16(x, packed, first, last, result):
    """`result[out]` of one row, float32 `x[in]`, exact in it: only the weights are bf16."""
    inputs, pairs = x.shape[0], packed.shape[1]
    whole = inputs - inputs % 4
    for tile in range(first, last):
        start = tile * pairs * 2 * TILE
        s0 = s1 = s2 = s3 = splat(ZERO)
        for i in range(0, whole, 4):
            weights = load(packed, start + i * TILE)
            s0 = fma(splat(x[i]), first_of_pairs(weights), s0)
            s1 = fma(splat(x[i + 1]), second_of_pairs(weights), s1)
            weights = load(packed, start + (i + 2) * TILE)
            s2 = fma(splat(x[i + 2]), first_of_pairs(weights), s2)
            s3 = fma(splat(x[i + 3]), second_of_pairs(weights), s3)
        for i in range(whole, inputs):
            weights = load(packed, start + (i - i % 2) * TILE)
            s0 = fma(splat(x[i]), second_of_pairs(weights) if i % 2 else first_of_pairs(weights), s0)
        store_tile(result, 0, tile, add(add(s0, s1), add(s2, s3)))


@njit
def product_f32(panels, packed, first, last, result):
    """`result[rows, out]` of float32 panels (`activations.panels_f32`)."""
    inputs, steps = packed.shape[1], panels.shape[1]
    for tile in range(first, last):
        for panel in range(panels.shape[0]):
            sums = rows_of(PANEL, splat(ZERO))
            at, weights = panel * steps * PANEL, tile * inputs * TILE
            for i in range(inputs):
                sums = fma_rows(sums, panels, at + i * PANEL, load(packed, weights + i * TILE))
            store_panel(result, panel, tile, sums)


@njit
def product_bf16(panels, packed, first, last, result):
    """`result[rows, out]` of panels rounded to bf16 (`activations.panels_bf16`), summed in float32."""
    pairs, steps = packed.shape[1], panels.shape[1]
    for tile in range(first, last):
        for panel in range(panels.shape[0]):
            sums = rows_of(PANEL, splat(ZERO))
            at, weights = panel * steps * 2 * PANEL, tile * pairs * 2 * TILE
            for pair in range(pairs):
                sums = dot_bf16_rows(sums, panels, at + pair * 2 * PANEL, load(packed, weights + pair * 2 * TILE))
            store_panel(result, panel, tile, sums)


@njit
def store_tile(result, start, tile, sums):
    """The sums of a tile to the row of `result` that begins at `start`, as far as it goes."""
    columns = result.shape[-1]
    column = tile * TILE
    if column + TILE <= columns:
        write(result, start + column, sums)
    else:
        write_first(result, start + column, sums, columns - column)


@njit
def store_panel(result, panel, tile, sums):
    """The sums of a panel's rows, as far as `result` has them."""
    rows, columns = result.shape
    for lane in range(min(PANEL, rows - panel * PANEL)):
        store_tile(result, (panel * PANEL + lane) * columns, tile, sums[lane])
