"""The measuring of one benchmark: what it warms, pairs, counts and refuses. The only clock trusted is a false one."""

import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest
from false_clock import FalseClock
from hypothesis import given
from hypothesis import strategies as st

from kernelgate import limits, timing
from kernelgate.compilation import compilation
from kernelgate.devices import installed
from kernelgate.kernel import BACKENDS, Work
from kernelgate.memory import peak_memory
from kernelgate.rows import Selection


@pytest.fixture
def clock(monkeypatch):
    false = FalseClock()
    monkeypatch.setattr(timing, "time", false)
    return false


@pytest.mark.parametrize("quick", [1e-6, 3e-4, 0.1])
def test_the_ratio_of_a_pair_is_that_of_their_seconds(clock, quick):
    assert timing.paired_ratio(clock.call(3 * quick), clock.call(quick)) == pytest.approx(3)


def test_one_disturbed_block_does_not_move_the_ratio(clock):
    disturbed = clock.call(*[1e-3] * 20, 5.0, 1e-3)
    assert timing.paired_ratio(disturbed, clock.call(1e-3)) == pytest.approx(1)


def test_a_block_fills_its_time_even_if_the_first_call_is_slow(clock):
    assert timing.calls_in_a_block(clock.call(1.0, 1e-5)) == 1
    assert timing.calls_in_a_block(clock.call(1e-3, 1e-5)) == 200
    # As one that has threads to wake and memory to map.
    assert timing.calls_in_a_block(clock.call(timing.BLOCK_SECONDS * 1.5, 1e-5)) == 200


def test_warming_up_goes_on_for_its_time(clock):
    timing.warm_up(clock.call(1e-3))
    assert clock.now >= timing.WARM_SECONDS


@given(size=st.integers(1, 1 << 27), flops=st.integers(0, 1 << 27))
def test_the_floor_is_the_slower_of_bytes_and_flops(size, flops):
    machine = limits.Limits({1 << 20: 100.0, 1 << 25: 50.0}, {"f32": 70.0})
    # On a line between neighbours, level beyond the ends.
    bandwidth = min(max(100.0 - 50.0 * (size - 2**20) / (2**25 - 2**20), 50.0), 100.0)
    assert machine.floor(Work(0, size), "f32") == pytest.approx(size / bandwidth)
    assert machine.floor(Work(flops, size), "f32") == pytest.approx(max(size / bandwidth, flops / 70.0))


def test_the_limits_of_this_machine_make_sense():
    for arithmetic in ("f64", "bf16", "i8"):
        machine = limits.measure("cpu", arithmetic)
    rates = [machine.bandwidth[size] for size in sorted(machine.bandwidth)]
    assert rates == sorted(rates, reverse=True)
    assert machine.peak["f32"] > machine.peak["f64"] > 1e9
    assert min(machine.peak["bf16"], machine.peak["i8"]) >= machine.peak["f32"]


def test_a_peak_that_no_row_needs_is_not_measured(monkeypatch):
    measured = []
    monkeypatch.setattr(limits, "_known", {})
    monkeypatch.setattr(limits, "_bandwidth_of_cpu", lambda: {1: 2.0})
    monkeypatch.setattr(limits, "_peak", lambda device, arithmetic: measured.append(arithmetic) or 1.0)
    for work, dtype in ((Work(1, 1), "i32"), (Work(1, 1, "f32"), "bf16"), (Work(1, 1), "int4"), (Work(1, 1), "f32")):
        needed = limits.arithmetic_of(work, dtype)
        assert limits.measure("cpu", needed).floor(work, dtype) == 1.0
    assert measured == ["f32", "i8"]


def test_limits_that_were_beaten_are_measured_again_and_never_lowered(monkeypatch):
    disturbed = limits.Limits({1: 2.0, 10: 9.0}, {"f32": 5.0, "bf16": 9.0})
    quiet = limits.Limits({1: 8.0, 10: 4.0}, {"f32": 7.0, "bf16": 6.0})
    monkeypatch.setattr(limits, "_known", {"cpu": disturbed})
    monkeypatch.setattr(limits, "_bandwidth_of_cpu", lambda: quiet.bandwidth)
    monkeypatch.setattr(limits, "_peak", lambda device, arithmetic: quiet.peak[arithmetic])
    assert limits.measure_again("cpu") == limits.Limits({1: 8.0, 10: 9.0}, {"f32": 7.0, "bf16": 9.0})
    assert limits.measure("cpu") == limits.measure_again("cpu")


