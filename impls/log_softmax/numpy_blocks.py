"""A row in blocks that stay in the cache, through one small buffer: only the result is as large as the input."""

import numpy as np
from jaxtyping import Float

BLOCK = 8192


def log_softmax(x: Float[np.ndarray, "*batch n"]) -> Float[np.ndarray, "*batch n"]:
    """`x - log(sum(exp(x)))` over the last axis; float32 within."""
    rows = x.reshape(-1, x.shape[-1])
    result = np.empty(rows.shape, np.float32)
    buffer = np.empty(min(BLOCK, rows.shape[1]), np.float32)
    with np.errstate(invalid="ignore"):  # -inf minus -inf, where a whole row is masked
        for row, target in zip(rows, result, strict=True):
            top, total = np.float32(row.max()), np.float32(0)
            for start in range(0, len(row), BLOCK):
                block, space = target[start : start + BLOCK], buffer[: len(row) - start]
                np.subtract(row[start : start + BLOCK], top, out=block, dtype=np.float32)
                total += np.exp(block, out=space).sum()
            target -= np.log(total)
    return result.reshape(x.shape).astype(x.dtype, copy=False)
