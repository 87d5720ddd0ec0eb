"""The definition."""

import numpy as np
from jaxtyping import Float, Float32

from ..kv_checks import check_length


def kv_read(
    cache: Float[np.ndarray, "batch heads positions head_dim"], length: int
) -> Float32[np.ndarray, "batch heads length head_dim"]:
    """The first `length` positions in float32; ValueError if the cache has fewer."""
    return cache[:, :, : check_length(cache, length)].astype(np.float32, order="C")
