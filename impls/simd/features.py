"""Which CPU features Numba compiles for, and so which instructions the vector operations may use."""

from collections.abc import Iterable
from functools import cache

# What the products of packed weights need to run on the instructions that they were written for.
BF16_DOT = ("avx512bf16",)
INT8_DOT = ("avx512vnni",)


@cache
def compiled_for() -> frozenset[str]:
    """The features of the CPU by LLVM's names, or those that `NUMBA_CPU_FEATURES` and `NUMBA_ENABLE_AVX` leave it."""
    from numba.core import codegen, config

    listed = codegen.get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES
    return frozenset(feature[1:] for feature in listed.split(",") if feature.startswith("+"))


def missing(features: Iterable[str]) -> tuple[str, ...]:
    """Those of `features` that are absent: a row that needs one of them is to be reported as absent, not run."""
    return tuple(feature for feature in features if feature not in compiled_for())
