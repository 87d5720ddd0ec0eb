"""A product of float activations with weights in bytes, a bfloat16 scale for each 32 along the sum."""

from kernelgate.kernel import Kernel, Work

from ..quantised_weights import CASES, DOMAIN, HEAVY, activations, bytes_moved, int8_weight, size


def inputs(rng, dtype, tokens, dim, out_dim):
    return activations(rng, dtype, tokens, dim), *int8_weight(rng, out_dim, dim)


def work(itemsize, tokens, dim, out_dim):
    return Work(flops=2 * tokens * dim * out_dim, bytes=bytes_moved(itemsize, tokens, dim, out_dim, 8))


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
