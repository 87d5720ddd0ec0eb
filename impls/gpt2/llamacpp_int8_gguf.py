"""GPT-2 run by llama.cpp with weights in Q8_0, and activations that it quantises to bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import gguf_files, llamacpp
from ..gpt2_config import GPT2Config


def load(params: Mapping[str, np.ndarray], config: GPT2Config) -> llamacpp.Model:
    """The model of these parameters, float32, once they are quantised."""
    return llamacpp.load(params, config, "int8")


def rounded(params: Mapping[str, np.ndarray], config: GPT2Config) -> dict[str, np.ndarray]:
    """The parameters as the model holds them."""
    return gguf_files.rounded(params, config, "int8")
