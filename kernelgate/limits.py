"""What the machine can do, measured and not read off a datasheet: streaming bandwidth and matrix-product peaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from .arrays import aligned
from .devices import installed, jax_device, processor_has
from .kernel import DTYPES, QUANTISED_BYTES, Work
from .threads import available

Key = TypeVar("Key", int, str)

PROBE_SECONDS = 0.03
REPEATS = 3
GEMM_SIZE = 1024
ACCELERATOR_BYTES = 1 << 30
ACCELERATOR_GEMM_SIZE = 4096


@dataclass(frozen=True)
class Limits:
    """Bytes a second by working-set size in bytes, and floating-point operations a second by dtype."""

    bandwidth: Mapping[int, float]
    peak: dict[str, float]

    def floor(self, work: Work, dtype: str) -> float:
        """The least seconds for `work`: the slower of moving its bytes and doing its operations (roofline model).

        Between two sizes that were measured, bandwidth lies in between: a cache does not end at one byte.
        """
        sizes = sorted(self.bandwidth)
        bandwidth = np.interp(work.bytes, sizes, [self.bandwidth[size] for size in sizes])
        return float(max(work.bytes / bandwidth, work.flops / self.peak[arithmetic_of(work, dtype)]))


def arithmetic_of(work: Work, dtype: str) -> str:
    """The dtype whose peak limits `work`. Operations on integers of no peak of their own count like those on f32."""
    arithmetic = work.arithmetic or ("i8" if dtype in QUANTISED_BYTES else dtype)
    return arithmetic if arithmetic in ("bf16", "f64", "i8") else "f32"


_known: dict[str, Limits] = {}


def measure(device: str, arithmetic: str = "f32") -> Limits:
    """The limits of `device` with the threads as they are pinned, among them the peak of that arithmetic.

    Each is measured once a process: bandwidths take about 1.5 s on a CPU, a peak up to 1.
    """
    if device not in _known:
        _known[device] = Limits(_bandwidth_of_cpu() if device == "cpu" else _bandwidth_of_accelerator(device), {})
    peaks = _known[device].peak
    if arithmetic not in peaks:
        peaks[arithmetic] = _peak(device, arithmetic)
    return _known[device]


def measure_again(device: str) -> Limits:
    """The best of before and now: called when something ran faster than the limits, so a probe was disturbed."""
    before = _known.pop(device)
    for arithmetic in before.peak:
        now = measure(device, arithmetic)
    _known[device] = Limits(_best_of(before.bandwidth, now.bandwidth), _best_of(before.peak, now.peak))
    return _known[device]


def _best_of(before: Mapping[Key, float], now: Mapping[Key, float]) -> dict[Key, float]:
    return {key: max(before[key], now[key]) for key in before}


def measured() -> dict[str, Any]:
    """The limits measured in this process so far, for `machine_info`: GB/s by working set in KiB, GFLOP/s by dtype."""
    return {
        device: {
            "GB/s": {f"{size >> 10} KiB": round(rate / 1e9, 1) for size, rate in sorted(limits.bandwidth.items())},
            "GFLOP/s": {dtype: round(rate / 1e9, 1) for dtype, rate in limits.peak.items()},
        }
        for device, limits in _known.items()
    }


def cache_sizes() -> tuple[int, int]:
    """Bytes of all L2 caches together and of the L3 cache, as Linux tells; else 1 MiB a core and 32 MiB."""
    sizes = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, size = (index / "level").read_text().strip(), (index / "size").read_text().strip()
        if (index / "type").read_text().strip() != "Instruction":
            sizes[level] = int(size.removesuffix("K")) << 10
    return sizes.get("2", 1 << 20) * available(), sizes.get("3", 32 << 20)


def reading(size: int) -> float:
    """Bytes a second when every thread reads its share of `size` bytes again and again; takes about 0.1 s.

    What is larger than the caches is not read as a whole: it would come from memory at the same rate.
    """
    return _stream(_read, min(size, _beyond_caches()))


def _beyond_caches() -> int:
    return max(4 * cache_sizes()[1], 128 << 20)


def _bandwidth_of_cpu() -> dict[int, float]:
    l2, l3 = cache_sizes()
    memory = _beyond_caches()
    bandwidth: dict[int, float] = {}
    # Half of the L3 has room beside neighbours, all of it little. From the outside in, since an inner cache is never
    # slower: where the probe says so, it is the probe's calls that cost.
    for size in sorted({memory, l3, l3 // 2, l2 * 3 // 4}, reverse=True):
        bandwidth[size] = max(_stream(_read, size), _stream(_copy, size), *bandwidth.values())
    return bandwidth


def _peak(device: str, arithmetic: str) -> float:
    if device != "cpu":
        return _gemm_jax(device, "bf16" if arithmetic == "bf16" else "f32", ACCELERATOR_GEMM_SIZE)
    if arithmetic in ("f32", "f64"):
        return _gemm(DTYPES[arithmetic])
    by_f32 = measure(device, "f32").peak["f32"]
    if arithmetic == "i8":
        # No library here multiplies bytes at the processor's rate: VNNI does 64 where a float32 instruction does 16.
        return by_f32 * (4 if processor_has("avx512vnni") else 1)
    # Without bf16 arithmetic of its own, a processor computes in f32.
    return max(by_f32, _gemm_jax(device, arithmetic, GEMM_SIZE) if installed("jax") else 0.0)


def _read(values: np.ndarray, _: np.ndarray) -> int:
    np.dot(values, values)
    return values.nbytes


def _copy(source: np.ndarray, target: np.ndarray) -> int:
    np.negative(source, out=target)
    return source.nbytes + target.nbytes


def _stream(probe: Callable[[np.ndarray, np.ndarray], int], size: int) -> float:
    """Bytes a second of `probe` when every thread streams over its own share of `size` bytes, best of REPEATS."""
    from threadpoolctl import threadpool_limits

    threads = available()
    length = size // threads // 4 // (1 if probe is _read else 2)
    ones = np.broadcast_to(np.float32(1), length)
    shares = [(aligned(ones), aligned(ones[: 0 if probe is _read else None])) for _ in range(threads)]
    barrier = threading.Barrier(threads)

    def run(share: tuple[np.ndarray, np.ndarray]) -> float:
        barrier.wait()
        moved, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < PROBE_SECONDS:
            for _ in range(4):
                moved += probe(*share)
        return moved / elapsed

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return max(sum(pool.map(run, shares)) for _ in range(REPEATS))


def _best(call: Callable[[], object]) -> float:
    call()
    return min(_seconds(call) for _ in range(8))


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _gemm(dtype: Any) -> float:
    rng = np.random.default_rng(0)
    left, right = (aligned(rng.standard_normal((GEMM_SIZE, GEMM_SIZE)).astype(dtype)) for _ in range(2))
    product = np.empty_like(left)
    return float(2 * GEMM_SIZE**3 / _best(lambda: np.matmul(left, right, out=product)))


def _gemm_jax(device: str, dtype: str, size: int) -> float:
    import jax
    import jax.numpy as jnp

    rng = np.random.default_rng(0)
    values = rng.standard_normal((size, size), np.float32).astype(DTYPES[dtype])
    matrix = jax.device_put(values, jax_device(device))
    product = jax.jit(lambda a: jnp.matmul(a, a, preferred_element_type=jnp.float32))
    return float(2 * size**3 / _best(lambda: product(matrix).block_until_ready()))


def _bandwidth_of_accelerator(device: str) -> dict[int, float]:
    import jax
    import jax.numpy as jnp

    values = jax.device_put(np.ones(ACCELERATOR_BYTES // 4, np.float32), jax_device(device))
    copy = jax.jit(jnp.negative)
    return {ACCELERATOR_BYTES: 2 * ACCELERATOR_BYTES / _best(lambda: copy(values).block_until_ready())}
