"""One product with the three weights below each other, taken apart after it."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..jax_products import product


def prepare(w_q, w_k, w_v):
    return jnp.concatenate([w_q, w_k, w_v]), len(w_q), len(w_k)


@partial(jax.jit, static_argnums=(2, 3))
def qkv(
    x: Float[jax.Array, "*batch dim"], weight: Float[jax.Array, "out dim"], q_dim: int, kv_dim: int
) -> tuple[Float[jax.Array, "*batch q_dim"], Float[jax.Array, "*batch kv_dim"], Float[jax.Array, "*batch kv_dim"]]:
    """`x @ w.T` for each weight, accumulated in float32."""
    q, k, v = jnp.split(product(x, weight).astype(x.dtype), [q_dim, q_dim + kv_dim], axis=-1)
    return q, k, v
