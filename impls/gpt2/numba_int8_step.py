"""GPT-2 with weights and activations in int8, a step in one call of compiled code: see `compiled_step`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..compiled_step.gpt2 import load_gpt2, rounded_gpt2
from ..compiled_step.model import CompiledModel
from ..gpt2_config import GPT2Config


def load(params: Mapping[str, np.ndarray], config: GPT2Config) -> CompiledModel:
    """The model of these parameters, which must be float32 and are quantised. ValueError if any does not fit."""
    return load_gpt2(params, config, "int8")


def rounded(params: Mapping[str, np.ndarray], config: GPT2Config) -> dict[str, np.ndarray]:
    """The parameters as the model holds them."""
    return rounded_gpt2(params, config, "int8")
