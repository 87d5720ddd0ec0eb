"""What a call allocates: bytes as Python's tracemalloc sees them, and arrays inside of code that Numba compiled."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

SETTLING_SECONDS = 0.01


def peak_temporary_bytes(call: Callable[[], Any]) -> int:
    """How far the memory that Python and NumPy allocate rises in a call above what its result leaves allocated.

    The least of three calls, since Python's own objects come and go by a few hundred bytes. Memory of BLAS and JAX is
    not seen.
    """
    with _traced(), _one_thread():
        return min(_rise(call) for _ in range(3))


def numba_allocations(call: Callable[[], Any]) -> int:
    """How many arrays a call allocates in compiled code, counted with those that it wraps as arguments."""
    from numba.core.runtime import _nrt_python, rtsys

    counted = _nrt_python.memsys_stats_enabled()
    _nrt_python.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats().mi_alloc
        call()
        return int(rtsys.get_allocation_stats().mi_alloc - before)
    finally:
        if not counted:
            _nrt_python.memsys_disable_stats()


@contextmanager
def _traced() -> Iterator[None]:
    started = not tracemalloc.is_tracing()
    collecting = gc.isenabled()
    gc.disable()
    if started:
        tracemalloc.start()
    try:
        yield
    finally:
        if started:
            # A thread of the call that waits for the GIL in an allocation ends it first: CPython before 3.12.9 and
            # 3.13.2 crashes where tracing stops under it (python/cpython#128679).
            time.sleep(SETTLING_SECONDS)
            tracemalloc.stop()
        if collecting:
            gc.enable()


@contextmanager
def _one_thread() -> Iterator[None]:
    """Numba's compiled code on one thread: what several of them hold at a time depends on which is quicker."""
    if "numba" not in sys.modules:
        yield
        return
    import numba

    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(threads)


def _rise(call: Callable[[], Any]) -> int:
    tracemalloc.reset_peak()
    result = call()
    kept, peak = tracemalloc.get_traced_memory()
    del result
    return peak - kept
