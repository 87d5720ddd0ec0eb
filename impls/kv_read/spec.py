"""The filled part of a cache as a contiguous float32 array, for a product that has no use for bfloat16 or gaps."""

import numpy as np

from kernelgate.kernel import Kernel, Work


def inputs(rng, dtype, batch, heads, positions, head_dim, length):
    return rng.standard_normal((batch, heads, positions, head_dim), "f").astype(dtype), length


def work(itemsize, batch, heads, positions, head_dim, length):
    elements = batch * heads * length * head_dim
    return Work(flops=0, bytes=elements * (itemsize + 4))


def agrees(result, cache, length):
    """Every number as it is, in float32."""
    expected = cache[:, :, :length].astype(np.float32)
    assert result.dtype == np.float32, f"gave {result.dtype}, expected float32"
    np.testing.assert_array_equal(result, expected, strict=True)


STORIES = {"heads": 6, "head_dim": 48, "positions": 256}
LLAMA = {"heads": 8, "head_dim": 64}

KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases={
        "stories15M-decode-b1": {**STORIES, "batch": 1, "length": 200},
        "llama-1B-decode-b1": {**LLAMA, "batch": 1, "positions": 2048, "length": 1000},
        "llama-1B-decode-b32": {**LLAMA, "batch": 32, "positions": 256, "length": 200},
    },
    heavy={
        "stories15M-decode-b32": {**STORIES, "batch": 32, "length": 200},
        "GPT-2-decode-b1": {"heads": 12, "head_dim": 64, "positions": 1024, "batch": 1, "length": 1000},
    },
    domain={"batch": (1, 2), "heads": (3,), "positions": (5,), "head_dim": (1, 6), "length": (1, 5)},
    ulps={},
    agrees=agrees,
    # Numba copies bits, whatever they mean.
    # Bits are copied and widened, which NumPy does in either dtype.
    dtypes={"numpy": ("f32", "bf16"), "numba": ("f32", "bf16")},
)
