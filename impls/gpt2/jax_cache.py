"""GPT-2 in JAX with a cache, and a Python loop over the layers: two programs a layer, which all layers share."""

from collections.abc import Mapping

from jaxtyping import Array

from ..gpt2_config import GPT2Config
from ..jax_models.by_parts import ByParts
from ..jax_models.gpt2 import decoder_of


def load(params: Mapping[str, Array], config: GPT2Config) -> ByParts:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return ByParts(*decoder_of(params, config))
