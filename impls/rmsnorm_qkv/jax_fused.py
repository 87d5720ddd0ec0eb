"""One program: the normalisation, and one product with the three weights below each other."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..jax_products import product
from ..rmsnorm.jax_fused import rmsnorm


def prepare(gain, w_q, w_k, w_v, eps):
    return gain, jnp.concatenate([w_q, w_k, w_v]), len(w_q), len(w_k), eps


@partial(jax.jit, static_argnums=(3, 4))
def rmsnorm_qkv(
    x: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    weight: Float[jax.Array, "out dim"],
    q_dim: int,
    kv_dim: int,
    eps: float,
) -> tuple[Float[jax.Array, "*batch q_dim"], Float[jax.Array, "*batch kv_dim"], Float[jax.Array, "*batch kv_dim"]]:
    """`rmsnorm(x, gain, eps) @ weight.T`, accumulated in float32."""
    fused = product(rmsnorm(x, gain, eps), weight).astype(x.dtype)
    q, k, v = jnp.split(fused, [q_dim, q_dim + kv_dim], axis=-1)
    return q, k, v
