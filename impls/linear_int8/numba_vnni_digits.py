"""Activations as three bytes each, which keep 24 bits: products of bytes by VNNI, and weights that stay bytes."""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from ..numba_bf16_bits import float32_rows
from ..packed.digit_products import row_linear, rows_linear
from ..packed.given_tiles import int8_tiles
from ..quantisation import GROUP, check_linear
from ..to_bf16.numba_bits import to_bf16


def prepare(weight, scales):
    packed = int8_tiles(weight, scales)
    return packed.integers, packed.scales, len(weight)


def linear_int8(
    x: Float[np.ndarray, "*batch dim"],
    integers: UInt8[np.ndarray, "tiles groups vectors 16 4"],
    scales: UInt16[np.ndarray, "tiles groups 16"],
    out: int,
) -> Float[np.ndarray, "*batch out"]:
    """`x @ (weight * scales).T`; the weight is packed by `prepare`. Groups of x below 2**-118 count as zero."""
    check_linear(x, out, scales.shape[1] * GROUP)
    rows = float32_rows(x)
    result = np.empty((len(rows), out), np.float32)
    (row_linear if len(rows) == 1 else rows_linear)(rows, integers, scales, result)
    result = result.reshape(*x.shape[:-1], out)
    return result if x.dtype == np.float32 else to_bf16(result)
