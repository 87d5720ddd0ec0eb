"""What Numba made of an implementation: the compiled functions that a call enters, and what they allocate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import named_arrays
from ..compilation import compilation
from ..kernel import Backend
from .allocations import numba_allocations
from .differences import LISTING, NOT_READ
from .listing import bounded
from .numba_assembly import MACHINES, readable
from .numba_functions import Compiled, Entered, entered

_FROM_ASSEMBLY = ("vector width", "packed arithmetic", "packed FMA", "float64 arithmetic in loops")


def figures(backend: Backend, placed: tuple[Any, ...], call: Callable[[], Any]) -> dict[str, Any]:
    """Sums over the compiled functions that `call` enters from Python; of their hot loops' vector widths the least."""
    warm: dict[str, Any] = {}
    with compilation(backend, warm):
        call()
    functions = sorted(entered(call), key=lambda one: (one.dispatcher.__qualname__, str(one.signature)))
    allocations = numba_allocations(call)
    compiled = [function.compiled() for function in functions]
    found: dict[str, Any] = {
        "compilations a call": warm["compilations"],
        "compiled signatures": len(functions),
        "object mode": sum(one.object_mode for one in compiled),
        "reflected arguments": sum(function.reflected for function in functions),
        "allocations": allocations,
        "vectorised loops": sum(one.loops.vectorised for one in compiled),
        "scalar loops": sum(one.loops.scalar for one in compiled),
    }
    if not readable():
        reason = f"only the assembly of {' and '.join(MACHINES)} is read"
        return found | dict.fromkeys(_FROM_ASSEMBLY) | {NOT_READ: dict.fromkeys(_FROM_ASSEMBLY, reason)}
    doubles = any(array.dtype == "float64" for _, array in named_arrays(placed))
    return found | {
        "vector width": min((one.hot.width for one in compiled if one.hot.width), default=0),
        "packed arithmetic": sum(one.hot.packed for one in compiled),
        "packed FMA": sum(one.hot.packed_fma for one in compiled),
        "float64 arithmetic in loops": 0 if doubles else sum(one.hot.double for one in compiled),
        LISTING: bounded("\n\n".join(_listed(*pair) for pair in zip(functions, compiled, strict=True))),
    }


def _listed(function: Entered, compiled: Compiled) -> str:
    """The hot loop under the name of its function."""
    return f"{function.dispatcher.__qualname__}:\n{compiled.hot.text or '(no loop with packed arithmetic)'}"
