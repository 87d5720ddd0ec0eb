"""`dynamic_update_slice` on caches that the caller keeps: XLA copies them at every step. Here to be seen losing."""

import jax
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

    def written(cache, new):
        return jax.lax.dynamic_update_slice_in_dim(cache, new, position, axis=2)

    return written(keys_cache, keys), written(values_cache, values)


_appended = jax.jit(appended)
