"""`x @ weight.T` for x quantised on the fly and weights in tiles, the outputs shared out to the threads.

`packed` is uint8 `[tiles, groups, vectors, 16, 4]`, of bytes or, two to a byte, of 4 bits; `packed_scales` are the bits
of bf16 `[tiles, groups, 16]` (`given_tiles`).
"""

import numpy as np
from numba import njit, prange

from .activations import PANEL, panels_int8, panels_of
from .packing import INT4_ZERO, INT8_ZERO
from .quantised_products import product_int4, product_int8, row_product_int4, row_product_int8

GROUP = 32
# Tiles a thread takes at once: 768 outputs are 6 shares.
SHARE = 8

_SIGNATURE = "(float32[:, ::1], uint8[:, :, :, :, ::1], uint16[:, :, ::1], float32[:, ::1])"


@njit
def _spaces(panels, groups, height):
    return (
        np.empty((panels, groups * GROUP // 4, height, 4), np.int8),
        np.empty((panels, groups, height), np.float32),
        np.empty((panels, groups, height), np.int32),
    )


@njit
def _shares(tiles):
    return (tiles + SHARE - 1) // SHARE


@njit(_SIGNATURE, parallel=True, cache=True)
def row_int8(x, packed, packed_scales, result):
    """A single row, and weights in bytes."""
    integers, scales, offsets = _spaces(1, packed.shape[1], 1)
    panels_int8(x, INT8_ZERO, 0, 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        row_product_int8(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def row_int4(x, packed, packed_scales, result):
    """A single row, and weights of 4 bits."""
    integers, scales, offsets = _spaces(1, packed.shape[1], 1)
    panels_int8(x, INT4_ZERO, 0, 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        row_product_int4(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def rows_int8(x, packed, packed_scales, result):
    """Any number of rows, and weights in bytes."""
    integers, scales, offsets = _spaces(panels_of(len(x)), packed.shape[1], PANEL)
    for panel in prange(len(integers)):
        panels_int8(x, INT8_ZERO, panel, panel + 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        product_int8(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURE, parallel=True, cache=True)
def rows_int4(x, packed, packed_scales, result):
    """Any number of rows, and weights of 4 bits."""
    integers, scales, offsets = _spaces(panels_of(len(x)), packed.shape[1], PANEL)
    for panel in prange(len(integers)):
        panels_int8(x, INT4_ZERO, panel, panel + 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        product_int4(integers, scales, offsets, packed, packed_scales, first, last, result)
