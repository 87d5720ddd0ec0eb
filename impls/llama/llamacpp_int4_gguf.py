"""Llama run by llama.cpp with weights in Q4_0, and activations that it quantises to bytes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import gguf_files, llamacpp
from ..config import LlamaConfig


def load(params: Mapping[str, np.ndarray], config: LlamaConfig) -> llamacpp.Model:
    """The model of these parameters, float32, once they are quantised."""
    return llamacpp.load(params, config, "int4")


def rounded(params: Mapping[str, np.ndarray], config: LlamaConfig) -> dict[str, np.ndarray]:
    """The parameters as the model holds them."""
    return gguf_files.rounded(params, config, "int4")
