"""The table packed once into tiles of 16 tokens; one row a sequence reaches it."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..packed.linear import pack, packed_product

prepare = pack


def lm_head_all(
    hidden: BFloat16[np.ndarray, "batch tokens dim"],
    packed: UInt16[np.ndarray, "tiles pairs 16 2"],
    shape: tuple[int, int],
) -> BFloat16[np.ndarray, "batch vocab_size"]:
    """`hidden[:, -1] @ weight.T`, accumulated in float32."""
    return packed_product(hidden[:, -1], packed, shape)
