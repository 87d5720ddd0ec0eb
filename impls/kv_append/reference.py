"""The definition: what lies before, what is new, what lies behind."""

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
    """The caches with `keys` and `values` from `position` on; ValueError if they do not fit."""
    end = check_append((keys_cache, values_cache), (keys, values), position)

    def written(cache, new):
        return np.concatenate([cache[:, :, :position], new, cache[:, :, end:]], axis=2)

    return written(keys_cache, keys), written(values_cache, values)
