"""One program; XLA fuses the largest magnitude, and the rounding."""

import jax
from jaxtyping import Float32, Int8

from ..jax_quantisation import quantised_groups
from ..quantisation import GROUP, check_groups


def quantise(
    x: Float32[jax.Array, "*batch dim"],
) -> tuple[Int8[jax.Array, "*batch dim"], Float32[jax.Array, "*batch groups"]]:
    """Bytes and their scales, one for each 32 of the last axis: `x` is about `byte * scale`."""
    check_groups("x", x)
    return _quantised(x)


@jax.jit
def _quantised(x):
    quantised, scales = quantised_groups(x.reshape(*x.shape[:-1], -1, GROUP))
    return quantised.reshape(x.shape), scales
