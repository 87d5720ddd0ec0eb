"""One program: XLA fuses the addition with the reduction, and again with the scaling."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def rmsnorm_residual(
    x: Float[jax.Array, "*batch dim"],
    residual: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    eps: float,
) -> tuple[Float[jax.Array, "*batch dim"], Float[jax.Array, "*batch dim"]]:
    """The sum `s = x + residual`, and `s / sqrt(mean(s**2) + eps) * gain` over the last axis; float32 within."""
    total = x.astype(jnp.float32) + residual.astype(jnp.float32)
    mean_square = jnp.mean(total * total, axis=-1, keepdims=True)
    normed = total * jax.lax.rsqrt(mean_square + eps) * gain.astype(jnp.float32)
    return total.astype(x.dtype), normed.astype(x.dtype)
