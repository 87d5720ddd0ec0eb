"""Weights in tiles of 16 outputs: 64 products of bytes an instruction, summed in int32 (VNNI)."""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from ..packed.given_tiles import int8_tiles
from ..packed.grouped_linear import grouped_linear, row_int8, rows_int8


def prepare(weight, scales):
    packed = int8_tiles(weight, scales)
    return packed.integers, packed.scales, len(weight)


def linear_int8_int8(
    x: Float[np.ndarray, "*batch dim"],
    integers: UInt8[np.ndarray, "tiles groups vectors 16 4"],
    scales: UInt16[np.ndarray, "tiles groups 16"],
    out: int,
) -> Float[np.ndarray, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`; the weight is packed by `prepare`."""
    return grouped_linear(x, integers, scales, out, row_int8, rows_int8)
