"""Each thread keeps the largest logit of its share of the table, packed once; no logits leave its cache."""

import numpy as np
from jaxtyping import BFloat16, Int32, UInt16

from ..packed.argmax import argmax_of_product
from ..packed.linear import pack

prepare = pack


def lm_head_argmax(
    hidden: BFloat16[np.ndarray, "batch dim"],
    packed: UInt16[np.ndarray, "tiles pairs 16 2"],
    shape: tuple[int, int],
) -> Int32[np.ndarray, " batch"]:
    """`argmax(hidden @ weight.T)` a row, of logits in float32; of equal ones the first."""
    return argmax_of_product(hidden, packed, shape)
