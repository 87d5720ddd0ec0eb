"""`GPT2LMHeadModel` of transformers, with the cache that it uses if nobody asks for another."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import transformers_library as library
from ..gpt2_config import GPT2Config


def load(params: Mapping[str, np.ndarray], config: GPT2Config) -> library.Model:
    """The model of these parameters, float32 or bfloat16."""
    return library.load(params, config, library.GrowingCaches, compiled=False)
