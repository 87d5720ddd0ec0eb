"""`LlamaForCausalLM` of transformers, with the cache that it uses if nobody asks for another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import transformers_library as library
from ..config import LlamaConfig


def load(params: Mapping[str, np.ndarray], config: LlamaConfig) -> library.Model:
    """The model of these parameters, float32 or bfloat16."""
    return library.load(params, config, library.GrowingCaches, compiled=False)
