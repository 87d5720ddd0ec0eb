"""GPT-2 in JAX: layers stacked and scanned over in one program a step, the cache donated, and so written in place."""

from collections.abc import Mapping

from jaxtyping import Array

from ..gpt2_config import GPT2Config
from ..jax_models.gpt2 import decoder_of
from ..jax_models.scanned import Scanned


def load(params: Mapping[str, Array], config: GPT2Config) -> Scanned:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return Scanned(*decoder_of(params, config))
