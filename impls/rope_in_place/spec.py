"""Rotary position embedding of queries and keys in place, half-split (Su et al. 2021, arXiv 2104.09864)."""

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M
from ..rope.spec import inputs as rope_inputs


def inputs(rng, dtype, batch, seq, heads, kv_heads, head_dim):
    both, cos, sin = rope_inputs(rng, dtype, batch, seq, heads + kv_heads, head_dim)
    return both[:, :, :heads].copy(), both[:, :, heads:].copy(), cos, sin


def work(itemsize, batch, seq, heads, kv_heads, head_dim):
    elements = batch * seq * (heads + kv_heads) * head_dim
    return Work(flops=3 * elements, bytes=itemsize * (2 * elements + seq * head_dim))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"batch": 1, "seq": 1, **STORIES_15M},
        "stories15M-prefill-256": {"batch": 1, "seq": 256, **STORIES_15M},
        "llama-1B-prefill-256": {"batch": 1, "seq": 256, **LLAMA_1B},
    },
    heavy={
        "llama-1B-decode-b32": {"batch": 32, "seq": 1, **LLAMA_1B},
        "gpt2-prefill-1024": {"batch": 1, "seq": 1024, **GPT_2},
    },
    domain={"batch": (1, 3), "seq": (1, 7), "heads": (4,), "kv_heads": (1, 2), "head_dim": (6, 48)},
    ulps={"f32": 4, "bf16": 1},
    mutates=2,
    dtypes={"numba": ("f32", "bf16")},
)
