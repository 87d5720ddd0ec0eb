"""One program, a gather and an addition; out of range NaN, where JAX's indexing would take the nearest row."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int32


@jax.jit
def embedding_position(
    ids: Int32[jax.Array, "batch seq"],
    start: int,
    tokens: Float[jax.Array, "vocab_size dim"],
    positions: Float[jax.Array, "context dim"],
) -> Float[jax.Array, "batch seq dim"]:
    """Row `id` of the tokens' table plus row `start + i` of the positions' for the i-th id of a row.

    Float32 within. NaN for an id outside the table, or a position beyond the context.
    """
    places = start + jnp.arange(ids.shape[1])
    embedded, placed = (
        table.at[rows].get(mode="fill", fill_value=jnp.nan, wrap_negative_indices=False).astype(jnp.float32)
        for table, rows in ((tokens, ids), (positions, places))
    )
    return (embedded + placed).astype(tokens.dtype)
