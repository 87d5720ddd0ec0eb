"""GPT-2 as the reference computes it, but the whole text for each token."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..gpt2_config import GPT2Config
from ..recomputing import Recomputing
from . import reference


def load(params: Mapping[str, np.ndarray], config: GPT2Config) -> Recomputing:
    """The model of these parameters, in their dtype: float32, bfloat16 or float64. ValueError if any does not fit."""
    return Recomputing(reference.load(params, config))
