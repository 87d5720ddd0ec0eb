"""Llama in float32, a step in one call of compiled code: see `compiled_step`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..compiled_step.llama import load_llama
from ..compiled_step.model import CompiledModel
from ..config import LlamaConfig


def load(params: Mapping[str, np.ndarray], config: LlamaConfig) -> CompiledModel:
    """The model of these parameters, which must be float32. ValueError if any does not fit."""
    return load_llama(params, config, "f32")
