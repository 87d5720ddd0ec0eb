"""Phases as fractions of a turn in 32-bit integers, whose overflow is the reduction: JAX has no float64 here."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int, UInt32

from ..rotary.phases import steps


def prepare(head_dim, theta):
    """The upper and the lower half of what a position adds."""
    whole = steps(head_dim, theta).view(np.uint64)
    return jnp.asarray((whole >> 32).astype(np.uint32)), jnp.asarray(whole.astype(np.uint32))


@jax.jit
def rope_tables(
    positions: Int[jax.Array, " seq"], upper: UInt32[jax.Array, " half"], lower: UInt32[jax.Array, " half"]
) -> tuple[Float32[jax.Array, "seq half"], Float32[jax.Array, "seq half"]]:
    """Cosine and sine of `positions * theta ** (-2 i / head_dim)`, for any positions below 2**31."""
    positions = positions.astype(jnp.uint32)[:, None]
    phases = positions * upper + _upper_product(positions, lower)
    angles = phases.astype(jnp.int32).astype(jnp.float32) * np.float32(2 * np.pi / 2**32)
    return jnp.cos(angles), jnp.sin(angles)


def _upper_product(a, b):
    """The upper 32 bits of a product, but for a carry, in halves: 2**-31 turns are less than a float32 tells."""
    a1, a0, b1, b0 = a >> 16, a & 0xFFFF, b >> 16, b & 0xFFFF
    return a1 * b1 + ((a1 * b0) >> 16) + ((a0 * b1) >> 16)
