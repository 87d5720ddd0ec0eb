"""A token drawn from `softmax(logits / temperature)`; the uniform number is an argument, so the draw is determined."""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..sampling_greedy.spec import CASES, HEAVY, MAGNITUDES, masked

TEMPERATURE = 0.8
# Of the cumulative probability, where 1.3e-7 was the worst seen: PyTorch's, whose sums are rounded to float32.
ROUNDING = 6e-7


def inputs(rng, dtype, batch, vocab_size, temperature):
    return *drawn_inputs(rng, dtype, batch, vocab_size), temperature


def drawn_inputs(rng, dtype, batch, vocab_size):
    """Logits, and uniform numbers among which the two ends are not rare."""
    logits = (3 * rng.standard_normal((batch, vocab_size))).astype(dtype)
    ends = rng.choice([0, np.nextafter(np.float32(1), np.float32(0))], batch)
    return logits, np.where(rng.random(batch) < 0.2, ends, rng.random(batch)).astype(np.float32)


def work(itemsize, batch, vocab_size, temperature):
    """Each logit is compared, exponentiated and added: as in softmax 20 operations, always in float32."""
    return Work(20 * batch * vocab_size, itemsize * batch * vocab_size + 8 * batch, arithmetic="f32")


def agrees(tokens, logits, uniform, temperature):
    every = np.isfinite(logits)
    check_draw(tokens, logits, uniform, temperature, every, np.zeros_like(every))


def check_draw(tokens, logits, uniform, temperature, kept, perhaps):
    """AssertionError unless each token is one that float64 draws, or would but for rounding at the cumulative boundary.

    A token of `perhaps` may be among those drawn from or not, as rounding has it; one of `kept` is.
    """
    assert (tokens.dtype, tokens.shape) == (np.int32, uniform.shape), f"gave {tokens.dtype}{list(tokens.shape)}"
    for row, token in enumerate(tokens):
        assert 0 <= token < logits.shape[1], f"row {row} gave {token}, which is no token"
        weights = np.exp((logits[row] - logits[row].max()) / temperature)
        sure, unsure = np.where(kept[row], weights, 0), np.where(perhaps[row], weights, 0)
        assert kept[row, token] or perhaps[row, token], f"row {row} gave {token}, which is not among those drawn from"
        below = sure[:token].sum()
        least = below / (below + sure[token:].sum() + unsure[token:].sum())
        reached = below + sure[token] + unsure[: token + 1].sum()
        most = reached / (reached + sure[token + 1 :].sum())
        assert least - ROUNDING <= uniform[row] <= most + ROUNDING, (
            f"row {row} gave {token}, which is drawn from {least:.7f} to {most:.7f}, not at {uniform[row]:.7f}"
        )


EVERY = {name: {**dims, "temperature": TEMPERATURE} for name, dims in {**CASES, **HEAVY}.items()}

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={name: dims for name, dims in EVERY.items() if name in CASES or name == "stories15M-decode-b32"},
    heavy=EVERY,
    domain={"batch": (1, 7), "vocab_size": (1, 300), "temperature": (0.5, 1.0)},
    where=lambda batch, vocab_size, **_: (batch == 1) == (vocab_size == 1),
    ulps={"f32": 0, "bf16": 0},
    agrees=agrees,
    edges={"masked": masked},
    magnitudes=MAGNITUDES,
    dtypes={"numba": ("f32", "bf16")},
)
