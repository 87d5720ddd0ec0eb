"""`LlamaForCausalLM` of transformers, with a cache of full length, written in place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import transformers_library as library
from ..config import LlamaConfig


def load(params: Mapping[str, np.ndarray], config: LlamaConfig) -> library.Model:
    """The model of these parameters, float32 or bfloat16."""
    return library.load(params, config, library.StaticCaches, compiled=False)
