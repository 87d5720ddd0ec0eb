"""Llama in JAX: layers unrolled in one program a step, the cache donated, and so written in place."""

from collections.abc import Mapping

from jaxtyping import Array

from ..config import LlamaConfig
from ..jax_models.llama import decoder_of
from ..jax_models.unrolled import Unrolled


def load(params: Mapping[str, Array], config: LlamaConfig) -> Unrolled:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return Unrolled(*decoder_of(params, config))
