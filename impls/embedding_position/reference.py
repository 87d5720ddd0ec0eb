"""The definition."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import check_ids, check_positions


def embedding_position(
    ids: Int32[np.ndarray, "batch seq"],
    start: int,
    tokens: Float[np.ndarray, "vocab_size dim"],
    positions: Float[np.ndarray, "context dim"],
) -> Float[np.ndarray, "batch seq dim"]:
    """Row `id` of the tokens' table plus row `start + i` of the positions' for the i-th id of a row."""
    check_ids("ids", ids, len(tokens))
    check_positions(start, ids.shape[1], len(positions))
    wide = np.result_type(tokens.dtype, np.float32)
    total = tokens[ids].astype(wide, copy=False) + positions[start : start + ids.shape[1]]
    return total.astype(tokens.dtype, copy=False)
