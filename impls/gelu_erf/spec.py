"""GELU, exactly: x times the normal distribution's share below x (Hendrycks and Gimpel 2016, arXiv 1606.08415)."""

import numpy as np

from ..activation_spec import activation_function

KERNEL = activation_function(
    flops={"f32": 24, "bf16": 16},
    cases={
        "gpt2-decode-b1": {"tokens": 1, "dim": 3072},
        "gpt2-decode-b32": {"tokens": 32, "dim": 3072},
        "gpt2-prefill-64": {"tokens": 64, "dim": 3072},
    },
    heavy={
        "gpt2-prefill-256": {"tokens": 256, "dim": 3072},
        "gpt2-prefill-1024": {"tokens": 1024, "dim": 3072},
    },
    ulps={"f32": 8, "bf16": 1},
    # The share, from 0 to 1, is a difference from 1: its error is one of 1, not of the share.
    scale=lambda result, x: np.abs(x),
)
