"""One program: biases and activation are fused around the two products."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def gpt2_mlp(
    x: Float[jax.Array, "*batch dim"],
    w_in: Float[jax.Array, "ffn_dim dim"],
    b_in: Float[jax.Array, " ffn_dim"],
    w_out: Float[jax.Array, "dim ffn_dim"],
    b_out: Float[jax.Array, " dim"],
) -> Float[jax.Array, "*batch dim"]:
    """`gelu_tanh(x @ w_in.T + b_in) @ w_out.T + b_out`, accumulated in float32."""
    hidden = jax.nn.gelu(product(x, w_in) + b_in.astype(jnp.float32), approximate=True)
    return (product(hidden.astype(x.dtype), w_out) + b_out.astype(jnp.float32)).astype(x.dtype)
