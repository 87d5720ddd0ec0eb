"""A slice, and a conversion."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float, Float32

from ..kv_checks import check_length


def kv_read(
    cache: Float[jax.Array, "batch heads positions head_dim"], length: int
) -> Float32[jax.Array, "batch heads length head_dim"]:
    """The first `length` positions in float32, a program for each length; ValueError if the cache has fewer."""
    return _read(cache, check_length(cache, length))


@partial(jax.jit, static_argnums=1)
def _read(cache, length):
    return cache[:, :, :length].astype(jnp.float32)
