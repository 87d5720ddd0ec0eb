"""What Tokamax offers: its layer norm without the mean."""

from functools import partial

import jax
from jaxtyping import Float

from ..tokamax_library import tokamax


@partial(jax.jit, static_argnames="eps")
def rmsnorm(
    x: Float[jax.Array, "*batch dim"], gain: Float[jax.Array, " dim"], eps: float
) -> Float[jax.Array, "*batch dim"]:
    """`tokamax.layer_norm` with `subtract_mean=False`."""
    with jax.numpy_dtype_promotion("standard"):  # its own code mixes bfloat16 and float32
        return tokamax.layer_norm(x, gain, None, epsilon=eps, subtract_mean=False)
