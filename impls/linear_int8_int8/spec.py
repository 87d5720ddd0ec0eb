"""A product of activations that are quantised on the fly with weights in bytes, both by groups of 32 along the sum.

The activations become bytes and float32 scales to the bit as `quantisation` says; the weights have bfloat16 scales. The
sum of a group is a whole number, exactly; what is rounded is the scaling, and the sum over the groups.
"""

from kernelgate.kernel import Kernel, Work

from ..quantised_weights import CASES, DOMAIN, HEAVY, activations, bytes_moved, int8_weight, size


def inputs(rng, dtype, tokens, dim, out_dim):
    return activations(rng, dtype, tokens, dim), *int8_weight(rng, out_dim, dim)


def work(itemsize, tokens, dim, out_dim):
    bytes_all = bytes_moved(itemsize, tokens, dim, out_dim, 8)
    return Work(flops=2 * tokens * dim * out_dim, bytes=bytes_all, arithmetic="i8")


KERNEL = Kernel(
    inputs=inputs,
    work=work,
    cases=CASES,
    heavy=HEAVY,
    domain=DOMAIN,
    ulps={"f32": 48, "bf16": 4},
    scale=lambda result, x, weight, scales: size(x, weight, scales),
    dtypes={"numba_vnni": ("f32", "bf16")},
    weights=2,
    edges={"an outlier": lambda rng, x: x * (1 + 99 * (rng.random(x.shape) < 0.02))},
)
