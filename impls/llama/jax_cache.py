"""Llama in JAX with a cache, and a Python loop over the layers: two programs a layer, which all layers share."""

from collections.abc import Mapping

from jaxtyping import Array

from ..config import LlamaConfig
from ..jax_models.by_parts import ByParts
from ..jax_models.llama import decoder_of


def load(params: Mapping[str, Array], config: LlamaConfig) -> ByParts:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return ByParts(*decoder_of(params, config))
