"""Two weights a byte in tiles of 16 outputs: a mask and a shift make two vectors of bytes, 64 products of which are one
instruction, summed in int32 (VNNI).
"""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from ..numba_bf16_bits import float32_rows
from ..packed.given_tiles import int4_tiles
from ..packed.grouped_linear import row_int4, rows_int4
from ..quantisation import GROUP, check_linear, unpacked_int4
from ..to_bf16.numba_bits import to_bf16


def prepare(weight, scales):
    packed = int4_tiles(unpacked_int4(weight), scales)
    return packed.integers, packed.scales, len(weight)


def linear_int4_int8(
    x: Float[np.ndarray, "*batch dim"],
    integers: UInt8[np.ndarray, "tiles groups vectors 16 4"],
    scales: UInt16[np.ndarray, "tiles groups 16"],
    out: int,
) -> Float[np.ndarray, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`; the weight is packed by `prepare`."""
    check_linear(x, out, scales.shape[1] * GROUP)
    rows = float32_rows(x)
    result = np.empty((len(rows), out), np.float32)
    (row_int4 if len(rows) == 1 else rows_int4)(rows, integers, scales, result)
    result = result.reshape(*x.shape[:-1], out)
    return result if x.dtype == np.float32 else to_bf16(result)
