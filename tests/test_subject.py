"""What a contract promises of arguments: which may be written to, which are prepared once, where all are placed."""

import sys
from types import SimpleNamespace

import ml_dtypes
import numpy as np
import pytest

from kernelgate import arm, devices, pairing, timing
from kernelgate.arrays import aligned
from kernelgate.devices import copied, fetch, installed
from kernelgate.equivalence import Example, check
from kernelgate.judging import Mismatch
from kernelgate.kernel import BACKENDS, Folder, Kernel, Work
from kernelgate.rows import Selection
from kernelgate.subject import Subject

needs_jax = pytest.mark.skipif(not installed("jax"), reason="JAX is not installed")
needs_torch = pytest.mark.skipif(not installed("torch"), reason="PyTorch is not installed")


def inputs(rng, dtype, rows):
    # Whole numbers: sums are exact.
    return rng.integers(1, 9, (rows, 8)).astype(dtype), rng.integers(1, 9, (rows, 8)).astype(dtype)


def contract(**fields):
    """Of `added(sums, x)`: by default a pure function of both."""
    plain = {"inputs": inputs, "work": lambda itemsize, rows: Work(8 * rows, 8 * rows * itemsize)}
    plain |= {"cases": {"some": {"rows": 3}}, "domain": {"rows": (1, 3)}, "ulps": {"f32": 1, "bf16": 1}}
    return Kernel(**plain | fields)


REFERENCE = "def added(sums, x):\n    return sums + x\n"


@pytest.fixture
def subject_of(tmp_path, monkeypatch):
    """A subject of the folder `added`, with an implementation of the given source under the given contract."""
    monkeypatch.syspath_prepend(tmp_path)
    folder = tmp_path / "planted" / "added"
    folder.mkdir(parents=True)
    (folder / "reference.py").write_text(REFERENCE)

    def subject(name, source, dtype="f32", **fields):
        (folder / f"{name}.py").write_text(source)
        found = Folder("planted", "added", {"kernel": contract(**fields)}, ("reference", name))
        return Subject(found, "kernel", name, dtype, "cpu")

    yield subject
    for name in [name for name in sys.modules if name.partition(".")[0] == "planted"]:
        del sys.modules[name]


INPLACE = "def added(sums, x):\n    sums += x\n    return sums\n"


def arguments(subject):
    return subject.place(inputs(np.random.default_rng(0), np.float32, 3))


def test_what_may_not_be_written_to_is_watched(subject_of):
    with pytest.raises(Mismatch, match="argument 0 was changed"):
        check(subject_of("numpy_inplace", INPLACE), Example({"rows": 3}))
    check(subject_of("numpy_inplace", INPLACE, mutates=1), Example({"rows": 3}))
    meddling = INPLACE.replace("    return", "    x += 1\n    return")
    with pytest.raises(Mismatch, match="argument 1 was changed"):
        check(subject_of("numpy_meddling", meddling, mutates=1), Example({"rows": 3}))


@pytest.mark.parametrize("layout", ["contiguous", "sliced", "transposed"])
def test_a_call_gets_what_the_one_before_left(subject_of, layout):
    subject = subject_of("numpy_inplace", INPLACE, mutates=1)
    sums, x = Example({"rows": 3}, layout=layout).arguments(subject.kernel, "f32")
    before = sums.copy()
    call = subject.bind((sums, x))
    for times in (1, 2, 3):
        np.testing.assert_allclose(call(), before + times * x, rtol=1e-6)
    np.testing.assert_array_equal(sums, before)
    np.testing.assert_allclose(subject.bind((sums, x))(), before + x, rtol=1e-6)


def test_the_state_is_what_comes_first_in_the_result(subject_of):
    source = "def added(sums, x):\n    return sums + x, 7 * x\n"
    subject = subject_of("numpy_two", source, mutates=1)
    sums, x = arguments(subject)
    call = subject.bind((sums, x))
    call()
    np.testing.assert_allclose(call()[0], sums + 2 * x, rtol=1e-6)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(4, 6),
        np.arange(24.0).reshape(4, 6)[:, ::2],
        np.asfortranarray(np.arange(24.0).reshape(4, 6)),
        np.arange(24.0).reshape(4, 6)[::-1],
        np.zeros((0, 3)),
        np.array(2.5),
        np.ones((2, 3), ml_dtypes.bfloat16)[:, 1:],
    ],
    ids=["contiguous", "sliced", "transposed", "reversed", "empty", "scalar", "bf16"],
)
def test_a_copy_is_laid_out_alike_on_a_cache_line(array):
    (copy,) = copied((array,))
    assert (copy.dtype, copy.shape) == (array.dtype, array.shape)
    assert copy.size == 0 or copy.ctypes.data % 64 == 0
    assert min(array.strides, default=0) < 0 or copy.strides == array.strides
    np.testing.assert_array_equal(copy, array)
    assert not np.shares_memory(copy, array)


DONATED = "import jax\nadded = jax.jit(lambda sums, x: sums + x, donate_argnums=0)\n"


