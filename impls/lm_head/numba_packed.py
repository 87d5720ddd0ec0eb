"""The table packed once into tiles of 16 tokens, shared out to the threads."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import pack, packed_product

prepare = pack


def lm_head(
    hidden: Float[np.ndarray, "batch dim"], packed: Float32[np.ndarray, "tiles dim 16"], shape: tuple[int, int]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden @ weight.T`."""
    return packed_product(hidden, packed, shape)
