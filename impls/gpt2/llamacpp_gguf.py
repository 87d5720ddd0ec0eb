"""GPT-2 run by llama.cpp, in float32 or bfloat16 as the parameters are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import llamacpp
from ..checks import check_parameters
from ..gpt2_config import GPT2Config


def load(params: Mapping[str, np.ndarray], config: GPT2Config) -> llamacpp.Model:
    """The model of these parameters: float32 throughout, or bfloat16 with a cache in float16."""
    dtype = check_parameters(params, config, ("float32", "bfloat16"))
    return llamacpp.load(params, config, "bf16" if dtype == "bfloat16" else "f32")
