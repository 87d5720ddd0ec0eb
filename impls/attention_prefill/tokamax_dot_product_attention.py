"""What Tokamax offers: on an accelerator its own kernels, on a CPU what XLA makes of its definition."""

from functools import partial

import jax
from jaxtyping import Float

from ..tokamax_library import tokamax

_attention = jax.jit(
    partial(tokamax.dot_product_attention, is_causal=True, precision=jax.lax.Precision.HIGHEST),
)


def attention_prefill(
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
) -> Float[jax.Array, "batch seq heads head_dim"]:
    """`tokamax.dot_product_attention`."""
    # Its own code mixes bfloat16 and float32, some of it only when the program is lowered: so not within the jit.
    with jax.numpy_dtype_promotion("standard"):
        return _attention(q, k, v)
