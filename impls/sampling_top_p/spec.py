"""A token drawn from the nucleus (Holtzman et al. 2020, arXiv 1904.09751); the uniform number is an argument."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..sampling_greedy.spec import CASES, HEAVY, MAGNITUDES, masked
from ..sampling_temperature.spec import ROUNDING, TEMPERATURE, check_draw, drawn_inputs


def inputs(rng, dtype, batch, vocab_size, p):
    return *drawn_inputs(rng, dtype, batch, vocab_size), TEMPERATURE, p


def work(itemsize, batch, vocab_size, p):
    """As in softmax 20 operations a logit, always in float32; two more compare with a bound, and add, what is drawn."""
    return Work(22 * batch * vocab_size, itemsize * batch * vocab_size + 8 * batch, arithmetic="f32")


def agrees(tokens, logits, uniform, temperature, p):
    scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
    kept, perhaps = zip(*[_nucleus(row, p) for row in scaled], strict=True)
    check_draw(tokens, logits, uniform, temperature, np.stack(kept), np.stack(perhaps))


def _nucleus(scaled, p):
    """The tokens that are in the nucleus for certain, and those that are or not as rounding has it.

    Likelihoods that differ by less than float32 can tell may count as equal.
    """
    ascending = np.sort(scaled)
    sums = np.append(np.cumsum(np.exp(ascending[::-1]))[::-1], 0)
    sums /= sums[0]
    equal = 4 * float(np.finfo(np.float32).eps) * np.maximum(np.abs(np.where(np.isfinite(scaled), scaled, 0)), 1)
    least_before = sums[np.searchsorted(ascending, scaled + equal, side="right")]
    same = sums[np.searchsorted(ascending, scaled)] - sums[np.searchsorted(ascending, scaled, side="right")]
    most_before = sums[np.searchsorted(ascending, scaled - equal)] - same
    possible = np.isfinite(scaled)
    kept = possible & (most_before < p - ROUNDING)
    return kept, possible & ~kept & (least_before < p + ROUNDING)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={name: {**dims, "p": 0.9} for name, dims in CASES.items()},
    heavy={name: {**dims, "p": 0.9} for name, dims in HEAVY.items()},
    domain={"batch": (1, 7), "vocab_size": (1, 300), "p": (0.05, 0.9, 1.0)},
    where=lambda batch, vocab_size, **_: (batch == 1) == (vocab_size == 1),
    ulps={"f32": 0, "bf16": 0},
    agrees=agrees,
    edges={"masked": masked},
    magnitudes=MAGNITUDES,
    dtypes={"numba": ("f32", "bf16")},
)
