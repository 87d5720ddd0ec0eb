"""One benchmark: compiled and warm before the clock starts, checked, and set beside the reference and the limit."""

from __future__ import annotations

import itertools
import math
import operator
import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import limits
from .arrays import aligned, map_arrays
from .compilation import compilation
from .devices import copied, fetch
from .judging import judge
from .kernel import DTYPES, itemsize
from .memory import peak_memory
from .subject import Subject

SEED = 20240229
WARM_SECONDS = 0.05
BLOCK_SECONDS = 0.002
PAIRED_SECONDS = 0.25
# Below this, what a call costs by itself is a figure of its own.
SMALL_SECONDS = 1e-4
SETTLE_SECONDS = 0.001
MOST_PAIRS = 15


def run(subject: Subject, case: str, benchmark: Any, libraries: Sequence[Subject] = ()) -> dict[str, Any]:
    """Time the subject on a case with pytest-benchmark's fixture; returns what is also put into `extra_info`.

    `libraries` are what it is set beside as well as the reference.

    Raises Mismatch if the timed call gives a wrong result: fast and wrong fails.
    """
    arguments, dims = inputs_of(subject, case), subject.kernel.dims(case)
    facts: dict[str, Any] = {}
    with peak_memory(facts):
        call = _bound(subject, arguments)
        with compilation(subject.backend, facts):
            # What later calls of a mutating operation give depends on how many there were.
            first = copied(call()) if subject.kernel.mutates else call()
        if benchmark.enabled:
            warm_up(call)
        last = _benchmarked(benchmark, call)
        result = fetch(first if subject.kernel.mutates else last)
    facts["error_ulps"] = judge(subject, result, arguments, partial(_oracle, subject, case))
    if benchmark.enabled:
        median = benchmark.stats.stats.median
        facts |= _rates(subject, subject.kernel.work(itemsize(subject.dtype), **dims), median)
        facts["speedup_over_reference"] = _over_reference(subject, case, arguments, call)
        if median < SMALL_SECONDS:
            facts["call_s"] = call_seconds(subject)
        if libraries:
            facts["speedup_over_library"] = min(_speedup(other, subject, arguments, call) for other in libraries)
    benchmark.extra_info.update(facts)
    return facts


def _bound(subject: Subject, arguments: tuple[Any, ...]) -> Callable[[], Any]:
    return subject.bind_prepared(subject.prepared_to_time(subject.place(arguments)))


# The oracle's results for the cases of the latest kernel, which all of its implementations share.
_expected: dict[tuple[str, str], dict[tuple[str, ...], Any]] = {}


def _oracle(subject: Subject, case: str, arguments: tuple[Any, ...]) -> Any:
    held = subject.kernel.rounded(subject.module, *arguments)
    if not all(map(operator.is_, held, arguments)):
        return subject.oracle(arguments)
    kernel, key = (subject.folder.package, subject.folder.name), (subject.operation, case, subject.dtype)
    if kernel not in _expected:
        _expected.clear()
    results = _expected.setdefault(kernel, {})
    if key not in results:
        results[key] = subject.oracle(arguments)
    return results[key]


def warm_up(call: Callable[[], object], least_seconds: float = WARM_SECONDS) -> None:
    """Call for at least that long: caches, branch predictors and thread pools settle."""
    start = time.perf_counter()
    while time.perf_counter() - start < least_seconds:
        call()


def _benchmarked(benchmark: Any, call: Callable[[], Any]) -> Any:
    # One call already makes a round: calibrating it would only repeat it.
    if benchmark.enabled and seconds(call, 1) > benchmark._max_time:
        return benchmark.pedantic(call, rounds=benchmark._min_rounds)
    return benchmark(call)


