"""`dynamic_update_slice` on caches that the caller keeps: XLA copies them at every step. Here to be seen losing."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..kv_checks import check_append


def kv_append(
    keys_cache: Float[jax.Array, "batch heads positions head_dim"],
    values_cache: Float[jax.Array, "batch heads positions head_dim"],
    keys: Float[jax.Array, "batch heads seq head_dim"],
    values: Float[jax.Array, "batch heads seq head_dim"],
    position: int,
) -> tuple[Float[jax.Array, "batch heads positions head_dim"], Float[jax.Array, "batch heads positions head_dim"]]:
    """Copies of the caches with `keys` and `values` from `position` on; ValueError if they do not fit."""
    check_append((keys_cache, values_cache), (keys, values), position)
    return _appended(keys_cache, values_cache, keys, values, position)


def appended(keys_cache, values_cache, keys, values, position):
    """The program; a position past the end would be moved to where all fits, so it is checked before."""
    # XLA for CPUs has no update in bfloat16: it would convert a whole cache to float32 and back, 13 times as long.
    in_part = keys.shape[2] < keys_cache.shape[2]
    on_cpu = _chosen if keys_cache.dtype == jnp.bfloat16 and in_part else _updated
    arrays = keys_cache, values_cache, keys, values, position
    return jax.lax.platform_dependent(*arrays, cpu=partial(_both, on_cpu), default=partial(_both, _updated))


def _both(written, keys_cache, values_cache, keys, values, position):
    return written(keys_cache, keys, position), written(values_cache, values, position)


def _updated(cache, new, position):
    return jax.lax.dynamic_update_slice_in_dim(cache, new, position, axis=2)


def _chosen(cache, new, position):
    """Each number of the cache as it was or as it becomes, by its bits: read and written, but not converted."""
    positions, seq = cache.shape[2], new.shape[2]
    spare = (0, 0), (0, 0), (positions - seq, positions - seq), (0, 0)
    moved = jax.lax.dynamic_slice_in_dim(
        jnp.pad(new.view(jnp.uint16), spare), positions - seq - position, positions, axis=2
    )
    at = jax.lax.broadcasted_iota(jnp.int32, (positions, 1), 0) - position
    return jnp.where((at >= 0) & (at < seq), moved, cache.view(jnp.uint16)).view(cache.dtype)


_appended = jax.jit(appended)
