"""RoPE's tables, and what the two orders of a head's dimensions have to do with each other."""

import math
from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from impls.config import LlamaConfig, RopeScaling
from impls.rope.reference import rope
from impls.rotary.tables import rope_frequencies, rope_tables

CONFIG = LlamaConfig(64, 1, 4, 2, 16, 96, 61, 64, rope_theta=500.0)
SCALED = replace(CONFIG, head_dim=64, rope_theta=500000.0, rope_scaling=RopeScaling(32.0, 1.0, 4.0, 8192))
# As Meta's checkpoints, llama2.c and llama3.np have them: dimension 2i turns with 2i + 1.
HALF_SPLIT = [*range(0, 16, 2), *range(1, 16, 2)]


def interleaved_rope(x, theta):
    """RoPE as Meta published it: neighbours are the parts of a complex number, which is multiplied by a unit one."""
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    numbers = pairs[..., 0] + 1j * pairs[..., 1]
    turns = np.arange(x.shape[-3])[:, None, None] / theta ** (np.arange(numbers.shape[-1]) / numbers.shape[-1])
    turned = numbers * np.exp(1j * turns)
    return np.stack([turned.real, turned.imag], axis=-1).reshape(x.shape)


def scores(queries, keys):
    return np.einsum("qhd,khd->hqk", queries, keys)


def heads_of(weights, x):
    return (x @ weights.T).reshape(len(x), -1, CONFIG.head_dim)


def reordered(weights, order):
    return weights.reshape(-1, CONFIG.head_dim, weights.shape[1])[:, order].reshape(weights.shape)


@pytest.mark.parametrize(("order", "equal"), [(HALF_SPLIT, True), (list(range(16)), False)])
def test_weights_of_the_interleaved_original_work_once_their_rows_are_reordered(order, equal):
    rng = np.random.default_rng(1)
    x, wq, wk = rng.standard_normal((9, 64)), rng.standard_normal((64, 64)), rng.standard_normal((64, 64))
    original = scores(*(interleaved_rope(heads_of(weights, x), CONFIG.rope_theta) for weights in (wq, wk)))
    cos, sin = rope_tables(replace(CONFIG, context=9), np.float64)
    ours = scores(*(rope(heads_of(reordered(weights, order), x), cos, sin) for weights in (wq, wk)))
    assert np.allclose(ours, original, rtol=0, atol=1e-10 * np.abs(original).max()) == equal


def test_rescaled_frequencies_are_those_of_llama_3_1():
    """By wavelength, case by case, as transformers' `_compute_llama3_parameters` has it."""
    scaling, expected = SCALED.rope_scaling, []
    for pair in range(32):
        frequency = 500000.0 ** (-pair / 32)
        wavelength = 2 * math.pi / frequency
        if wavelength < 8192 / scaling.high_freq_factor:
            expected.append(frequency)
        elif wavelength > 8192 / scaling.low_freq_factor:
            expected.append(frequency / 32.0)
        else:
            smooth = (8192 / wavelength - 1.0) / (4.0 - 1.0)
            expected.append((1 - smooth) * frequency / 32.0 + smooth * frequency)
    assert len({round(want / 500000.0 ** (-pair / 32), 6) for pair, want in enumerate(expected)}) >= 4
    assert np.allclose(rope_frequencies(SCALED), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "wide"), [(np.float32, np.float32), (ml_dtypes.bfloat16, np.float32), (np.float64, np.float64)]
)
def test_tables_are_rounded_once_and_never_to_bfloat16(dtype, wide):
    config = replace(CONFIG, context=100_000)
    cos, sin = rope_tables(config, dtype)
    assert cos.shape == sin.shape == (100_000, 8)
    assert cos.dtype == sin.dtype == wide
    exact = np.exp(1j * np.arange(100_000)[:, None] * 500.0 ** (-np.arange(8) / 8))
    assert np.abs(cos + 1j * sin - exact).max() <= np.finfo(wide).eps
