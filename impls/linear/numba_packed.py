"""Weights packed once into tiles of 16 outputs: products whose sums stay in registers, on all threads."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import pack, packed_product

prepare = pack


def linear(
    x: Float[np.ndarray, "*batch dim"], packed: Float32[np.ndarray, "tiles dim 16"], shape: tuple[int, int]
) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T`."""
    return packed_product(x, packed, shape)
