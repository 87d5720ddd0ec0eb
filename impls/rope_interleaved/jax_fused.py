"""One program: XLA fuses taking pairs apart, turning them and putting them together."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def rope_interleaved(
    x: Float[jax.Array, "*batch seq heads head_dim"],
    cos: Float[jax.Array, "seq half"],
    sin: Float[jax.Array, "seq half"],
) -> Float[jax.Array, "*batch seq heads head_dim"]:
    """Turn the pairs (x[2 i], x[2 i + 1]); float32 within."""
    wide = x.astype(jnp.float32)
    real, imaginary = wide[..., ::2], wide[..., 1::2]
    cos, sin = (table.astype(jnp.float32)[:, None, :] for table in (cos, sin))
    turned = jnp.stack([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)
    return turned.reshape(x.shape).astype(x.dtype)
