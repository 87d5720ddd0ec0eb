"""Queries and keys in one call; each pair is read, turned and written back once."""

import numpy as np
from jaxtyping import Float

from ..rotary.loops import as_tokens, checked_tables, turn_both
from ..simd.row_access import as_bits


def rope_in_place(
    q: Float[np.ndarray, "*batch seq heads head_dim"],
    k: Float[np.ndarray, "*batch seq kv_heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> tuple[Float[np.ndarray, "*batch seq heads head_dim"], Float[np.ndarray, "*batch seq kv_heads head_dim"]]:
    """Queries and keys turned by the angle of their position; in place if they are contiguous, else in copies."""
    if (*k.shape[:-2], k.shape[-1]) != (*q.shape[:-2], q.shape[-1]):
        raise ValueError(f"k has shape {k.shape}, expected that of q, {q.shape}, but for the heads")
    q_bits, cos, sin = checked_tables(q, cos, sin)
    k_bits = as_bits(k)
    turn_both(as_tokens(q_bits), as_tokens(k_bits), cos, sin)
    return q_bits.view(q.dtype), k_bits.view(k.dtype)
