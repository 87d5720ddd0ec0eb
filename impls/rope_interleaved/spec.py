"""Rotary position embedding of neighbours, as in the paper (Su et al. 2021, arXiv 2104.09864) and Meta's Llama."""

from kernelgate.kernel import Kernel

from ..rope.spec import inputs, work

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"batch": 1, "seq": 1, "heads": 6, "head_dim": 48},
        "stories15M-prefill-256": {"batch": 1, "seq": 256, "heads": 6, "head_dim": 48},
        "llama-1B-prefill-256": {"batch": 1, "seq": 256, "heads": 32, "head_dim": 64},
    },
    heavy={
        "llama-1B-decode-b32": {"batch": 32, "seq": 1, "heads": 32, "head_dim": 64},
    },
    domain={"batch": (1, 3), "seq": (1, 2, 7), "heads": (1, 3), "head_dim": (2, 6, 16)},
    ulps={"f32": 4, "bf16": 1},
    dtypes={"numba": ("f32", "bf16")},
)
