"""The definition."""

import numpy as np
from jaxtyping import Float


def qkv(
    x: Float[np.ndarray, "*batch dim"],
    w_q: Float[np.ndarray, "q_dim dim"],
    w_k: Float[np.ndarray, "kv_dim dim"],
    w_v: Float[np.ndarray, "kv_dim dim"],
) -> tuple[Float[np.ndarray, "*batch q_dim"], Float[np.ndarray, "*batch kv_dim"], Float[np.ndarray, "*batch kv_dim"]]:
    """`x @ w.T` for each weight `[out, in]`, computed in at least float32."""
    wide = np.result_type(x.dtype, np.float32)
    q, k, v = (x.astype(wide, copy=False) @ w.astype(wide, copy=False).T for w in (w_q, w_k, w_v))
    return q.astype(x.dtype, copy=False), k.astype(x.dtype, copy=False), v.astype(x.dtype, copy=False)
