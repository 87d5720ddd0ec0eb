"""What the first call of an implementation spends on compiling."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from .kernel import Backend

JAX_STAGES = {
    "/jax/core/compile/jaxpr_trace_duration": "trace_s",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lower_s",
    "/jax/core/compile/backend_compile_duration": "compile_s",
}

JAX_FOUND = "/jax/compilation_cache/cache_retrieval_time_sec"


@contextmanager
def compilation(backend: Backend, facts: dict[str, Any]) -> Iterator[None]:
    """Around a first call: puts its seconds, and those of its stages, into `facts`.

    `first_call_s` is all of it; `trace_s`, `lower_s` and `compile_s` come from JAX, `compile_s` also from Numba;
    `first_run_s` is what is left; `compilations` counts the programs or functions compiled, `compilations_found` those
    of them that JAX had in its cache on disk, if any.
    """
    stages: dict[str, float] = {}
    counts = {"compilations": 0}
    with ExitStack() as stack:
        if "jax" in backend.requires:
            stack.enter_context(_jax_stages(stages, counts))
        if "numba" in backend.requires:
            stack.enter_context(_numba_stages(stages, counts))
        start = time.perf_counter()
        yield
        first_call = time.perf_counter() - start
    facts |= {"first_call_s": first_call, **stages, **counts, "first_run_s": first_call - sum(stages.values())}


# Who is told what JAX compiles. One listener for good, since not every version can take one back.
_told: list[Callable[[str, float], None]] = []


@functools.cache
def _listen() -> None:
    import jax.monitoring

    def heard(event: str, duration: float, **_: Any) -> None:
        for tell in _told:
            tell(event, duration)

    jax.monitoring.register_event_duration_secs_listener(heard)


@contextmanager
def _jax_stages(stages: dict[str, float], counts: dict[str, int]) -> Iterator[None]:
    def tell(event: str, duration: float) -> None:
        if stage := JAX_STAGES.get(event):
            stages[stage] = stages.get(stage, 0.0) + duration
            counts["compilations"] += stage == "compile_s"
        elif event == JAX_FOUND:
            counts["compilations_found"] = counts.get("compilations_found", 0) + 1

    _listen()
    _told.append(tell)
    try:
        yield
    finally:
        _told.remove(tell)


@contextmanager
def _numba_stages(stages: dict[str, float], counts: dict[str, int]) -> Iterator[None]:
    from numba.core.event import install_recorder

    with install_recorder("numba:compile") as recorder:
        yield
    depth, begun = 0, 0.0
    for when, event in recorder.buffer:
        depth += 1 if event.is_start else -1
        if event.is_start and depth == 1:
            begun = when
        elif event.is_end and depth == 0:
            stages["compile_s"] = stages.get("compile_s", 0.0) + when - begun
            counts["compilations"] += 1
