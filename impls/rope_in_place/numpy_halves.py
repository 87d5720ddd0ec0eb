"""Both halves of a head in place: one of them is copied, and its copy serves for every product."""

import numpy as np
from jaxtyping import Float


def rope_in_place(
    q: Float[np.ndarray, "*batch seq heads head_dim"],
    k: Float[np.ndarray, "*batch seq kv_heads head_dim"],
    cos: Float[np.ndarray, "seq half"],
    sin: Float[np.ndarray, "seq half"],
) -> tuple[Float[np.ndarray, "*batch seq heads head_dim"], Float[np.ndarray, "*batch seq kv_heads head_dim"]]:
    """Queries and keys turned by the angle of their position, in place; bfloat16 in copies, computed in float32."""
    cos, sin = cos[:, None].astype(np.float32, copy=False), sin[:, None].astype(np.float32, copy=False)
    return _turned(q, cos, sin), _turned(k, cos, sin)


def _turned(x, cos, sin):
    wide = x.astype(np.float32, copy=False)
    half = x.shape[-1] // 2
    real, imaginary = wide[..., :half], wide[..., half:]
    product = real * sin
    real *= cos
    real -= imaginary * sin
    imaginary *= cos
    imaginary += product
    return wide.astype(x.dtype, copy=False)
