"""Three products in one program."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def qkv(
    x: Float[jax.Array, "*batch dim"],
    w_q: Float[jax.Array, "q_dim dim"],
    w_k: Float[jax.Array, "kv_dim dim"],
    w_v: Float[jax.Array, "kv_dim dim"],
) -> tuple[Float[jax.Array, "*batch q_dim"], Float[jax.Array, "*batch kv_dim"], Float[jax.Array, "*batch kv_dim"]]:
    """`x @ w.T` for each weight, accumulated in float32."""
    return product(x, w_q).astype(x.dtype), product(x, w_k).astype(x.dtype), product(x, w_v).astype(x.dtype)