@needs_jax
def test_a_donated_array_is_a_copy_and_the_next_call_donates_the_result(subject_of):
    subject = subject_of("jax_donated", DONATED, mutates=1)
    sums, x = arguments(subject)
    before = np.asarray(sums)
    call = subject.bind((sums, x))
    first = call()
    second = call()
    assert first.is_deleted()
    assert not sums.is_deleted()
    np.testing.assert_allclose(second, before + 2 * np.asarray(x), rtol=1e-6)
    check(subject, Example({"rows": 3}))


@needs_jax
def test_a_timed_donation_is_judged_by_its_first_result(subject_of):
    for name, source in (("jax_donated", DONATED), ("numpy_inplace", INPLACE)):
        subject = subject_of(name, source, mutates=1)
        benchmark = SimpleNamespace(enabled=False, extra_info={})
        timing.run(subject, "some", switched_off(benchmark))
        assert benchmark.extra_info["error_ulps"] <= 1
        with pytest.raises(Mismatch):
            wrong = source.replace("sums + x", "sums - x").replace("sums += x", "sums -= x")
            timing.run(subject_of(f"{name}_wrong", wrong, mutates=1), "some", switched_off(benchmark))


def switched_off(state):
    """pytest-benchmark's fixture, switched off: it calls once."""

    class Benchmark:
        enabled = state.enabled
        extra_info = state.extra_info

        def __call__(self, call):
            return call()

    return Benchmark()


PREPARED = """
prepared = []

def prepare(x):
    prepared.append(1)
    return (x + 1,)

def added(sums, x):
    assert prepared == [1] * len(prepared)
    return sums + (x - 1)
"""


def test_weights_are_prepared_when_bound_and_not_when_called(subject_of):
    subject = subject_of("numpy_prepared", PREPARED, weights=1)
    sums, x = arguments(subject)
    call = subject.bind((sums, x))
    assert subject.module.prepared == [1]
    for _ in range(3):
        np.testing.assert_allclose(call(), sums + x, rtol=1e-5)
    assert subject.module.prepared == [1]
    check(subject_of("numpy_prepared_again", PREPARED, weights=1), Example({"rows": 3}))


LAID_OUT = {
    "contiguous": lambda array: array,
    "transposed": lambda array: array.T,
    "sliced": lambda array: array[:, ::2],
    "reversed": lambda array: array[::-1],
    "empty": lambda array: array[:0],
    "number": lambda array: array[0, 0],
}


@pytest.mark.parametrize("view", LAID_OUT.values(), ids=LAID_OUT)
@pytest.mark.parametrize("offset", [0, 1, 4])
def test_prepared_weights_begin_on_a_cache_line_wherever_prepare_left_them(subject_of, view, offset):
    source = "def prepare(x):\n    return (x,)\n\ndef added(sums, x):\n    return sums + x\n"
    subject = subject_of("numpy_laid_out", source, weights=1)
    memory = aligned(np.zeros(16 * 8 + 16, np.float32)).view(np.uint8)
    array = memory[offset : offset + 16 * 8 * 4].view(np.float32).reshape(16, 8)
    array[...] = np.arange(16 * 8).reshape(16, 8)
    given = view(array)
    _, found = subject.prepared_to_time((np.zeros(1), given))
    np.testing.assert_array_equal(found, given)
    if given.ndim and given.size:
        assert found.ctypes.data % 64 == 0
        # Strides below 0 are not kept.
        assert found.strides == tuple(map(abs, given.strides))
        assert (found is given) == (given.ctypes.data % 64 == 0)


MISPLACED = """
import numpy as np

def prepare(x):
    memory = np.zeros(x.nbytes + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + 4
    return (memory[begin : begin + x.nbytes].view(x.dtype).reshape(x.shape),)

def added(sums, x):
    return x.ctypes.data % 64
"""


def bound_by_the_table(subject, monkeypatch):
    return timing._bound(subject, arguments(subject))


def bound_by_the_gate(subject, monkeypatch):
    return pairing.bound(pairing.prepared_alike([("head", subject)], arguments(subject)))["head"][0]


def bound_by_an_arm_of_its_own(subject, monkeypatch):
    monkeypatch.setattr(arm, "draw", lambda row, job: arguments(subject))
    monkeypatch.setattr(arm, "arms", lambda row, packages: {"base": [subject]})
    process = arm.Arm("base", SimpleNamespace(seed=1, packages={}))
    asked = {"kernel": "added", "operation": "kernel", "impl": "", "case": "", "dtype": "f32", "device": "cpu"}
    assert process.do({"bind": asked}) == {}
    return process.calls[0]


@pytest.mark.parametrize("bound", [bound_by_the_table, bound_by_the_gate, bound_by_an_arm_of_its_own])
def test_what_is_timed_begins_on_a_cache_line(subject_of, monkeypatch, bound):
    subject = subject_of("numpy_misplaced", MISPLACED, weights=1)
    assert bound(subject, monkeypatch)() == 0
    assert subject.bind(arguments(subject))() == 4


