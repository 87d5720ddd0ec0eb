"""Causal attention over a prompt in which each block of queries sees a few blocks of keys (Child et al. 2019, arXiv
1904.10509; Zaheer et al. 2020, BigBird, arXiv 2007.14062).

Row i of the table lists the blocks of keys that block i of queries sees, each once, -1 where it sees fewer; its own is
among them. The table stays the same from call to call.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, projected, scale
from .reference import seen_positions


def inputs(rng, dtype, batch, seq, heads, kv_heads, head_dim, block, present):
    return *projected(rng, dtype, batch, seq, heads, kv_heads, head_dim), table(rng, -(-seq // block), present), block


def table(rng, count, present):
    """For each block itself, the one before it, the first, and random ones between."""
    blocks = np.full((count, present), -1, np.int32)
    for row in range(count):
        wanted = [row, max(row - 1, 0), 0, *rng.permutation(row + 1)]
        chosen = sorted(dict.fromkeys(wanted), key=wanted.index)[:present]
        blocks[row, : len(chosen)] = sorted(chosen)
    return blocks


def work(itemsize, batch, seq, heads, kv_heads, head_dim, block, present):
    # What differs from draw to draw is nothing but which blocks they are.
    blocks = table(np.random.default_rng(0), -(-seq // block), present)
    scores = batch * heads * int(seen_positions(blocks, block, seq).sum())
    return Work(flops=scores * (4 * head_dim + 4), bytes=itemsize * 2 * batch * seq * (heads + kv_heads) * head_dim)


def sparse_scale(result, q, k, v, blocks, block):
    return scale(seen_positions(blocks, block, q.shape[1]), q, k, v)


def prompt(model, seq, block, present):
    return {"batch": 1, "seq": seq, "block": block, "present": present, **model}


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-prefill-512": prompt(STORIES_15M, 512, 32, 4),
        "gpt2-prefill-512": prompt(GPT_2, 512, 64, 3),
        "llama-1B-prefill-256": prompt(LLAMA_1B, 256, 32, 3),
    },
    heavy={
        "gpt2-prefill-1024": prompt(GPT_2, 1024, 64, 4),
        "llama-1B-prefill-1024": prompt(LLAMA_1B, 1024, 64, 4),
    },
    domain={
        "batch": (1, 2),
        "seq": (1, 47, 19),
        "heads": (2, 4),
        "kv_heads": (2,),
        "head_dim": (8, 20),
        "block": (5, 16),
        "present": (2, 3),
    },
    where=lambda batch, seq, heads, kv_heads, head_dim, block, present: (
        (batch == 2) == (seq == 19) and (heads == 4) == (head_dim == 20) and (block == 5) == (present == 3)
    ),
    ulps={"f32": 8, "bf16": 2},
    scale=sparse_scale,
    weights=2,
    magnitudes=(1e-6, 1.0, 30.0),
)
