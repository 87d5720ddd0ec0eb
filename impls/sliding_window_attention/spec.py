"""Causal attention over a prompt in which each position sees a window of positions up to itself (Beltagy et al. 2020,
Longformer, arXiv 2004.05150; as in Mistral, arXiv 2310.06825).
"""

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, causal, projected, scale, seen_pairs


def inputs(rng, dtype, batch, seq, window, heads, kv_heads, head_dim):
    return *projected(rng, dtype, batch, seq, heads, kv_heads, head_dim), window


def work(itemsize, batch, seq, window, heads, kv_heads, head_dim):
    scores = batch * heads * seen_pairs(seq, window)
    return Work(flops=scores * (4 * head_dim + 4), bytes=itemsize * 2 * batch * seq * (heads + kv_heads) * head_dim)


def window_scale(result, q, k, v, window):
    return scale(causal(q.shape[1], q.shape[1], window), q, k, v)


def prompt(model, seq, window):
    return {"batch": 1, "seq": seq, "window": window, **model}


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-prefill-256-window-64": prompt(STORIES_15M, 256, 64),
        "gpt2-prefill-256-window-64": prompt(GPT_2, 256, 64),
        "llama-1B-prefill-256-window-128": prompt(LLAMA_1B, 256, 128),
    },
    heavy={
        "stories15M-prefill-1024-window-128": prompt(STORIES_15M, 1024, 128),
        "llama-1B-prefill-1024-window-256": prompt(LLAMA_1B, 1024, 256),
    },
    domain={
        "batch": (1, 2),
        "seq": (1, 150, 19),
        "window": (1, 11, 140),
        "heads": (2, 4),
        "kv_heads": (2,),
        "head_dim": (8, 20),
    },
    # Many shapes compile many programs: a batch goes with one length, and head_dim with heads.
    where=lambda batch, seq, window, heads, kv_heads, head_dim: (
        (batch == 2) == (seq == 19) and (heads == 4) == (head_dim == 20) and (seq == 150 or window == 11)
    ),
    ulps={"f32": 8, "bf16": 2},
    scale=window_scale,
    magnitudes=(1e-6, 1.0, 30.0),
)
