"""Each thread keeps the largest logit of its share of the table, packed once; no logits leave its cache."""

import numpy as np
from jaxtyping import Float, Float32, Int32

from ..packed.argmax import argmax_of_product
from ..packed.linear import pack

prepare = pack


def lm_head_argmax(
    hidden: Float[np.ndarray, "batch dim"], packed: Float32[np.ndarray, "tiles dim 16"], shape: tuple[int, int]
) -> Int32[np.ndarray, " batch"]:
    """`argmax(hidden @ weight.T)` a row; of equal logits the first."""
    return argmax_of_product(hidden, packed, shape)