@pytest.mark.parametrize(("spoiled", "index"), [("sums", 0), ("x", 1)])
@pytest.mark.parametrize("layout", ["contiguous", "sliced", "transposed"])
def test_what_is_prepared_hides_no_writing_to_arguments(subject_of, spoiled, index, layout):
    source = f"def prepare(x):\n    return (x,)\n\ndef added(sums, x):\n    {spoiled} += 1\n    return sums + x - 1\n"
    # Of several, since an array lies on a cache line by luck now and then.
    for rows in range(1, 9):
        with pytest.raises(Mismatch, match=f"argument {index} was changed"):
            check(subject_of("numpy_spoiling", source, weights=1), Example({"rows": rows}, layout=layout))


def test_preparing_may_not_spoil_the_weights(subject_of):
    source = PREPARED.replace("return (x + 1,)", "x += 1\n    return (x,)")
    with pytest.raises(Mismatch, match="argument 1 was changed"):
        check(subject_of("numpy_spoiling", source, weights=1), Example({"rows": 3}))


def test_the_clock_starts_after_preparing(subject_of, monkeypatch):
    source = "def prepare(x):\n    tell('prepared')\n    return (x,)\n\ndef added(sums, x):\n    return sums + x\n"
    subject = subject_of("numpy_slow", source, weights=1)
    told = []
    subject.module.tell = told.append
    compilation = timing.compilation

    def watched(backend, facts):
        told.append("clock")
        return compilation(backend, facts)

    monkeypatch.setattr(timing, "compilation", watched)
    timing.run(subject, "some", switched_off(SimpleNamespace(enabled=False, extra_info={})))
    assert told == ["prepared", "clock"]


def test_a_mutated_argument_and_prepared_weights_go_together(subject_of):
    source = "def prepare(x):\n    return (2 * x,)\n\ndef added(sums, x):\n    sums += x / 2\n    return sums\n"
    subject = subject_of("numpy_both", source, weights=1, mutates=1)
    check(subject, Example({"rows": 3}))
    assert len(subject.prepared(arguments(subject))) == 2


@needs_torch
@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("layout", ["contiguous", "sliced"])
def test_torch_gets_tensors_of_its_own_dtype_and_gives_the_same_bits_back(subject_of, dtype, layout):
    import torch

    subject = subject_of("torch_added", REFERENCE, dtype)
    given = Example({"rows": 3}, layout=layout).arguments(subject.kernel, dtype)
    placed = subject.place(given)
    assert {tensor.dtype for tensor in placed} == {torch.float32 if dtype == "f32" else torch.bfloat16}
    for array, back in zip(given, fetch(placed), strict=True):
        assert back.dtype == array.dtype
        assert back.tobytes() == array.tobytes()
    check(subject, Example({"rows": 3}))
    assert not torch.is_grad_enabled()


@needs_torch
def test_a_tensor_written_to_is_a_copy(subject_of):
    subject = subject_of("torch_inplace", INPLACE, mutates=1)
    sums, x = arguments(subject)
    before = sums.clone()
    call = subject.bind((sums, x))
    call()
    np.testing.assert_allclose(fetch(call()), fetch(before + 2 * x), rtol=1e-6)
    assert (sums == before).all()


@needs_torch
def test_torch_takes_arrays_that_may_not_be_written_to(subject_of):
    subject = subject_of("torch_added", REFERENCE)
    array = np.broadcast_to(np.float32(3), (3, 8))
    np.testing.assert_array_equal(subject(array, array), np.full((3, 8), 6, np.float32))


@pytest.fixture
def lesser_processor(monkeypatch):
    monkeypatch.setattr(devices, "processor_has", lambda feature: False)
    devices.lacking.cache_clear()
    yield
    devices.lacking.cache_clear()


@pytest.mark.skipif(not installed("numba"), reason="Numba is not installed")
@pytest.mark.usefixtures("lesser_processor")
def test_a_backend_without_its_instructions_is_left_out_and_told(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "nothing" / "__init__.py").touch()
    for asked in ((), ("numba",)):
        selection = Selection.of("nothing", asked, ("cpu",), heavy=False)
        assert "numba" in selection.backends
        assert not {"numba_vnni", "numba_bf16"} & set(selection.backends)
        assert "numba_vnni (the processor has no avx512vnni)" in selection.absent
    with pytest.raises(devices.UnavailableError, match="--backend numba_vnni: the processor has no avx512vnni"):
        Selection.of("nothing", ("numba_vnni",), ("cpu",), heavy=False)


def test_features_are_those_that_numba_compiles_for(monkeypatch):
    """A backend is not run with instructions that Numba was told to leave out."""
    features = {feature for backend in BACKENDS.values() for feature in backend.features}
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2,-avx512vnni")
    assert not any(devices.processor_has(feature) for feature in features)
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx512vnni")
    assert devices.processor_has("avx512vnni") == installed("numba")
