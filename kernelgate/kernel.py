"""The vocabulary: what a kernel is, what a backend needs, and how implementations are found.

Everything in `kernelgate` rests on this file. It imports neither pytest, numba nor jax, so a package of kernels
can use it wherever it is installed; only the `spec.py` files do.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np

# Weights of `int8` and `int4` are given in float32, as activations are, and quantised when a model is loaded.
DTYPES: Mapping[str, np.dtype[Any]] = {
    "f32": np.dtype(np.float32),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f64": np.dtype(np.float64),
    "i32": np.dtype(np.int32),
    "int8": np.dtype(np.float32),
    "int4": np.dtype(np.float32),
}
# A scale of two bytes for each group of 32, as in llama.cpp's Q8_0 and Q4_0.
QUANTISED_BYTES: Mapping[str, float] = {"int8": 1 + 2 / 32, "int4": 1 / 2 + 2 / 32}


def itemsize(dtype: str) -> float:
    """Bytes of an element of a working dtype; of a weight with its share of a scale, where weights are quantised."""
    return QUANTISED_BYTES.get(dtype, DTYPES[dtype].itemsize)


class KernelError(ValueError):
    """A package of kernels that is not laid out as the house is."""


@dataclass(frozen=True)
class Work:
    """The least that any implementation must do: arithmetic operations, and bytes read and written once.

    `arithmetic` names what products are computed in, a key of DTYPES or `i8`, where it is not the working dtype.
    """

    flops: float
    bytes: float
    arithmetic: str | None = None


@dataclass(frozen=True)
class Backend:
    """What a file `<backend>_<how>.py` needs: importable packages, devices, working dtypes, and the arrays it takes.

    features:    instructions that the processor must have, as LLVM calls them.
    interpreted: devices on which it is proven in an interpreter (called with `interpret=True`), and never timed.
    untimed:     dtypes proven but not timed, unless a kernel names them: NumPy has no arithmetic in bfloat16.
    library:     what a user would pick instead: proven and timed beside ours, and of no concern to the gate.
    """

    requires: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cpu",)
    dtypes: tuple[str, ...] = ("f32", "bf16")
    arrays: str = "numpy"
    features: tuple[str, ...] = ()
    interpreted: tuple[str, ...] = ()
    untimed: tuple[str, ...] = ()
    library: bool = False


BACKENDS: Mapping[str, Backend] = {
    "reference": Backend(untimed=("bf16",)),
    "numpy": Backend(untimed=("bf16",)),
    "numba": Backend(requires=("numba",), dtypes=("f32",)),
    "numba_bf16": Backend(requires=("numba",), dtypes=("bf16",), features=("avx512bf16",)),
    "numba_vnni": Backend(requires=("numba",), dtypes=("f32",), features=("avx512vnni",)),
    "numba_int8": Backend(requires=("numba",), dtypes=("int8",), features=("avx512vnni",)),
    "numba_int4": Backend(requires=("numba",), dtypes=("int4",), features=("avx512vnni",)),
    "jax": Backend(requires=("jax",), devices=("cpu", "gpu", "tpu"), arrays="jax"),
    "jax_int8": Backend(requires=("jax",), devices=("cpu", "gpu", "tpu"), dtypes=("int8",), arrays="jax"),
    "pallas": Backend(requires=("jax",), devices=("cpu", "tpu"), arrays="jax", interpreted=("cpu",)),
    "torch": Backend(requires=("torch",), devices=("cpu", "gpu"), arrays="torch", library=True),
    "jaxnn": Backend(requires=("jax",), devices=("cpu", "gpu", "tpu"), arrays="jax", library=True),
    "tokamax": Backend(requires=("tokamax", "jax", "absl"), devices=("cpu", "gpu", "tpu"), arrays="jax", library=True),
    "sentencepiece": Backend(requires=("sentencepiece",), dtypes=("i32",), library=True),
    "tokenizers": Backend(requires=("tokenizers",), dtypes=("i32",), library=True),
    "torch_transformers": Backend(requires=("torch", "transformers"), library=True),
    "llamacpp": Backend(requires=("llama_cpp", "gguf"), library=True),
    "llamacpp_int8": Backend(requires=("llama_cpp", "gguf"), dtypes=("int8",), library=True),
    "llamacpp_int4": Backend(requires=("llama_cpp", "gguf"), dtypes=("int4",), library=True),
}


@dataclass(frozen=True)
class Extrapolated:
    """A case that the reference would take hours for, and so do others that are left out of it.

    The reference is timed on `case` instead, and taken to need `times` as long; on the case itself if only others are
    left out.
    """

    case: str
    times: float
    left_out: tuple[str, ...] = ("reference",)


@dataclass(frozen=True)
class Kernel:
    """The contract of one operation: what goes in, what it costs, where it is timed and checked, how exact it must be.

    inputs:  `(rng, dtype, **dims) -> arguments`: realistic, never all ones or zeros. The first holds the activations.
    work:    `(itemsize, **dims) -> Work`, with the bytes of an element of the working dtype.
    cases:   what is timed, by name: the dims of real models. `heavy` ones are timed only when asked for.
    extrapolated: the cases, by name, that are too large for the reference; `agrees` must judge them without it.
    domain:  what is checked: a few small values a dim, since each new shape recompiles JAX.
    where:   which dims belong together.
    ulps:    the error allowed by dtype, in eps(dtype) times `scale`: a row's worst element against its largest scale.
             By `backend:dtype` it is another for that backend, as for a library whose float32 is not so throughout.
    scale:   `(result, *arguments) -> array` in float64, by default `|result|`; for a product `sqrt(A**2 @ B**2)`.
    agrees:  `(result, *arguments) -> None`, raises AssertionError: a verdict in place of the error, for sampled tokens.
    bind:    `(module, *arguments) -> call`, by default the module's function of the folder's name on the arguments.
    rounded: `(module, *arguments) -> arguments` as the implementation holds them: the oracle computes with those, so
             that weights rounded to a format are not taken for a mistake.
    dtypes:  working dtypes of a backend, or of any other (`*`), where this operation's are not the backend's.
    weights: how many of the last arguments stay the same from call to call. A file may define `prepare(*weights)`,
             done once, outside the clock, as when a model is loaded; the function gets what it returns in their place.
    mutates: how many of the first arguments may be written to, or donated. The result holds them as they are then,
             and the next call gets those; a repeated call must make sense.
    edges:   `(rng, activations) -> activations` by name: awkward inputs drawn beside the plain ones.
    magnitudes: factors on the activations.
    margin:  the slowdown that the gate puts up with, 0.02 for 2 %, where it is not the project's.
    """

    inputs: Callable[..., tuple[Any, ...]]
    work: Callable[..., Work]
    cases: Mapping[str, Mapping[str, Any]]
    domain: Mapping[str, tuple[Any, ...]]
    ulps: Mapping[str, float]
    where: Callable[..., bool] = lambda **dims: True
    scale: Callable[..., Any] = lambda result, *arguments: np.abs(result)
    agrees: Callable[..., None] | None = None
    bind: Callable[..., Callable[[], Any]] | None = None
    rounded: Callable[..., tuple[Any, ...]] = lambda module, *arguments: arguments
    heavy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    extrapolated: Mapping[str, Extrapolated] = field(default_factory=dict)
    dtypes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights: int = 0
    mutates: int = 0
    edges: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    magnitudes: tuple[float, ...] = (1e-6, 1.0, 1e6)
    margin: float | None = None

    def dims(self, case: str) -> Mapping[str, Any]:
        """The dims of a case by name, be it a heavy one."""
        return {**self.cases, **self.heavy}[case]

    def ulps_of(self, backend: str, dtype: str) -> float:
        """The error allowed to an implementation of that backend."""
        return self.ulps[own] if (own := f"{backend}:{dtype}") in self.ulps else self.ulps[dtype]

    def dtypes_of(self, backend: str) -> tuple[str, ...]:
        """The working dtypes in which implementations of a backend are proven and timed."""
        return self.dtypes.get(backend, self.dtypes.get("*", BACKENDS[backend].dtypes))


@dataclass(frozen=True)
class Folder:
    """One folder of a kernels package: its operations (a plain kernel has one, named `kernel`) and implementations."""

    package: str
    name: str
    operations: Mapping[str, Kernel]
    implementations: tuple[str, ...] = ()

    def load(self, implementation: str) -> ModuleType:
        """Import one implementation; the only place that does."""
        return importlib.import_module(f"{self.package}.{self.name}.{implementation}")


def backend_of(implementation: str) -> str:
    """The longest key of BACKENDS that the file name begins with; KernelError if there is none."""
    keys = [key for key in BACKENDS if implementation.startswith(f"{key}_") or implementation == key == "reference"]
    if not keys:
        raise KernelError(
            f"{implementation}.py names no backend: expected spec.py, reference.py or <backend>_<how>.py "
            f"with a backend of {', '.join(BACKENDS)}"
        )
    return max(keys, key=len)


def discover(package: str) -> dict[str, Folder]:
    """Every folder of `package` that has a `spec.py`, by name. Imports the specs, and lists the other files."""
    root = importlib.import_module(package)
    folders = {}
    for found in pkgutil.iter_modules(root.__path__):
        if found.ispkg:
            files = {file.name for file in pkgutil.iter_modules([f"{root.__path__[0]}/{found.name}"]) if not file.ispkg}
            if "spec" in files:
                folders[found.name] = _read(package, found.name, files - {"spec"})
    return folders


def operations_of(package: str, name: str) -> Mapping[str, Kernel]:
    """The contracts in one folder's `spec.py`, by operation."""
    spec = importlib.import_module(f"{package}.{name}.spec")
    operations = getattr(spec, "OPERATIONS", None) or {"kernel": getattr(spec, "KERNEL", None)}
    if not all(isinstance(operation, Kernel) for operation in operations.values()):
        raise KernelError(f"{package}/{name}/spec.py defines neither KERNEL nor OPERATIONS: expected Kernel(...)")
    return operations


def _read(package: str, name: str, files: set[str]) -> Folder:
    operations = operations_of(package, name)
    if "reference" not in files:
        raise KernelError(f"{package}/{name}/ has no reference.py: every kernel needs one, it is the oracle")
    for file in files:
        try:
            backend_of(file)
        except KernelError as error:
            raise KernelError(f"{package}/{name}/{error}") from None
    return Folder(package, name, operations, tuple(sorted(files, key=lambda file: (file != "reference", file))))
