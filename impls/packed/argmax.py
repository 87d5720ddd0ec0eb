"""The column of the largest element of each row of `x @ weight.T`, for packed weights: the product is not stored."""

import numpy as np
from numba import njit, prange

from ..simd.row_access import as_rows, largest
from .blocks import block_product, fill_panels, panels_for, share, signatures, wide_row
from .linear import THREADS, check_last_axis
from .packing import TILE

# Tiles of outputs that a thread computes before it looks for the largest.
BLOCK = 16


def argmax_of_product(x, packed, shape):
    """`argmax(x @ weight.T)` a row, for the weight that `packed_linear.pack` was given.

    The first of equals; 0 where all are NaN.
    """
    out, inputs = shape
    check_last_axis(x, inputs)
    return _argmax(as_rows(x), packed, out, THREADS)


@njit
def _largest_of_share(wide, panels, packed, first, last, out, best, where):
    """The largest of each row among the tiles `[first, last)`, and its column."""
    width = BLOCK * TILE
    best[:] = -np.inf
    where[:] = 0
    block = np.empty((len(best), width), np.float32)
    for tile in range(first, last, BLOCK):
        block_product(wide, panels, packed, tile, min(tile + BLOCK, last), block)
        columns = min(min(tile + BLOCK, last) * TILE, out) - tile * TILE
        for row in range(len(best)):
            found = largest(block, row * width, row * width + columns)
            if found > best[row]:
                best[row] = found
                for column in range(columns):
                    if block[row, column] == found:
                        where[row] = tile * TILE + column
                        break


@njit(signatures("(MATRIX, PACKED, int64, int64)"), parallel=True, cache=True)
def _argmax(x, packed, out, threads):
    rows = len(x)
    nothing = np.empty(0, np.float32)
    panels = panels_for(x, packed)
    wide = wide_row(x, nothing, 0.0)
    fill_panels(x, 0, len(panels), nothing, 0.0, panels)
    best = np.empty((threads, rows), np.float32)
    where = np.empty((threads, rows), np.int32)
    for part in prange(threads):
        first, last = share(len(packed), part, threads)
        _largest_of_share(wide, panels, packed, first, last, out, best[part], where[part])
    result = np.empty(rows, np.int32)
    for row in range(rows):
        winner = 0
        for part in range(1, threads):
            if best[part, row] > best[winner, row]:
                winner = part
        result[row] = where[winner, row]
    return result
