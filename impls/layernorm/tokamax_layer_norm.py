"""What Tokamax offers."""

from functools import partial

import jax
from jaxtyping import Float

from ..tokamax_library import tokamax


@partial(jax.jit, static_argnames="eps")
def layernorm(
    x: Float[jax.Array, "*batch dim"], gain: Float[jax.Array, " dim"], bias: Float[jax.Array, " dim"], eps: float
) -> Float[jax.Array, "*batch dim"]:
    """`tokamax.layer_norm`."""
    with jax.numpy_dtype_promotion("standard"):  # its own code mixes bfloat16 and float32
        return tokamax.layer_norm(x, gain, bias, epsilon=eps)
