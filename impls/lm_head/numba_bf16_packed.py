"""The table packed once into tiles of 16 tokens, shared out to the threads: half the bytes of float32."""

import numpy as np
from jaxtyping import BFloat16, UInt16

from ..packed.linear import pack, packed_product

prepare = pack


def lm_head(
    hidden: BFloat16[np.ndarray, "batch dim"], packed: UInt16[np.ndarray, "tiles pairs 16 2"], shape: tuple[int, int]
) -> BFloat16[np.ndarray, "batch vocab_size"]:
    """`hidden @ weight.T`, accumulated in float32."""
    return packed_product(hidden, packed, shape)
