"""A slice, widened and scaled in one program."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float32, Int8

from ..kv_checks import check_cache_scales, check_length


def kv_read_int8(
    cache: Int8[jax.Array, "batch heads positions head_dim"],
    scales: Float32[jax.Array, "batch heads positions"],
    length: int,
) -> Float32[jax.Array, "batch heads length head_dim"]:
    """The first `length` positions, `byte * scale`, a program for each length; ValueError if the cache has fewer."""
    check_cache_scales((cache,), (scales,))
    return _read(cache, scales, check_length(cache, length))


@partial(jax.jit, static_argnums=2)
def _read(cache, scales, length):
    return cache[:, :, :length].astype(jnp.float32) * scales[:, :, :length, None]
