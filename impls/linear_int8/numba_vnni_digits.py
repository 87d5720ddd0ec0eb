"""Activations as three bytes each, which keep 24 bits: products of bytes by VNNI, and weights that stay bytes."""

import numpy as np
from jaxtyping import Float, UInt8, UInt16

from ..packed.digit_products import row_linear, rows_linear
from ..packed.given_tiles import int8_tiles
from ..packed.grouped_linear import grouped_linear


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
    return grouped_linear(x, integers, scales, out, row_linear, rows_linear)
