"""Where an implementation runs: which devices there are, and how arrays and results get there and back."""

from __future__ import annotations

import functools
import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from .arrays import ALIGNMENT, aligned, map_arrays
from .kernel import BACKENDS, Backend

DEVICES = ("cpu", "gpu", "tpu")


class UnavailableError(ValueError):
    """A device or a backend that was asked for and is not here."""


def installed(backend: str) -> bool:
    """Whether the packages that the backend needs can be imported; imports none of them."""
    return all(importlib.util.find_spec(package) for package in BACKENDS[backend].requires)


@functools.cache
def lacking(backend: str) -> str:
    """What this machine lacks for the backend, in words; empty if nothing."""
    missing = [package for package in BACKENDS[backend].requires if not importlib.util.find_spec(package)]
    if missing:
        return f"{', '.join(missing)} is not installed"
    absent = [feature for feature in BACKENDS[backend].features if not processor_has(feature)]
    return f"the processor has no {', '.join(absent)}" if absent else ""


def processor_has(feature: str) -> bool:
    """Whether the processor has an instruction set, by LLVM's name; without Numba's llvmlite nothing could use it.

    What Numba is told to compile for, in NUMBA_CPU_FEATURES, goes before what there is.
    """
    if not importlib.util.find_spec("llvmlite"):
        return False
    if told := os.environ.get("NUMBA_CPU_FEATURES"):
        return f"+{feature}" in told.split(",")
    from llvmlite.binding import get_host_cpu_features

    return bool(get_host_cpu_features().get(feature))


def choose_backends(asked: Sequence[str]) -> tuple[str, ...]:
    """The backends asked for, `reference` always among them; with nothing asked, all that this machine can run.

    Who asks for `numba` gets `numba_vnni` too, where the processor has the instructions.
    """
    for name in asked:
        if name not in BACKENDS:
            raise UnavailableError(f"--backend {name}: unknown, expected some of {', '.join(BACKENDS)}")
        if lacking(name):
            raise UnavailableError(f"--backend {name}: {lacking(name)}; see the extras in pyproject.toml")
    return tuple(
        name
        for name in BACKENDS
        if name == "reference"
        or name in asked
        or (not lacking(name) and (not asked or any(name.startswith(f"{other}_") for other in asked)))
    )


def choose_devices(asked: Sequence[str], backends: Sequence[str]) -> tuple[str, ...]:
    """The devices asked for; UnavailableError if one is unknown, absent, or no backend asked for runs on it."""
    for name in asked:
        if name not in DEVICES:
            raise UnavailableError(f"--device {name}: unknown, expected some of {', '.join(DEVICES)}")
        able = [backend for backend in BACKENDS if name in BACKENDS[backend].devices]
        if not set(able) & set(backends):
            raise UnavailableError(
                f"--device {name}: only {', '.join(able)} runs there; not among {', '.join(backends)}"
            )
        if name != "cpu":
            for arrays in {BACKENDS[backend].arrays for backend in set(able) & set(backends)}:
                {"jax": jax_device, "torch": torch_device}[arrays](name)
    return tuple(asked)


@functools.cache
def jax_device(name: str) -> Any:
    """The first JAX device of that platform; UnavailableError if there is none. The suite's JAX settings go with it."""
    import jax

    jax.config.update("jax_numpy_dtype_promotion", "strict")
    try:
        return jax.devices(name)[0]
    except RuntimeError:
        seen = ", ".join(sorted({device.platform for device in jax.devices()}))
        raise UnavailableError(f"--device {name}: JAX sees none on this machine, only {seen}") from None


@functools.cache
def torch_device(name: str) -> Any:
    """PyTorch's device of that name; UnavailableError if there is none. From then on it records no gradients."""
    import torch

    torch.set_grad_enabled(False)
    if name == "gpu" and not torch.cuda.is_available():
        raise UnavailableError(f"--device {name}: PyTorch sees no CUDA device on this machine")
    return torch.device({"gpu": "cuda"}.get(name, name))


def place(tree: Any, backend: Backend, device: str) -> Any:
    """`tree` with its arrays where the backend wants them: NumPy's as they are, or JAX's or PyTorch's on `device`."""
    if backend.arrays == "numpy":
        return tree
    if backend.arrays == "torch":
        return map_arrays(lambda array: _tensor(array).to(torch_device(device)), tree)
    import jax

    where = jax_device(device)
    return map_arrays(lambda array: jax.device_put(array, where), tree)


def _tensor(array: np.ndarray) -> Any:
    import torch

    # NumPy's bfloat16 is ml_dtypes's, which PyTorch does not know; the bits are the same.
    if array.dtype == ml_dtypes.bfloat16:
        return _tensor(array.view(np.int16)).view(torch.bfloat16)
    # PyTorch warns of memory that may not be written to.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def awaited(call: Callable[[], Any], backend: Backend, device: str) -> Callable[[], Any]:
    """`call`, returning only when its result has been computed."""
    if backend.arrays == "jax":
        import jax

        return lambda: jax.block_until_ready(call())
    if backend.arrays == "torch" and device == "gpu":
        import torch

        def finished() -> Any:
            result = call()
            torch.cuda.synchronize()
            return result

        return finished
    return call


def copied(tree: Any) -> Any:
    """`tree` with every array copied, where it is and as it is laid out."""
    return map_arrays(_copied, tree)


def _copied(array: Any) -> Any:
    if isinstance(array, np.ndarray):
        return _in_own_memory(array)
    # Not by whether there is a `clone`: that of JAX shares the memory, which donating then takes from both.
    return array.clone() if hasattr(array, "detach") else array.copy()


def _in_own_memory(array: np.ndarray) -> np.ndarray:
    """A copy with the same strides that begins on a cache line, as all arrays that are timed do."""
    if min(array.strides, default=0) < 0:
        return aligned(array)
    extent = sum((length - 1) * stride for length, stride in zip(array.shape, array.strides, strict=True))
    memory = aligned(np.zeros(extent + array.itemsize if array.size else 0, np.uint8))
    copy: np.ndarray = np.ndarray(array.shape, array.dtype, memory.data if array.size else None, 0, array.strides)
    copy[...] = array
    return copy


def on_lines(tree: Any) -> Any:
    """`tree` in which every NumPy array begins on a cache line; one that does not is copied, as it is laid out."""
    return map_arrays(lambda array: array if _on_line(array) else _in_own_memory(array), tree)


def _on_line(array: Any) -> bool:
    return not isinstance(array, np.ndarray) or not array.size or array.ctypes.data % ALIGNMENT == 0


def fetch(tree: Any) -> Any:
    """`tree` with every array as a NumPy array."""
    return map_arrays(_fetched, tree)


def _fetched(array: Any) -> np.ndarray:
    if not hasattr(array, "detach"):
        return np.asarray(array)
    if str(array.dtype) == "torch.bfloat16":
        import torch

        return np.asarray(array.view(torch.int16).cpu().numpy().view(ml_dtypes.bfloat16))
    return np.asarray(array.cpu().numpy())
