"""Quantised by NumPy, and written where the caches lie."""

import numpy as np
from jaxtyping import Float32, Int8

from ..kv_checks import check_append, check_cache_scales
from ..quantisation import quantised_groups


def kv_append_int8(
    keys_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    values_cache: Int8[np.ndarray, "batch heads positions head_dim"],
    key_scales: Float32[np.ndarray, "batch heads positions"],
    value_scales: Float32[np.ndarray, "batch heads positions"],
    keys: Float32[np.ndarray, "batch heads seq head_dim"],
    values: Float32[np.ndarray, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Int8[np.ndarray, "batch heads positions head_dim"],
    Int8[np.ndarray, "batch heads positions head_dim"],
    Float32[np.ndarray, "batch heads positions"],
    Float32[np.ndarray, "batch heads positions"],
]:
    """The caches with `keys` and `values` from `position` on; ValueError, and nothing written, if they do not fit."""
    end = check_append((keys_cache, values_cache), (keys, values), position)
    check_cache_scales((keys_cache, values_cache), (key_scales, value_scales))
    keys_cache[:, :, position:end], key_scales[:, :, position:end] = quantised_groups(keys)
    values_cache[:, :, position:end], value_scales[:, :, position:end] = quantised_groups(values)
    return keys_cache, values_cache, key_scales, value_scales
