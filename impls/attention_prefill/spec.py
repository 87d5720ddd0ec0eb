"""Causal attention over a prompt (Vaswani et al. 2017, arXiv 1706.03762), heads with keys of their own or shared."""

from kernelgate.kernel import Kernel, Work

from ..attention.cases import GPT_2, LLAMA_1B, STORIES_15M, causal, projected, scale, seen_pairs


def work(itemsize, batch, seq, heads, kv_heads, head_dim):
    # Only what is seen counts: two products, and a softmax of 4 operations a score.
    scores = batch * heads * seen_pairs(seq, seq)
    return Work(flops=scores * (4 * head_dim + 4), bytes=itemsize * 2 * batch * seq * (heads + kv_heads) * head_dim)


def causal_scale(result, q, k, v):
    return scale(causal(q.shape[1], q.shape[1]), q, k, v)


def prompt(model, seq):
    return {"batch": 1, "seq": seq, **model}


KERNEL = Kernel(
    inputs=projected,
    work=work,
    cases={
        "stories15M-prefill-64": prompt(STORIES_15M, 64),
        "stories15M-prefill-256": prompt(STORIES_15M, 256),
        "llama-1B-prefill-256": prompt(LLAMA_1B, 256),
    },
    heavy={
        "gpt2-prefill-256": prompt(GPT_2, 256),
        "stories15M-prefill-1024": prompt(STORIES_15M, 1024),
        "gpt2-prefill-64": prompt(GPT_2, 64),
        "gpt2-prefill-1024": prompt(GPT_2, 1024),
        "llama-1B-prefill-64": prompt(LLAMA_1B, 64),
        "llama-1B-prefill-1024": prompt(LLAMA_1B, 1024),
    },
    # 150 keys are more than one block of any implementation, and no whole number of them.
    domain={"batch": (1, 2), "seq": (1, 150, 19), "heads": (2, 4), "kv_heads": (2,), "head_dim": (8, 20)},
    where=lambda batch, seq, heads, kv_heads, head_dim: (
        (batch == 2) == (seq == 19) and (heads == 4) == (head_dim == 20)
    ),
    ulps={"f32": 8, "bf16": 2},
    scale=causal_scale,
    magnitudes=(1e-6, 1.0, 30.0),
)
