"""One program: XLA fuses the reductions with what follows them where it can."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def layernorm(
    x: Float[jax.Array, "*batch dim"],
    gain: Float[jax.Array, " dim"],
    bias: Float[jax.Array, " dim"],
    eps: float,
) -> Float[jax.Array, "*batch dim"]:
    """`(x - mean(x)) / sqrt(var(x) + eps) * gain + bias` over the last axis; float32 within."""
    wide = x.astype(jnp.float32)
    centred = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(centred * centred, axis=-1, keepdims=True)
    gain, bias = gain.astype(jnp.float32), bias.astype(jnp.float32)
    return (centred * jax.lax.rsqrt(variance + eps) * gain + bias).astype(x.dtype)
