"""The definition."""

import numpy as np
from jaxtyping import Float


def linear(x: Float[np.ndarray, "*batch dim"], weight: Float[np.ndarray, "out dim"]) -> Float[np.ndarray, "*batch out"]:
    """`x @ weight.T`, computed in at least float32."""
    wide = np.result_type(x.dtype, np.float32)
    return (x.astype(wide, copy=False) @ weight.astype(wide, copy=False).T).astype(x.dtype, copy=False)
