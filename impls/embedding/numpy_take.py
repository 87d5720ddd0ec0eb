"""`np.take`, which copies whole rows, where indexing asks what kind of index it has; the ids are checked on the way."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import refuse


def embedding(
    ids: Int32[np.ndarray, "*batch"], table: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "*batch dim"]:
    """Row `id` of the table for each id. ValueError for an id outside the table."""
    try:
        # As unsigned numbers, negative ids are out of range too.
        return np.take(table, ids.view(np.uint32), axis=0)
    except IndexError:
        return refuse("ids", ids, len(table))
