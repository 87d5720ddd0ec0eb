"""Where an implementation runs: which devices there are, and how arrays and results get there and back."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .arrays import map_arrays
from .kernel import BACKENDS, Backend

DEVICES = ("cpu", "gpu", "tpu")


class UnavailableError(ValueError):
    """A device or a backend that was asked for and is not here."""


def installed(backend: str) -> bool:
    """Whether the packages that the backend needs can be imported; imports none of them."""
    return all(importlib.util.find_spec(package) for package in BACKENDS[backend].requires)


def choose_backends(asked: Sequence[str]) -> tuple[str, ...]:
    """The backends asked for, `reference` always among them; with nothing asked, all that are installed."""
    for name in asked:
        if name not in BACKENDS:
            raise UnavailableError(f"--backend {name}: unknown, expected some of {', '.join(BACKENDS)}")
        if not installed(name):
            needs = ", ".join(BACKENDS[name].requires)
            raise UnavailableError(f"--backend {name}: {needs} is not installed; pip install 'kernelgate[{name}]'")
    return tuple(name for name in BACKENDS if name == "reference" or (name in asked if asked else installed(name)))


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
            jax_device(name)
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


def place(tree: Any, backend: Backend, device: str) -> Any:
    """`tree` with its arrays where the backend wants them: NumPy arrays as they are, or JAX arrays on `device`."""
    if backend.arrays == "numpy":
        return tree
    import jax

    where = jax_device(device)
    return map_arrays(lambda array: jax.device_put(array, where), tree)


def awaited(call: Callable[[], Any], backend: Backend) -> Callable[[], Any]:
    """`call`, returning only when its result has been computed."""
    if backend.arrays == "numpy":
        return call
    import jax

    return lambda: jax.block_until_ready(call())


def fetch(tree: Any) -> Any:
    """`tree` with every array as a NumPy array."""
    return map_arrays(np.asarray, tree)
