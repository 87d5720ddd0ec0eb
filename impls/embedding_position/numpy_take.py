"""The tokens' rows into the result, and the positions' onto them."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import check_positions, refuse


def embedding_position(
    ids: Int32[np.ndarray, "batch seq"],
    start: int,
    tokens: Float[np.ndarray, "vocab_size dim"],
    positions: Float[np.ndarray, "context dim"],
) -> Float[np.ndarray, "batch seq dim"]:
    """Row `id` of the tokens' table plus row `start + i` of the positions' for the i-th id of a row.

    Float32 within. ValueError for an id outside the table, or a position beyond the context.
    """
    check_positions(start, ids.shape[1], len(positions))
    try:
        # As unsigned numbers, negative ids are out of range too.
        result = np.take(tokens, ids.view(np.uint32), axis=0)
    except IndexError:
        return refuse("ids", ids, len(tokens))
    places = positions[start : start + ids.shape[1]]
    if tokens.dtype == np.float32:
        result += places
        return result
    return np.add(result, places, dtype=np.float32).astype(tokens.dtype)
