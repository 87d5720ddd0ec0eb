"""How far a result is from the oracle's: without hypothesis, which no process that only measures has to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from .arrays import is_array, map_arrays, named_arrays
from .kernel import DTYPES, backend_of
from .subject import Subject, is_floating, upcast


class Mismatch(AssertionError):
    """An implementation that does not compute what the reference computes."""


def judge(
    subject: Subject,
    result: Any,
    arguments: tuple[Any, ...],
    oracle: Callable[[tuple[Any, ...]], Any] | None = None,
) -> float:
    """The error of `result` in ulps against the oracle; Mismatch if it is too large, or a shape or dtype is wrong.

    `oracle` may be one that knows what `subject.oracle` would give.
    """
    kernel, exact = subject.kernel, upcast(arguments)
    if kernel.agrees is not None:
        try:
            kernel.agrees(result, *exact)
        except AssertionError as disagreement:
            raise Mismatch(str(disagreement)) from None
        return 0.0
    with np.errstate(all="ignore"):
        expected = (oracle or subject.oracle)(arguments)
        scale = kernel.scale(expected, *exact) if is_array(expected) else map_arrays(np.abs, expected)
    allowed = kernel.ulps_of(backend_of(subject.implementation), subject.dtype)
    triples = list(zip(_arrays(result), _arrays(expected), _arrays(scale), strict=True))
    return max(_error(*triple, DTYPES[subject.dtype], allowed) for triple in triples)


def _arrays(tree: Any) -> list[np.ndarray]:
    return [np.asarray(array) for _, array in named_arrays(tree)]


def _error(result: np.ndarray, expected: np.ndarray, scale: np.ndarray, dtype: np.dtype[Any], allowed: float) -> float:
    wanted = dtype if is_floating(expected) else expected.dtype
    if (result.shape, result.dtype) != (expected.shape, wanted):
        raise Mismatch(f"gave {result.dtype}{list(result.shape)}, expected {wanted}{list(expected.shape)}")
    if not is_floating(expected):
        error = np.where(result != expected, np.inf, 0.0)
    else:
        error = _ulps(result.astype(np.float64), expected, np.broadcast_to(scale, expected.shape), dtype)
    if error.size and not error.max() <= allowed:
        where = np.unravel_index(np.argmax(error), error.shape)
        raise Mismatch(
            f"at {[int(index) for index in where]} gave {result[where]}, expected {expected[where]} (in float64): "
            f"off by {error[where]:.3g} ulps, allowed {allowed:g}"
        )
    return float(error.max(initial=0.0))


def _ulps(result: np.ndarray, expected: np.ndarray, scale: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """The error of each element in eps(dtype) times the largest scale of its row; infinite where only one is finite."""
    information = ml_dtypes.finfo(dtype)
    # What overflows in the working dtype is infinite there, and rightly so.
    with np.errstate(over="ignore"):
        expected = np.where(np.isfinite(expected.astype(dtype).astype(np.float64)), expected, expected.astype(dtype))
    finite = np.isfinite(expected)
    scale = np.where(np.isfinite(scale), scale, 0.0)
    row = scale.max(axis=-1, keepdims=True, initial=0.0) if scale.ndim else scale
    unit = np.maximum(float(information.eps) * row, float(information.smallest_normal))
    with np.errstate(invalid="ignore"):
        error = np.abs(result - expected) / unit
        same = (result == expected) | (np.isnan(result) & np.isnan(expected))
    error = np.where(finite & np.isfinite(result), error, np.inf)
    return np.where(same, 0.0, error)
