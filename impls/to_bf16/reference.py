"""What ml_dtypes does, a number at a time."""

import ml_dtypes
import numpy as np
from jaxtyping import BFloat16, Float


def to_bf16(x: Float[np.ndarray, "*shape"]) -> BFloat16[np.ndarray, "*shape"]:
    """The bfloat16 nearest to each float32, halves to even."""
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return x.astype(np.float32, copy=False).astype(ml_dtypes.bfloat16)
