"""Two weights a byte in tiles of 16 outputs: a mask and a shift make two vectors of bytes, 64 products of which are one
instruction, summed in int32 (VNNI).
"""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from ..packed.given_tiles import int4_tiles
from ..packed.grouped_linear import grouped_linear, row_int4, rows_int4
from ..quantisation import unpacked_int4


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
    return grouped_linear(x, integers, scales, out, row_int4, rows_int4)
