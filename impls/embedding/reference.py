"""The definition."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import check_ids


def embedding(
    ids: Int32[np.ndarray, "*batch"], table: Float[np.ndarray, "vocab_size dim"]
) -> Float[np.ndarray, "*batch dim"]:
    """Row `id` of the table for each id."""
    check_ids("ids", ids, len(table))
    return table[ids]
