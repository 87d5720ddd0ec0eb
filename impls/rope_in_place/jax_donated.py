"""Queries and keys are donated, so that the result takes their memory."""

from functools import partial

import jax
from jaxtyping import Float

from ..rope.jax_fused import rope


@partial(jax.jit, donate_argnames=("q", "k"))
def rope_in_place(
    q: Float[jax.Array, "*batch seq heads head_dim"],
    k: Float[jax.Array, "*batch seq kv_heads head_dim"],
    cos: Float[jax.Array, "seq half"],
    sin: Float[jax.Array, "seq half"],
) -> tuple[Float[jax.Array, "*batch seq heads head_dim"], Float[jax.Array, "*batch seq kv_heads head_dim"]]:
    """Queries and keys turned by the angle of their position; float32 within."""
    return rope(q, cos, sin), rope(k, cos, sin)
