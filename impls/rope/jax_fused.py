"""One program: XLA fuses both halves into one loop."""

import jax
import jax.numpy as jnp
from jaxtyping import Float


@jax.jit
def rope(
    x: Float[jax.Array, "*batch seq heads head_dim"],
    cos: Float[jax.Array, "seq half"],
    sin: Float[jax.Array, "seq half"],
) -> Float[jax.Array, "*batch seq heads head_dim"]:
    """Turn the pairs (x[i], x[i + head_dim / 2]); float32 within."""
    real, imaginary = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    cos, sin = (table.astype(jnp.float32)[:, None, :] for table in (cos, sin))
    turned = jnp.concatenate([real * cos - imaginary * sin, real * sin + imaginary * cos], axis=-1)
    return turned.astype(x.dtype)
