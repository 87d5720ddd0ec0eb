"""`x @ weight.T` for x quantised on the fly and weights in tiles, the outputs shared out to the threads.

`packed` is uint8 `[tiles, groups, vectors, 16, 4]`, of bytes or, two to a byte, of 4 bits; `packed_scales` are the bits
of bf16 `[tiles, groups, 16]` (`given_tiles`). `result` is float32, or the bits of bf16.
"""

import numpy as np
from numba import njit, prange

from ..numba_bf16_bits import float32_rows
from ..quantisation import check_linear
from ..simd.row_access import FIRST, as_rows, signatures
from .activations import PANEL, panels_int8, panels_of
from .packing import INT4_ZERO, INT8_ZERO
from .quantised_products import product_int4, product_int8, row_product_int4, row_product_int8

GROUP = 32
# Tiles a thread takes at once: 768 outputs are 6 shares.
SHARE = 8

_SIGNATURES = signatures("(float32[:, ::1], uint8[:, :, :, :, ::1], uint16[:, :, ::1], real[:, ::1])")


def grouped_linear(x, packed, packed_scales, out, row, rows):
    """`x @ weight.T` by `row` if x is a single row, else by `rows`; ValueError unless x fits."""
    check_linear(x, out, packed_scales.shape[1] * GROUP)
    wide = float32_rows(x)
    result = np.empty((*x.shape[:-1], out), x.dtype)
    (row if len(wide) == 1 else rows)(wide, packed, packed_scales, as_rows(result))
    return result


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


@njit(_SIGNATURES, parallel=True, cache=True)
def row_int8(x, packed, packed_scales, result):
    """A single row, and weights in bytes."""
    integers, scales, offsets = _spaces(1, packed.shape[1], 1)
    panels_int8(x, np.int64(INT8_ZERO), FIRST, len(x), integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        row_product_int8(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def row_int4(x, packed, packed_scales, result):
    """A single row, and weights of 4 bits."""
    integers, scales, offsets = _spaces(1, packed.shape[1], 1)
    panels_int8(x, np.int64(INT4_ZERO), FIRST, len(x), integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        row_product_int4(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def rows_int8(x, packed, packed_scales, result):
    """Any number of rows, and weights in bytes."""
    integers, scales, offsets = _spaces(panels_of(len(x)), packed.shape[1], PANEL)
    for item in prange(len(integers)):
        panel = np.int64(item)
        panels_int8(x, np.int64(INT8_ZERO), panel, panel + 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        product_int8(integers, scales, offsets, packed, packed_scales, first, last, result)


@njit(_SIGNATURES, parallel=True, cache=True)
def rows_int4(x, packed, packed_scales, result):
    """Any number of rows, and weights of 4 bits."""
    integers, scales, offsets = _spaces(panels_of(len(x)), packed.shape[1], PANEL)
    for item in prange(len(integers)):
        panel = np.int64(item)
        panels_int8(x, np.int64(INT4_ZERO), panel, panel + 1, integers, scales, offsets)
    for share in prange(_shares(len(packed))):
        first, last = share * SHARE, min((share + 1) * SHARE, len(packed))
        product_int4(integers, scales, offsets, packed, packed_scales, first, last, result)
