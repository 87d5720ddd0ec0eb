"""Ways to pick a token from logits, by the house's own kernels, where the logits are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, Int32

from .sampling_temperature.reference import check_temperature
from .sampling_top_k.reference import check_k
from .sampling_top_p.reference import check_p

Pick = Callable[[Any], Any]
# The file of each kernel, by the library that it takes its arrays from or is compiled by.
FILES = {
    "numpy": {"temperature": "numpy_blocks", "top_k": "numpy_partition", "top_p": "numpy_partition"},
    "numba": {"temperature": "numba_blocks", "top_k": "numba_blocks", "top_p": "numba_select"},
    "jax": {"temperature": "jax_blocks", "top_k": "jax_bisection", "top_p": "jax_bisection"},
}


def greedy(logits: Float[Any, "batch vocab_size"]) -> Int[Any, " batch"]:
    """The likeliest token of each row; the first of several. Computed where the logits are."""
    return logits.argmax(axis=-1)


class Sampled:
    """A picker that draws tokens; its uniform numbers come from `rng`, the same whatever the backend."""

    def __init__(self, rng: np.random.Generator, numbers: dict[str, float], backend: str | None) -> None:
        self.rng, self.numbers, self.backend = rng, numbers, backend
        self.kernels: dict[str, Callable[[Any, Any], Any]] = {}

    def uniform(self, batch: int) -> Float32[np.ndarray, " batch"]:
        """The next numbers that tokens are drawn by, from 0 to below 1."""
        return self.rng.random(batch, np.float32)

    def kernel(self, backend: str) -> Callable[[Any, Any], Any]:
        """`(logits, uniform) -> tokens` by a kernel of that backend."""
        if backend not in self.kernels:
            draw = drawing(backend, self.numbers)
            # Compiled, the numbers are part of the program, and need not be sent to the device for each token.
            self.kernels[backend] = sys.modules["jax"].jit(draw) if backend == "jax" else draw
        return self.kernels[backend]

    def __call__(self, logits: Float[Any, "batch vocab_size"]) -> Int32[Any, " batch"]:
        uniform = self.uniform(len(logits))
        if is_jax(logits) and self.backend in (None, "jax"):
            return self.kernel("jax")(logits, sys.modules["jax"].device_put(uniform, next(iter(logits.devices()))))
        return self.kernel(self.backend or "numpy")(np.asarray(logits).astype(np.float32, copy=False), uniform)


def sampled(
    temperature: float,
    rng: np.random.Generator,
    *,
    top_k: int | None = None,
    top_p: float | None = None,
    backend: str | None = None,
) -> Sampled:
    """A picker that draws from `softmax(logits / temperature)`; from the `top_k` likeliest tokens, or the `top_p` part.

    backend: numpy, numba or jax, whose kernel draws; by default jax for logits on its devices, else numpy.
    """
    check_temperature(temperature)
    if top_k is not None:
        check_k(top_k)
    if top_p is not None:
        check_p(top_p)
    if top_k is not None and top_p is not None:
        raise ValueError(f"top_k is {top_k} and top_p {top_p}, expected one of them at most")
    if backend is not None and backend not in FILES:
        raise ValueError(f"backend is {backend!r}, expected one of {', '.join(FILES)}, or None to go by the logits")
    numbers = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    return Sampled(rng, {name: number for name, number in numbers.items() if number is not None}, backend)


def drawing(backend: str, numbers: Mapping[str, float]) -> Callable[[Any, Any], Any]:
    """`(logits, uniform) -> tokens` by a kernel of that backend; the last of the numbers is what it is named after."""
    name = list(numbers)[-1]
    module = import_module(f".sampling_{name}.{FILES[backend][name]}", __package__)
    function, values = getattr(module, f"sampling_{name}"), tuple(numbers.values())
    return lambda logits, uniform: function(logits, uniform, *values)


def is_jax(array: Any) -> bool:
    """Whether it is an array of JAX, which is not imported to know."""
    return "jax" in sys.modules and isinstance(array, sys.modules["jax"].Array)
