"""float32 to bfloat16: to the nearest, halves to even, overflow to infinity, NaN to NaN (IEEE 754 roundTiesToEven)."""

import ml_dtypes
import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, rows, dim):
    return (rng.standard_normal((rows, dim)).astype(dtype),)


def work(itemsize, rows, dim):
    # Adding the half, and shifting.
    return Work(flops=2 * rows * dim, bytes=(itemsize + 2) * rows * dim)


def agrees(result, x):
    """The bits are those of the value with 8 significant bits nearest to x, computed here in float64."""
    assert result.dtype == ml_dtypes.bfloat16, f"gave {result.dtype}, expected bfloat16"
    assert result.shape == x.shape, f"gave {result.shape}, expected {x.shape}"
    fraction, exponent = np.frexp(x)
    # Below 2**-126 there are fewer significant bits; 133 = 126 + 7.
    unit = np.maximum(exponent - 8, -133)
    with np.errstate(over="ignore"):
        expected = np.ldexp(np.rint(np.ldexp(fraction, exponent - unit)), unit)
    expected = np.where(np.isfinite(x), expected, x)
    expected = np.where(np.abs(expected) >= 2.0**128, np.copysign(np.inf, x), expected)
    found = result.astype(np.float64)
    wrong = np.where(np.isnan(x), ~np.isnan(found), (found != expected) | (np.signbit(found) != np.signbit(x)))
    if wrong.any():
        where = tuple(np.argwhere(wrong)[0])
        raise AssertionError(f"of {x[where]!r} gave {found[where]!r}, expected {expected[where]!r}")


def halves(rng, x):
    """Exactly between two neighbours, and just beside."""
    bits = np.float32(x).view(np.uint32) & np.uint32(0xFFFF0000)
    offset = rng.choice(np.array([0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32), x.shape)
    return (bits | offset).view(np.float32).astype(np.float64)


def extremes(rng, x):
    found = [0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan, 3.4028235e38, -3.4e38, 3.3961775e38, 1e-40, -1e-45, 9.2e-41]
    return rng.choice(found, x.shape)


def nan_payloads(rng, x):
    """NaN whose fraction is all ones, so that rounding up would carry into the exponent and the sign."""
    bits = rng.choice(np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7FC00001, 0x7FC00000], np.uint32), x.shape)
    return bits.view(np.float32).astype(np.float64)


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {"rows": 1, "dim": 288},
        "llama-1B-decode-b32": {"rows": 32, "dim": 2048},
        "llama-1B-weight": {"rows": 2048, "dim": 2048},
    },
    heavy={
        "llama-1B-prefill-256": {"rows": 256, "dim": 2048},
        "GPT-2-prefill-1024": {"rows": 1024, "dim": 768},
        "llama-1B-prefill-1024": {"rows": 1024, "dim": 2048},
        "llama-1B-ffn-weight": {"rows": 8192, "dim": 2048},
    },
    domain={"rows": (1, 3), "dim": (1, 8, 127)},
    ulps={},
    agrees=agrees,
    dtypes={"*": ("f32",)},
    edges={"halves": halves, "extremes": extremes, "payloads": nan_payloads},
    magnitudes=(1.0,),
)
