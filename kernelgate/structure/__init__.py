"""Structure beside the clock: exact figures of an implementation, without noise, compared between two commits.

`figures` reads them from compilers and allocators; `compare` says what changed, and whether it became worse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..arrays import named_arrays
from ..devices import fetch
from ..judging import Mismatch, judge
from ..subject import Subject
from .differences import LISTING, NOT_READ, Difference, compare, unread

__all__ = ["LISTING", "Difference", "compare", "figures", "unread"]


def figures(subject: Subject, placed: tuple[Any, ...], call: Callable[[], Any]) -> dict[str, Any]:
    """The figures of an implementation on these arguments, by name; `call` is bound to them. JSON can hold it.

    A figure that cannot be had is None, and `not read` says why; `listing` is the program, where it can be shown. For
    JAX this drops all that the process has compiled, so that whatever is timed after it must be warmed up again.
    """
    found: dict[str, Any] = {NOT_READ: {}}
    if "jax" in subject.backend.requires:
        from . import xla

        _add(found, xla.figures(subject, placed, call))
    else:
        from .allocations import peak_temporary_bytes

        call()  # what only a first one allocates, or compiles, is no figure
        found["peak temporary bytes"] = peak_temporary_bytes(call)
    if "numba" in subject.backend.requires:
        from . import numba_figures

        _add(found, numba_figures.figures(subject.backend, placed, call))
    result = fetch(call())
    arrays = [array for _, array in named_arrays(result)]
    found["result bytes"] = sum(array.nbytes for array in arrays)
    found["result dtype"] = " ".join(array.dtype.name for array in arrays)
    try:
        found["error"] = judge(subject, result, fetch(placed))
    except Mismatch as mismatch:
        _add(found, {"error": None, NOT_READ: {"error": str(mismatch)}})
    return found


def _add(found: dict[str, Any], more: dict[str, Any]) -> None:
    """Put `more` into `found`, reasons to reasons."""
    reasons = found[NOT_READ] | more.get(NOT_READ, {})
    found |= more | {NOT_READ: reasons}
