"""Maximum and sum in one pass over a row (Milakov and Gimelshein 2018, arXiv 1805.02867), in explicit vectors."""

import numpy as np
from jaxtyping import Float, Int32
from numba import njit, prange

from ..id_checks import check_ids
from ..simd.exponential_rows import normaliser
from ..simd.row_access import PARALLEL_FROM, as_rows, signatures, widened
from ..simd.starts import start_of


def cross_entropy(
    logits: Float[np.ndarray, "rows vocab_size"], targets: Int32[np.ndarray, " rows"]
) -> Float[np.ndarray, " rows"]:
    """`log(sum(exp(logits))) - logits[target]` of each row; float32 within.

    ValueError for a target outside the vocabulary.
    """
    check_ids("targets", targets, logits.shape[1])
    if targets.shape != logits.shape[:1]:
        raise ValueError(f"targets has shape {targets.shape}, expected {logits.shape[:1]}: one of each row of logits")
    losses = np.empty(len(logits), np.float32)
    run = _parallel if len(logits) > 1 and logits.size >= PARALLEL_FROM else _serial
    run(as_rows(logits), np.ascontiguousarray(targets), losses)
    return losses.astype(logits.dtype, copy=False)


@njit
def _loss(logits, row, target):
    top, total = normaliser(start_of(logits), row * logits.shape[1], (row + 1) * logits.shape[1])
    return np.log(total) + (top - widened(logits[row, target]))


@njit(signatures("(real[:, ::1], int32[::1], float32[::1])"), cache=True)
def _serial(logits, targets, losses):
    for row in range(logits.shape[0]):
        losses[row] = _loss(logits, row, targets[row])


@njit(signatures("(real[:, ::1], int32[::1], float32[::1])"), parallel=True, cache=True)
def _parallel(logits, targets, losses):
    for row in prange(logits.shape[0]):
        losses[row] = _loss(logits, row, targets[row])
