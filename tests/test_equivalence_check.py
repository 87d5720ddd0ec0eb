"""The judge itself: what counts as an error, and how large it is."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelgate.arrays import ALIGNMENT, LAYOUTS, aligned, laid_out, map_arrays, named_arrays
from kernelgate.judging import Mismatch, judge
from kernelgate.kernel import DTYPES, Folder, Kernel, Work, discover
from kernelgate.subject import Subject

SOFTMAX = discover("impls")["softmax"]


def subject(dtype="f32"):
    return Subject(SOFTMAX, "kernel", "reference", dtype, "cpu")


def scores(dtype="f32"):
    return np.array([[0.0, 1.0, -np.inf, 2.0], [5.0, 5.0, 5.0, 5.0]], DTYPES[dtype])


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@given(ulps=st.floats(0.5, 1e6))
def test_the_error_is_counted_in_ulps_of_the_rows_largest(dtype, ulps):
    exact = subject(dtype).oracle((scores(dtype),))
    unit = float(ml_dtypes.finfo(DTYPES[dtype]).eps) * exact.max(axis=-1, keepdims=True)
    wrong = (exact + ulps * unit).astype(DTYPES[dtype])
    if ulps > subject(dtype).kernel.ulps[dtype] + 1:
        with pytest.raises(Mismatch, match="ulps"):
            judge(subject(dtype), wrong, (scores(dtype),))
    elif ulps < subject(dtype).kernel.ulps[dtype] - 0.5:
        assert judge(subject(dtype), wrong, (scores(dtype),)) == pytest.approx(ulps, abs=1)


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_what_is_not_finite_where_it_should_be_is_wrong(wrong):
    answer = subject()(scores())
    answer[0, 0] = wrong
    with pytest.raises(Mismatch):
        judge(subject(), answer, (scores(),))


def test_nan_is_right_where_the_oracle_says_so():
    masked = np.full((1, 4), -np.inf, np.float32)
    assert judge(subject(), np.full((1, 4), np.nan, np.float32), (masked,)) == 0
    with pytest.raises(Mismatch):
        judge(subject(), np.zeros((1, 4), np.float32), (masked,))


def test_integers_are_right_or_wrong():
    kernel = Kernel(
        inputs=lambda rng, dtype: (np.arange(4),),
        work=lambda itemsize: Work(1, 1),
        cases={},
        domain={},
        ulps={"f32": 0},
        bind=lambda module, x: lambda: x + 1,
    )
    counting = Subject(
        Folder("impls", "softmax", {"kernel": kernel}, ("reference",)), "kernel", "reference", "f32", "cpu"
    )
    assert judge(counting, np.arange(4) + 1, (np.arange(4),)) == 0
    with pytest.raises(Mismatch, match="expected 3"):
        judge(counting, np.array([1, 2, 9, 4]), (np.arange(4),))


@given(st.sampled_from(LAYOUTS), st.integers(1, 5), st.integers(1, 9))
def test_a_layout_changes_no_value(layout, rows, columns):
    array = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    assert np.array_equal(laid_out(array, layout), array)


@given(st.integers(1, 100), st.sampled_from(["f32", "bf16", "f64"]))
def test_aligned_copies_begin_on_a_cache_line(length, dtype):
    array = np.arange(length).astype(DTYPES[dtype])
    copy = aligned(array)
    assert copy.ctypes.data % ALIGNMENT == 0
    assert copy.dtype == array.dtype
    assert np.array_equal(copy, array)
    assert not np.shares_memory(copy, array)


def test_arrays_are_found_and_replaced_wherever_they_are():
    tree = ({"a": np.zeros(1), "b": [np.ones(1), 3]}, "text")
    assert [name for name, _ in named_arrays(tree)] == ["0.a", "0.b.0"]
    doubled = map_arrays(lambda array: array * 2, tree)
    assert doubled[0]["b"][0] == 2 and doubled[0]["b"][1] == 3 and doubled[1] == "text"
