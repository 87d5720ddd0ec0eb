"""The definition."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import check_ids


def cross_entropy(
    logits: Float[np.ndarray, "rows vocab_size"], targets: Int32[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """`log(sum(exp(logits))) - logits[target]` of each row, its maximum taken off first: nothing overflows."""
    check_ids("targets", targets, logits.shape[1])
    # In C order, rows are summed pairwise; in any other, one by one, losing digits with each.
    wide = logits.astype(np.result_type(logits.dtype, np.float32), order="C", copy=False)
    below = wide - wide.max(axis=-1, keepdims=True)
    target = np.take_along_axis(below, targets[:, None], axis=-1)
    return (np.log(np.exp(below).sum(axis=-1)) - target[:, 0]).astype(logits.dtype, copy=False)
