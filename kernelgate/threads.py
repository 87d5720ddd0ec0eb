"""How many threads each library uses: pinned before any of them is imported, and recorded as they came out."""

from __future__ import annotations

import os
import sys
from typing import Any

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# Presets of a container image that choose slower BLAS kernels than the processor has: sgemm at half its speed was seen.
HAZARDS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "NVPL_BLAS_DEBUG_CPU_TYPE")
# How long idle threads spin for more work: about 0.1 ms, enough from one call to the next. OpenBLAS's own 100 ms take a
# processor from whatever is measured after it; a row beside a BLAS one came out ten times too slow.
SPINNING = {"OPENBLAS_THREAD_TIMEOUT": "18", "GOMP_SPINCOUNT": "5000"}

removed: dict[str, str] = {}


def available() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pin(count: int | None = None) -> int:
    """Give every library `count` threads (by default one a processor) and return the count.

    BLAS, OpenMP and Numba read environment variables when they are loaded; XLA sizes its pool by the processors that
    the process may use. Numba's own thread pool takes 83 us a parallel region, OpenMP's under 1: it comes last.
    """
    if count is None:
        count = available()
    if not 1 <= count <= available():
        raise ValueError(f"--threads {count}: expected 1 to {available()}, the processors that this process may use")
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))
    for name, value in {**SPINNING, "NUMBA_THREADING_LAYER_PRIORITY": "omp tbb workqueue"}.items():
        os.environ.setdefault(name, value)
    removed.update({name: os.environ.pop(name) for name in HAZARDS if name in os.environ})
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
    if "numpy" in sys.modules:
        _limit_loaded(count)
    return count


def _limit_loaded(count: int) -> None:
    import threadpoolctl

    threadpoolctl.threadpool_limits(count)


def record() -> dict[str, Any]:
    """What came of it, for `machine_info`: the thread pools now loaded, and the presets that were removed."""
    import threadpoolctl

    pools = [
        {key: pool.get(key) for key in ("internal_api", "num_threads", "version", "architecture", "threading_layer")}
        for pool in threadpoolctl.threadpool_info()
    ]
    numba = sys.modules.get("numba")
    return {
        "pinned": {name: os.environ.get(name) for name in (*VARIABLES, *SPINNING)},
        "processors": available(),
        "pools": pools,
        "numba_threads": numba.get_num_threads() if numba else None,
        "removed_variables": dict(removed),
    }
