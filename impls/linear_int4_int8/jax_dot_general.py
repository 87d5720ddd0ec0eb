"""Unpacked within the program; then `dot_general` on bytes with sums in int32, a batch for each group."""

import jax
from jaxtyping import Float, UInt8

from ..jax_quantisation import grouped_product, unpacked_int4
from ..quantisation import check_linear


def linear_int4_int8(
    x: Float[jax.Array, "*batch dim"], weight: UInt8[jax.Array, "out half_dim"], scales: Float[jax.Array, "out groups"]
) -> Float[jax.Array, "*batch out"]:
    """`x` in bytes times their scales, `@ (unpacked weight * scales).T`."""
    check_linear(x, len(weight), 2 * weight.shape[1])
    return _product(x, weight, scales)


@jax.jit
def _product(x, weight, scales):
    return grouped_product(x, unpacked_int4(weight), scales)
