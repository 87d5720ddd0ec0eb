"""Weights packed once into tiles of 16 outputs; one instruction multiplies and sums pairs of bfloat16 in float32."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..packed.linear import pack, packed_product

prepare = pack


def linear(
    x: BFloat16[np.ndarray, "*batch dim"], packed: UInt16[np.ndarray, "tiles pairs 16 2"], shape: tuple[int, int]
) -> BFloat16[np.ndarray, "*batch out"]:
    """`x @ weight.T`; a single row stays in float32, only its weights are widened."""
    return packed_product(x, packed, shape)
