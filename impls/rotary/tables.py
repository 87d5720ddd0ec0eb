"""The angles of rotary position embedding, plain and with the rescaled frequencies of Llama 3.1."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Float64

from ..config import LlamaConfig, RopeScaling


def rope_tables(
    config: LlamaConfig, dtype: Any
) -> tuple[Float[np.ndarray, "context half"], Float[np.ndarray, "context half"]]:
    """Cosine and sine of each position's angles, for `half = head_dim / 2` frequencies.

    Computed in float64 and rounded to float32, or not at all for float64: an angle computed in float32 would be off by
    its own rounding times the position. Never bfloat16, which keeps three digits of a cosine.
    """
    angles = np.arange(config.context)[:, None] * rope_frequencies(config)
    wide = np.result_type(dtype, np.float32)
    return np.cos(angles).astype(wide), np.sin(angles).astype(wide)


def rope_frequencies(config: LlamaConfig) -> Float64[np.ndarray, " half"]:
    """Radians a position: `rope_theta ** (-2i / head_dim)` (Su et al. 2021, arXiv 2104.09864), or rescaled."""
    plain = config.rope_theta ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
    return plain if config.rope_scaling is None else _rescaled(plain, config.rope_scaling)


def _rescaled(frequencies: Float64[np.ndarray, " half"], scaling: RopeScaling) -> Float64[np.ndarray, " half"]:
    """Slow turns slowed by `factor`, quick ones left, a linear blend between (Hugging Face's `rope_type: llama3`).

    What decides is how often a frequency turns within the context that the model was first trained on.
    """
    turns = scaling.original_context * frequencies / (2 * np.pi)
    share = (turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor)
    kept = np.clip(share, 0.0, 1.0)
    return frequencies * (kept + (1 - kept) / scaling.factor)
