"""A token drawn from the `k` likeliest (Fan et al. 2018, arXiv 1805.04833); the uniform number is an argument."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..sampling_greedy.spec import CASES, HEAVY, MAGNITUDES, masked
from ..sampling_temperature.spec import TEMPERATURE, check_draw, drawn_inputs


def inputs(rng, dtype, batch, vocab_size, k):
    return *drawn_inputs(rng, dtype, batch, vocab_size), TEMPERATURE, k


def work(itemsize, batch, vocab_size, k):
    """Each logit is compared."""
    return Work(flops=batch * vocab_size, bytes=itemsize * batch * vocab_size + 8 * batch)


def agrees(tokens, logits, uniform, temperature, k):
    bound = np.sort(logits, axis=1)[:, -min(k, logits.shape[1])]
    kept = (logits >= bound[:, None]) & np.isfinite(logits)
    check_draw(tokens, logits, uniform, temperature, kept, np.zeros_like(kept))


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={name: {**dims, "k": 40} for name, dims in CASES.items()},
    heavy={name: {**dims, "k": 40} for name, dims in HEAVY.items()},
    domain={"batch": (1, 7), "vocab_size": (1, 300), "k": (3, 301)},
    where=lambda batch, vocab_size, k: (batch == 1) == (vocab_size == 1) and (batch > 1 or k == 3),
    ulps={"f32": 0, "bf16": 0},
    agrees=agrees,
    edges={"masked": masked},
    magnitudes=MAGNITUDES,
    dtypes={"numba": ("f32", "bf16")},
)
