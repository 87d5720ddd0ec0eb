"""Llama in JAX, layers unrolled: weights and activations in bytes, and keys and values in bfloat16."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array

from ..config import LlamaConfig
from ..jax_models.attention import Plain
from ..jax_models.llama_int8 import decoder_of, rounded_parameters
from ..jax_models.unrolled import Unrolled


def load(params: Mapping[str, Array], config: LlamaConfig) -> Unrolled:
    """The model of these parameters, float32, quantised. ValueError if one does not fit."""
    return Unrolled(*decoder_of(params, config, Plain("bfloat16")))


def rounded(params: Mapping[str, np.ndarray], config: LlamaConfig) -> dict[str, np.ndarray]:
    """The parameters as the model holds them."""
    return rounded_parameters(params, config)