def test_peak_memory_sees_what_was_allocated_and_freed():
    facts = {}
    with peak_memory(facts):
        block = bytearray(64 << 20)
        block[::4096] = b"x" * len(block[::4096])
        del block
    assert facts["peak_memory_bytes"] >= 60 << 20


@pytest.mark.skipif(not installed("jax"), reason="needs jax")
def test_jax_compilations_are_counted_and_timed_apart():
    import jax
    import jax.numpy as jnp

    program = jax.jit(lambda x: jnp.sin(x) * 2)
    value = jnp.arange(7.0)
    first, second = {}, {}
    with compilation(BACKENDS["jax"], first):
        program(value).block_until_ready()
    with compilation(BACKENDS["jax"], second):
        program(value).block_until_ready()
    assert first["compilations"] == 1
    assert min(first["trace_s"], first["lower_s"], first["compile_s"], first["first_run_s"]) > 0
    assert first["first_call_s"] >= first["trace_s"] + first["lower_s"] + first["compile_s"]
    assert second["compilations"] == 0
    assert "compile_s" not in second


@pytest.mark.skipif(not installed("numba"), reason="needs numba")
def test_numba_compilations_are_counted_and_timed():
    from numba import njit

    inner = njit(lambda x: x + 1)
    outer = njit(lambda x: inner(x) * 2)
    first, second = {}, {}
    with compilation(BACKENDS["numba"], first):
        outer(1.0)
    with compilation(BACKENDS["numba"], second):
        outer(1.0)
    assert first["compilations"] == 1  # the callee is compiled within its caller's
    assert first["first_call_s"] >= first["compile_s"] > 0
    assert second["compilations"] == 0


def test_idle_blas_threads_leave_the_processor_alone():
    script = (
        "from kernelgate import threads; threads.pin()\n"
        "import time, numpy as np\n"
        "matrix = np.ones((512, 512), np.float32)\n"
        "matrix @ matrix\n"
        "start = time.process_time(); time.sleep(0.3); print(time.process_time() - start)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert float(run.stdout) < 0.05


def counting(rounded=lambda module, *arguments: arguments, name="one"):
    """A subject whose oracle counts."""
    calls = []

    def oracle(arguments):
        calls.append(arguments)
        return len(calls)

    kernel, folder = SimpleNamespace(rounded=rounded), SimpleNamespace(package="p", name=name)
    return SimpleNamespace(
        kernel=kernel, folder=folder, operation="decode", dtype="f32", module=None, oracle=oracle, calls=calls
    )


def test_implementations_share_what_the_oracle_found_unless_their_parameters_are_their_own(monkeypatch):
    monkeypatch.setattr(timing, "_expected", {})
    arguments, subject = (object(), object()), counting()
    assert [timing._oracle(subject, case, arguments) for case in ("a", "a", "b", "a")] == [1, 1, 2, 1]
    own = counting(rounded=lambda module, tokens, params: (tokens, object()))
    assert [timing._oracle(own, "a", arguments) for _ in range(2)] == [1, 2]
    # Those of one kernel are kept, while that is the one at hand.
    timing._oracle(counting(name="other"), "a", arguments)
    assert timing._oracle(subject, "a", arguments) == 3


@pytest.mark.parametrize(
    ("kernel", "operation", "most"),
    [("llama", "prefill", 1), ("llama", "decode", 1), ("llama", "generate", 0), ("gpt2", "decode", 0)],
)
def test_without_a_clock_models_are_left_to_their_domain_but_for_a_small_case(kernel, operation, most):
    selection = Selection.of("impls", ["numpy"], ["cpu"], heavy=False)
    subject = next(row for row in selection.subjects(operation, (kernel,)) if row.dtype == "f32")
    assert selection.cases(subject)
    assert len(selection.cases(subject, clock=False)) == most
    assert not selection.cases(replace(subject, implementation="jax_cache", dtype="bf16"), clock=False)


@pytest.mark.parametrize(
    ("implementation", "dtype", "seen"),
    [("jax_rows", "f32", True), ("jax_rows", "bf16", False), ("numba_bf16_packed", "bf16", True)],
)
def test_without_a_clock_kernels_have_all_their_cases_in_the_first_dtype(implementation, dtype, seen):
    selection = Selection.of("impls", ["numpy"], ["cpu"], heavy=False)
    subject = replace(next(selection.subjects("kernel", ("lm_head",))), implementation=implementation, dtype=dtype)
    assert selection.cases(subject)
    assert selection.cases(subject, clock=False) == (selection.cases(subject) if seen else {})
