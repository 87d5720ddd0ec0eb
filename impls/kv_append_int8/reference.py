"""The definition: what lies before, what is new, what lies behind."""

import numpy as np
from jaxtyping import Float, Int8

from ..kv_checks import check_append, check_cache_scales
from ..quantisation import quantised_groups


def kv_append_int8(
    keys_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    values_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    key_scales: Float[np.ndarray, "batch heads positions"],
    value_scales: Float[np.ndarray, "batch heads positions"],
    keys: Float[np.ndarray, "batch heads seq head_dim"],
    values: Float[np.ndarray, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Int8[np.ndarray, "batch heads positions head_dim"],
    Int8[np.ndarray, "batch heads positions head_dim"],
    Float[np.ndarray, "batch heads positions"],
    Float[np.ndarray, "batch heads positions"],
]:
    """The caches and their scales with `keys` and `values` from `position` on; ValueError if they do not fit."""
    end = check_append((keys_cache, values_cache), (keys, values), position)
    check_cache_scales((keys_cache, values_cache), (key_scales, value_scales))

    def written(cache, new):
        return np.concatenate([cache[:, :, :position], new, cache[:, :, end:]], axis=2)

    key_bytes, new_key_scales = quantised_groups(keys)
    value_bytes, new_value_scales = quantised_groups(values)
    return (
        written(keys_cache, key_bytes),
        written(values_cache, value_bytes),
        written(key_scales, new_key_scales),
        written(value_scales, new_value_scales),
    )
