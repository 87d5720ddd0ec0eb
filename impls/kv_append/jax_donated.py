"""`dynamic_update_slice` on caches that are given away: XLA writes where they lie.

But for bfloat16 on a CPU: it has no such update there, and goes through the whole cache, though in place.
"""

import jax
from jaxtyping import Float

from ..kv_checks import check_append
from .jax_undonated import appended


def kv_append(
    keys_cache: Float[jax.Array, "batch heads positions head_dim"],
    values_cache: Float[jax.Array, "batch heads positions head_dim"],
    keys: Float[jax.Array, "batch heads seq head_dim"],
    values: Float[jax.Array, "batch heads seq head_dim"],
    position: int,
) -> tuple[Float[jax.Array, "batch heads positions head_dim"], Float[jax.Array, "batch heads positions head_dim"]]:
    """The caches with `keys` and `values` from `position` on; ValueError, and nothing donated, if they do not fit."""
    check_append((keys_cache, values_cache), (keys, values), position)
    return _appended(keys_cache, values_cache, keys, values, position)


_appended = jax.jit(appended, donate_argnames=("keys_cache", "values_cache"))
