"""GPT-2 in JAX: a whole generation in one program, the steps of which are those of layers unrolled."""

from collections.abc import Mapping

from jaxtyping import Array

from ..gpt2_config import GPT2Config
from ..jax_models.gpt2 import decoder_of
from ..jax_models.looped import Looped


def load(params: Mapping[str, Array], config: GPT2Config) -> Looped:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return Looped(*decoder_of(params, config))
