"""Quantised and written in one program, into caches that are given away."""

import jax
from jaxtyping import Float32, Int8

from ..jax_quantisation import quantised_groups
from ..kv_checks import check_append, check_cache_scales


def kv_append_int8(
    keys_cache: Int8[jax.Array, "batch heads positions head_dim"],
    values_cache: Int8[jax.Array, "batch heads positions head_dim"],
    key_scales: Float32[jax.Array, "batch heads positions"],
    value_scales: Float32[jax.Array, "batch heads positions"],
    keys: Float32[jax.Array, "batch heads seq head_dim"],
    values: Float32[jax.Array, "batch heads seq head_dim"],
    position: int,
) -> tuple[
    Int8[jax.Array, "batch heads positions head_dim"],
    Int8[jax.Array, "batch heads positions head_dim"],
    Float32[jax.Array, "batch heads positions"],
    Float32[jax.Array, "batch heads positions"],
]:
    """The caches with `keys` and `values` from `position` on; ValueError, and nothing donated, if they do not fit."""
    check_append((keys_cache, values_cache), (keys, values), position)
    check_cache_scales((keys_cache, values_cache), (key_scales, value_scales))
    return _appended((keys_cache, values_cache, key_scales, value_scales), keys, values, position)


def _program(caches, keys, values, position):
    key_bytes, key_scales = quantised_groups(keys)
    value_bytes, value_scales = quantised_groups(values)
    # A position past the end would be moved to where all fits, so it is checked before.
    return tuple(
        jax.lax.dynamic_update_slice_in_dim(cache, new, position, axis=2)
        for cache, new in zip(caches, (key_bytes, value_bytes, key_scales, value_scales), strict=True)
    )


_appended = jax.jit(_program, donate_argnames="caches")
