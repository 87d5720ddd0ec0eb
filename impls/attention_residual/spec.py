"""What attention adds to the residual stream: causal attention, its output projection and the sum, as one block."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, causal, drawn, projected, seen_pairs
from ..attention.cases import scale as attention_scale


def inputs(rng, dtype, batch, seq, heads, kv_heads, head_dim):
    dim = heads * head_dim
    weight = drawn(rng, np.float32, dim, dim) / np.float32(np.sqrt(dim))
    qkv = projected(rng, dtype, batch, seq, heads, kv_heads, head_dim)
    return drawn(rng, dtype, batch, seq, dim), *qkv, weight.astype(dtype)


def work(itemsize, batch, seq, heads, kv_heads, head_dim):
    dim, tokens = heads * head_dim, batch * seq
    scores = batch * heads * seen_pairs(seq, seq)
    elements = dim * dim + tokens * (3 * dim + 2 * kv_heads * head_dim)
    return Work(flops=scores * (4 * head_dim + 4) + 2 * tokens * dim * dim, bytes=itemsize * elements)


def scale(result, residual, q, k, v, w_output):
    mixed = attention_scale(causal(q.shape[1], q.shape[1]), q, k, v).reshape(residual.shape)
    return np.abs(residual) + np.sqrt(np.square(mixed) @ np.square(w_output).T)


def prompt(model, seq):
    return {"batch": 1, "seq": seq, **model}


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-prefill-64": prompt(STORIES_15M, 64),
        "stories15M-prefill-256": prompt(STORIES_15M, 256),
        "llama-1B-prefill-64": prompt(LLAMA_1B, 64),
    },
    heavy={
        "gpt2-prefill-256": prompt(GPT_2, 256),
        "gpt2-prefill-1024": prompt(GPT_2, 1024),
        "llama-1B-prefill-256": prompt(LLAMA_1B, 256),
    },
    domain={"batch": (1, 2), "seq": (1, 19), "heads": (2, 4), "kv_heads": (2,), "head_dim": (8, 20)},
    where=lambda batch, seq, heads, kv_heads, head_dim: (heads == 4) == (head_dim == 20),
    ulps={"f32": 8, "bf16": 2},
    scale=scale,
    weights=1,
    magnitudes=(1e-6, 1.0),
)