def _rates(subject: Subject, work: Any, median: float) -> dict[str, Any]:
    needed = limits.arithmetic_of(work, subject.dtype)
    floor = limits.measure(subject.device, needed).floor(work, subject.dtype)
    if floor > median:
        floor = limits.measure_again(subject.device).floor(work, subject.dtype)
    return {
        "flops": work.flops,
        "bytes": work.bytes,
        "gflops": work.flops / median / 1e9,
        "gbps": work.bytes / median / 1e9,
        "limit_share": floor / median,
    }


def inputs_of(subject: Subject, case: str) -> tuple[Any, ...]:
    """The arguments of a case, the same in every run, each array on a cache line of its own."""
    inputs = subject.kernel.inputs(np.random.default_rng(SEED), DTYPES[subject.dtype], **subject.kernel.dims(case))
    arguments: tuple[Any, ...] = map_arrays(aligned, inputs)
    return arguments


def _over_reference(subject: Subject, case: str, arguments: tuple[Any, ...], call: Callable[[], object]) -> float:
    other = subject.kernel.extrapolated.get(case)
    if other is None or other.case == case:
        return _speedup(subject.reference, subject, arguments, call)
    return other.times * _speedup(subject.reference, subject, inputs_of(subject, other.case), call)


def _speedup(other: Subject, subject: Subject, arguments: tuple[Any, ...], call: Callable[[], object]) -> float:
    if subject == other:
        return 1.0
    return paired_ratio(_bound(other, arguments), call)


def call_seconds(subject: Subject) -> float:
    """Seconds a call on the smallest shapes of the kernel's domain: what it costs before it computes anything."""
    kernel = subject.kernel
    shapes = (dict(zip(kernel.domain, values, strict=True)) for values in itertools.product(*kernel.domain.values()))
    dims = next(dims for dims in shapes if kernel.where(**dims))
    inputs = kernel.inputs(np.random.default_rng(SEED), DTYPES[subject.dtype], **dims)
    call = _bound(subject, map_arrays(aligned, inputs))
    warm_up(call, BLOCK_SECONDS)
    iterations = calls_in_a_block(call)
    return statistics.median(seconds(call, iterations) / iterations for _ in range(5))


def seconds(call: Callable[[], object], iterations: int) -> float:
    """The seconds that `iterations` calls take."""
    start = time.perf_counter()
    for _ in range(iterations):
        call()
    return time.perf_counter() - start


def paired_ratio(first: Callable[[], object], second: Callable[[], object]) -> float:
    """How many times longer `first` takes than `second`: the median ratio of neighbouring blocks in random order.

    Neighbours in time share the machine's mood, which two separate measurements do not. Blocks take about 2 ms or one
    call, and the pairs together about PAIRED_SECONDS, with at least one pair.
    """
    calls = [(call, calls_in_a_block(call)) for call in (first, second)]
    order = random.Random(SEED)
    logarithms: list[float] = []
    start = time.perf_counter()
    while len(logarithms) < MOST_PAIRS and (not logarithms or time.perf_counter() - start < PAIRED_SECONDS):
        took = [0.0, 0.0]
        for index in order.sample((0, 1), 2):
            took[index] = _block(*calls[index])
        logarithms.append(math.log(took[0] / took[1]))
    return math.exp(statistics.median(logarithms))


def calls_in_a_block(call: Callable[[], object], block: float = BLOCK_SECONDS) -> int:
    """How many calls fill a block of so many seconds, judged by the quickest of a few."""
    took = [seconds(call, 1)]
    # A first call may wake threads and map memory, which takes longer than all that follow: it never decides alone,
    # unless it filled several blocks.
    while len(took) < 5 and sum(took) < 5 * block:
        took.append(seconds(call, 1))
    return max(1, math.ceil(block / min(took)))


def settle(call: Callable[[], object], iterations: int) -> None:
    """Let the other side's threads go to sleep: idle BLAS and OpenMP threads spin at first. Then wake one's own."""
    time.sleep(SETTLE_SECONDS)
    if iterations > 1:
        call()


def _block(call: Callable[[], object], iterations: int) -> float:
    """Seconds a call, after settling."""
    settle(call, iterations)
    return seconds(call, iterations) / iterations
