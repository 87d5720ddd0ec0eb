"""A product of activations that are quantised to bytes on the fly with 4-bit weights, both by groups of 32.

Two weights a byte, as `quantisation.unpacked_int4` reads them (the order of ggml's Q4_0), with bfloat16 scales; the
activations become bytes and float32 scales to the bit as `quantisation` says. The sum of a group is a whole number.
"""

import numpy as np

from kernelgate.kernel import Kernel, Work

from ..quantisation import unpacked_int4
from ..quantised_weights import CASES, DOMAIN, HEAVY, activations, bytes_moved, int4_weight, size


def inputs(rng, dtype, tokens, dim, out_dim):
    return activations(rng, dtype, tokens, dim), *int4_weight(rng, out_dim, dim)


def work(itemsize, tokens, dim, out_dim):
    bytes_all = bytes_moved(itemsize, tokens, dim, out_dim, 4)
    return Work(flops=2 * tokens * dim * out_dim, bytes=bytes_all, arithmetic="i8")


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases=CASES,
    heavy=HEAVY,
    domain=DOMAIN,
    ulps={"f32": 48, "bf16": 4},
    scale=lambda result, x, weight, scales: size(x, unpacked_int4(np.ascontiguousarray(weight)), scales),
    dtypes={"numba_vnni": ("f32", "bf16")},
    weights=2,
    edges={"an outlier": lambda rng, x: x * (1 + 99 * (rng.random(x.shape) < 0.02))},
)
