"""One program; both input projections read the activations once."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def swiglu(
    x: Float[jax.Array, "*batch dim"],
    w_gate: Float[jax.Array, "ffn_dim dim"],
    w_up: Float[jax.Array, "ffn_dim dim"],
    w_down: Float[jax.Array, "dim ffn_dim"],
) -> Float[jax.Array, "*batch dim"]:
    """`(silu(x @ w_gate.T) * (x @ w_up.T)) @ w_down.T`, accumulated in float32."""
    gate, up = _product(x, w_gate), _product(x, w_up)
    hidden = (jax.nn.silu(gate) * up).astype(x.dtype)
    return _product(hidden, w_down).astype(x.dtype)


def _product(x: Float[jax.Array, "*batch n"], weight: Float[jax.Array, "m n"]) -> Float[jax.Array, "*batch m"]:
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    return jnp.einsum(
        "...n,mn->...m", x, weight, precision=jax.lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
