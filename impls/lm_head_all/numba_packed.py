"""The table packed once into tiles of 16 tokens; one row a sequence reaches it."""

import numpy as np
from jaxtyping import Float, Float32

from ..packed.linear import pack, packed_product

prepare = pack


def lm_head_all(
    hidden: Float[np.ndarray, "batch tokens dim"], packed: Float32[np.ndarray, "tiles dim 16"], shape: tuple[int, int]
) -> Float[np.ndarray, "batch vocab_size"]:
    """`hidden[:, -1] @ weight.T`."""
    return packed_product(hidden[:, -1], packed, shape)
