"""Weights rounded to bfloat16 once, when they are loaded: twice the memory, and products by the processor's own bf16.

Rounding twice what the scale has rounded already costs as much exactness as PyTorch's way, which does the same.
"""

import numpy as np
from jaxtyping import BFloat16, UInt16
from numba import njit, prange

from ..numba_bf16_bits import float32_rows
from ..packed.activations import LANES, PANEL, panels_of
from ..packed.packing import pack_bf16
from ..packed.products import product_bf16, row_product_bf16
from ..quantisation import check_linear, dequantised_weight
from ..simd.row_access import as_rows
from ..simd.rows import store_words
from ..simd.vectors import load

# Tiles a thread takes at once.
SHARE = 8


def prepare(weight, scales):
    return pack_bf16(dequantised_weight(weight, scales)), *weight.shape


def linear_int8(
    x: BFloat16[np.ndarray, "*batch dim"], packed: UInt16[np.ndarray, "tiles pairs 16 2"], out: int, dim: int
) -> BFloat16[np.ndarray, "*batch out"]:
    """`x @ (weight * scales).T` of the weight as bfloat16, packed by `prepare`; summed in float32."""
    check_linear(x, out, dim)
    rows = np.ascontiguousarray(x).reshape(-1, dim)
    result = np.empty((*x.shape[:-1], out), x.dtype)
    if len(rows) == 1:
        _row(float32_rows(rows), packed, as_rows(result))
    else:
        _rows(rows.view(np.int32), packed, as_rows(result))
    return result


@njit("(float32[:, ::1], uint16[:, :, :, ::1], uint16[:, ::1])", parallel=True, cache=True)
def _row(x, packed, result):
    for share in prange((len(packed) + SHARE - 1) // SHARE):
        row_product_bf16(x[0], packed, share * SHARE, min((share + 1) * SHARE, len(packed)), result)


@njit
def _panel(pairs, panel, words):
    """8 rows of pairs of bf16 in the order of `activations.panels_bf16`, which would widen and round them again."""
    count = pairs.shape[1]
    for lane in range(min(PANEL, len(pairs) - panel * PANEL)):
        source, target = (panel * PANEL + lane) * count, panel * count * PANEL + lane
        for vector in range(count // LANES):
            sixteen = load(pairs, source + vector * LANES)
            store_words(words, target + vector * LANES * PANEL, PANEL, sixteen)


@njit("(int32[:, ::1], uint16[:, :, :, ::1], uint16[:, ::1])", parallel=True, cache=True)
def _rows(pairs, packed, result):
    words = np.empty((panels_of(len(pairs)), pairs.shape[1], PANEL, 1), np.int32)
    words[-1] = 0
    for panel in prange(len(words)):
        _panel(pairs, panel, words)
    panels = words.view(np.uint16)
    for share in prange((len(packed) + SHARE - 1) // SHARE):
        product_bf16(panels, packed, share * SHARE, min((share + 1) * SHARE, len(packed)), result)
