"""GPT-2 in JAX without a cache: each token computes the whole text again, at the length of the context."""

from collections.abc import Mapping

from jaxtyping import Array

from ..gpt2_config import GPT2Config
from ..jax_models.gpt2 import decoder_of
from ..jax_models.recomputed import Recomputed


def load(params: Mapping[str, Array], config: GPT2Config) -> Recomputed:
    """The model of these parameters on the device that they are on: float32 or bfloat16, products summed in float32.

    Holds copies of all weights. ValueError if a parameter does not fit.
    """
    return Recomputed(*decoder_of(params, config))
