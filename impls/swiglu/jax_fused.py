"""One program; both input projections read the activations once."""

import jax
from jaxtyping import Float

from ..jax_products import product


@jax.jit
def swiglu(
    x: Float[jax.Array, "*batch dim"],
    w_gate: Float[jax.Array, "ffn_dim dim"],
    w_up: Float[jax.Array, "ffn_dim dim"],
    w_down: Float[jax.Array, "dim ffn_dim"],
) -> Float[jax.Array, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, accumulated in float32."""
    gate, up = product(x, w_gate), product(x, w_up)
    hidden = (jax.nn.silu(gate) * up).astype(x.dtype)
    return product(hidden, w_down).astype(x.dtype)
