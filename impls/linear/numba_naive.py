"""Three plain loops: what compiling alone gives. Each sum is one chain of additions, which no compiler may reorder."""

import numpy as np
from jaxtyping import Float
from numba import njit

from ..products import check_shape


def linear(x: Float[np.ndarray, "*batch dim"], weight: Float[np.ndarray, "out dim"]) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T`."""
    check_shape("weight", weight, (len(weight), x.shape[-1]))
    tokens = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    result = np.empty((len(tokens), len(weight)), np.float32)
    _loops(tokens, np.ascontiguousarray(weight), result)
    return result.reshape(*x.shape[:-1], len(weight))


@njit("(float32[:, ::1], float32[:, ::1], float32[:, ::1])", cache=True)
def _loops(x, weight, result):
    for row in range(x.shape[0]):
        for column in range(weight.shape[0]):
            total = np.float32(0)
            for i in range(x.shape[1]):
                total += x[row, i] * weight[column, i]
            result[row, column] = total
