"""As pure functions do it: both caches are copied at every step. Here to be seen losing."""

import numpy as np
from jaxtyping import Float

from ..kv_checks import check_append


def kv_append(
    keys_cache: Float[np.ndarray, "batch heads positions head_dim"],
    values_cache: Float[np.ndarray, "batch heads positions head_dim"],
    keys: Float[np.ndarray, "batch heads seq head_dim"],
    values: Float[np.ndarray, "batch heads seq head_dim"],
    position: int,
) -> tuple[Float[np.ndarray, "batch heads positions head_dim"], Float[np.ndarray, "batch heads positions head_dim"]]:
    """Copies of the caches with `keys` and `values` from `position` on; ValueError if they do not fit."""
    end = check_append((keys_cache, values_cache), (keys, values), position)
    new_keys, new_values = keys_cache.copy(), values_cache.copy()
    new_keys[:, :, position:end] = keys
    new_values[:, :, position:end] = values
    return new_keys, new_values
