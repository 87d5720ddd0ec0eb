"""`dot_general` on bytes with sums in int32, a batch for each group, then scaled and summed in float32."""

import jax
from jaxtyping import Float, Int8

from ..jax_quantisation import grouped_product
from ..quantisation import check_linear, check_scales


def linear_int8_int8(
    x: Float[jax.Array, "*batch dim"], weight: Int8[jax.Array, "out dim"], scales: Float[jax.Array, "out groups"]
) -> Float[jax.Array, "*batch out"]:
    """`x` in bytes times their scales, `@ (weight * scales).T`."""
    check_scales("weight", weight, scales)
    check_linear(x, *weight.shape)
    return _product(x, weight, scales)


_product = jax.jit(grouped_product)
