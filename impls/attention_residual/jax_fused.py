"""One program: the projection takes what attention leaves, and adds the residual as it writes."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from ..attention_prefill.jax_einsum import attention_prefill


@jax.jit
def attention_residual(
    residual: Float[jax.Array, "batch seq dim"],
    q: Float[jax.Array, "batch seq heads head_dim"],
    k: Float[jax.Array, "batch seq kv_heads head_dim"],
    v: Float[jax.Array, "batch seq kv_heads head_dim"],
    w_output: Float[jax.Array, "dim queries"],
) -> Float[jax.Array, "batch seq dim"]:
    """`residual + attention(q, k, v) w_output'`; summed in float32."""
    mixed = attention_prefill(q, k, v).reshape(*q.shape[:2], -1)
    # HIGHEST: an accelerator would otherwise round float32 factors to bfloat16 or TF32.
    projected = jnp.einsum(
        "bsn,dn->bsd", mixed, w_output, precision=lax.Precision.HIGHEST, preferred_element_type=jnp.float32
    )
    return (residual.astype(jnp.float32) + projected).astype(residual.dtype)
