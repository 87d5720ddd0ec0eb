"""SiLU, or swish (Elfwing, Uchibe and Doya 2017, arXiv 1702.03118), the activation of Llama's feed-forward."""

from ..activation_spec import activation_function

KERNEL = activation_function(
    flops={"f32": 16, "bf16": 12},
    cases={
        "stories15M-decode-b1": {"tokens": 1, "dim": 768},
        "stories15M-prefill-256": {"tokens": 256, "dim": 768},
        "llama-1B-prefill-256": {"tokens": 256, "dim": 8192},
    },
    heavy={
        "llama-1B-decode-b32": {"tokens": 32, "dim": 8192},
        "stories15M-decode-b32": {"tokens": 32, "dim": 768},
        "stories15M-prefill-64": {"tokens": 64, "dim": 768},
        "llama-1B-decode-b1": {"tokens": 1, "dim": 8192},
        "llama-1B-prefill-64": {"tokens": 64, "dim": 8192},
        "llama-1B-prefill-1024": {"tokens": 1024, "dim": 8192},
    },
    ulps={"f32": 8, "bf16": 1},
)
