"""A row at a time through one buffer that stays in the cache; nothing as large as the logits is written."""

import numpy as np
from jaxtyping import Float, Int32

from ..id_checks import check_ids


def cross_entropy(
    logits: Float[np.ndarray, "rows vocab_size"], targets: Int32[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """`log(sum(exp(logits))) - logits[target]` of each row; float32 within.

    ValueError for a target outside the vocabulary.
    """
    check_ids("targets", targets, logits.shape[1])
    if targets.shape != logits.shape[:1]:
        raise ValueError(f"targets has shape {targets.shape}, expected {logits.shape[:1]}: one of each row of logits")
    losses, buffer = np.empty(len(logits), np.float32), np.empty(logits.shape[1], np.float32)
    for row, (scores, target) in enumerate(zip(logits, targets, strict=True)):
        wide = scores.astype(np.float32, copy=False)
        top = wide.max()
        np.exp(np.subtract(wide, top, out=buffer), out=buffer)
        losses[row] = np.log(buffer.sum()) + (top - wide[target])
    return losses.astype(logits.dtype, copy=False)
